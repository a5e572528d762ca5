import { readFile, readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import * as door from "../src/index.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** All shipped TypeScript of the repository, by path. */
async function shippedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  async function walk(directory: string): Promise<void> {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        if (!["node_modules", "dist", "__generated__"].includes(entry.name)) await walk(path);
      } else if (/(?<!\.test)\.ts$/.test(entry.name)) files.set(relative(root, path), await readFile(path, "utf8"));
    }
  }
  for (const part of ["packages", "subgraphs", "gateway", "apps"]) await walk(join(root, part));
  return files;
}

describe("an access token", () => {
  it("is read in three places only: for the request, for sealing, and where the reading is defined", async () => {
    const files = await shippedFiles();
    const readers = [...files].filter(([, text]) => text.includes("revealAccessToken")).map(([path]) => path);
    expect(readers.sort()).toEqual([
      "packages/plaid/src/access-token.ts",
      "packages/plaid/src/create-plaid-port.ts",
      "packages/plaid/src/token-vault.ts",
    ]);
    expect(Object.keys(door)).not.toContain("revealAccessToken");
  });

  it("reaches Plaid through this package alone: nobody else imports the client", async () => {
    const files = await shippedFiles();
    const users = [...files]
      .filter(([, text]) => /^import (?!type).* from "plaid"|import\("plaid"\)/m.test(text))
      .map(([path]) => path.split("/").slice(0, 2).join("/"));
    expect(new Set(users.filter((one) => one !== "packages/plaid-simulator"))).toEqual(new Set(["packages/plaid"]));
  });
});
