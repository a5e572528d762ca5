import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateServiceKey } from "@florin/auth";

/** A FLORIN_KEYS directory as docs/running.md describes it, new: the master key, a private key for each service, the public set. */
export async function writeClusterKeys(directory: string, services: readonly string[]): Promise<void> {
  await mkdir(join(directory, "service"), { recursive: true, mode: 0o700 });
  await writeFile(join(directory, "master.key"), randomBytes(32), { mode: 0o600 });
  const made = await Promise.all(services.map(async (name) => ({ name, ...(await generateServiceKey(name)) })));
  for (const { name, privateJwk } of made)
    await writeFile(join(directory, "service", `${name}.json`), JSON.stringify(privateJwk), { mode: 0o600 });
  const keys = made.map(({ publicJwk }) => publicJwk);
  await writeFile(join(directory, "service", "public.json"), JSON.stringify({ keys }));
}
