import { readFile } from "node:fs/promises";

/** gateway/supergraph.graphql: one level above this file's folder, `src` and `dist` alike. Composed by scripts/compose.mjs. */
export function readSupergraph(): Promise<string> {
  return readFile(new URL("../supergraph.graphql", import.meta.url), "utf8");
}
