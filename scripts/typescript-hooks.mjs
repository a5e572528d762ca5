// Lets a script import our TypeScript sources as they are (`register` from node:module): workspace packages resolve by the
// condition "florin", "./x.js" finds "./x.ts", types are stripped by swc. For test set-up only, so that runs side by side never
// meet a half-built dist.
import { transform } from "@swc/core";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export async function resolve(specifier, context, nextResolve) {
  if (specifier.startsWith(".") && specifier.endsWith(".js") && context.parentURL?.endsWith(".ts")) {
    const source = new URL(specifier.replace(/\.js$/, ".ts"), context.parentURL);
    if (existsSync(source)) return { url: source.href, format: "module", shortCircuit: true };
  }
  if (!specifier.startsWith("@florin/")) return nextResolve(specifier, context);
  return nextResolve(specifier, { ...context, conditions: ["florin", ...context.conditions] });
}

export async function load(url, context, nextLoad) {
  if (!url.endsWith(".ts")) return nextLoad(url, context);
  const filename = fileURLToPath(url);
  const { code } = await transform(await readFile(filename, "utf8"), {
    filename,
    sourceMaps: "inline",
    jsc: { target: "es2022", parser: { syntax: "typescript" } },
    module: { type: "nodenext" },
  });
  return { format: "module", source: code, shortCircuit: true };
}
