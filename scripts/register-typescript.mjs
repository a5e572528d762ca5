// `node --import ./scripts/register-typescript.mjs file.ts`: our TypeScript runs as it is, for tools that are no part of a build.
import { register } from "node:module";

register("./typescript-hooks.mjs", import.meta.url);
