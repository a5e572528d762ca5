import { readFile } from "node:fs/promises";

export interface ExplorerFiles {
  readonly page: string;
  readonly script: string;
  readonly style: string;
}

/** Our own small explorer, gateway/explorer: three files from this host, so it works offline under a strict policy. */
export async function readExplorer(): Promise<ExplorerFiles> {
  const read = (name: string) => readFile(new URL(`../explorer/${name}`, import.meta.url), "utf8");
  const [page, script, style] = await Promise.all([read("index.html"), read("explorer.js"), read("explorer.css")]);
  return { page, script, style };
}
