// A process of its own for redis-processes.test.ts: its sources run as they are.
import { register } from "node:module";

register("../../../scripts/typescript-hooks.mjs", import.meta.url);
await import("./redis-process.ts");
