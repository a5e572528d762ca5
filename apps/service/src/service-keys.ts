import { randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createServiceTokens,
  createServiceVerifier,
  generateServiceKey,
  publicPartOf,
  type JwkSet,
  type PrivateJwk,
  type ServiceTokens,
} from "@florin/auth";
import type { Clock } from "@florin/kernel";
import { z } from "zod";
import { ensureMasterKey, writeOnce } from "./secrets.js";
import { StartError } from "./start-error.js";

/**
 * Who is who among the processes of one installation, in the directory FLORIN_KEYS:
 *
 *   master.key             what the areas seal with
 *   service/<name>.json    the private key of one service; give each process its own and no other
 *   service/public.json    the public keys of all; read again while the processes run, so a key can be added or retired without a restart
 */
export const serviceNames = ["gateway", "accounts", "ledger", "portfolio"] as const;
export type ServiceName = (typeof serviceNames)[number];

/** How long a retired key may still be believed. */
const REREAD_MS = 10_000;

const publicJwk = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
  alg: z.literal("EdDSA"),
  use: z.literal("sig"),
});
const privateJwk = publicJwk.extend({ d: z.string() });
const publicSet = z.object({ keys: z.array(publicJwk) });

/** Makes what is missing and leaves what is there; `service/public.json` is written from the private keys found, plus what it held. */
export async function ensureKeys(directory: string): Promise<void> {
  await ensureMasterKey(directory);
  const services = join(directory, "service");
  await mkdir(services, { recursive: true, mode: 0o700 });
  for (const name of serviceNames) {
    const made = await generateServiceKey(name);
    await writeOnce(privateKeyFile(directory, name), `${JSON.stringify(made.privateJwk)}\n`);
  }
  const own = await Promise.all((await listNames(services)).map((name) => readPrivateKey(directory, name)));
  const known = await readPublicSet(directory).catch(() => ({ keys: [] }));
  const keys = new Map([...known.keys, ...own.map(publicPartOf)].map((key) => [key.kid, key]));
  const file = publicSetFile(directory);
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, `${JSON.stringify({ keys: [...keys.values()] }, undefined, 2)}\n`);
  await rename(draft, file); // a reader meets the old set or the new one
}

/** What one process proves itself with, and how it checks who calls it. */
export interface ServiceIdentity {
  readonly name: ServiceName;
  readonly tokens: ServiceTokens;
  /** The name of the service that a token made for us proves. Throws AuthError. */
  verifyCaller(token: string): Promise<string>;
}

export async function readServiceIdentity(
  directory: string,
  name: ServiceName,
  clock: Clock,
): Promise<ServiceIdentity> {
  const own = await readPrivateKey(directory, name);
  const { keys } = await readPublicSet(directory);
  if (!keys.some((key) => key.kid === own.kid))
    throw new StartError(`${publicSetFile(directory)} lacks the key ${own.kid} of ${name}. Add its public part.`);
  const verifier = createServiceVerifier({
    audience: name,
    jwks: () => readPublicSet(directory),
    clock,
    maxAgeMs: REREAD_MS,
  });
  return {
    name,
    tokens: createServiceTokens({ name, privateJwk: own, clock }),
    verifyCaller: async (token) => (await verifier.verify(token)).principal.replace(/^svc:/, ""),
  };
}

async function listNames(directory: string): Promise<string[]> {
  const files = await readdir(directory);
  return files
    .filter((file) => /^[a-z][a-z0-9-]*\.json$/.test(file) && file !== "public.json")
    .map((f) => f.slice(0, -5));
}

async function readPrivateKey(directory: string, name: string): Promise<PrivateJwk> {
  return readJson(privateKeyFile(directory, name), privateJwk);
}

function readPublicSet(directory: string): Promise<JwkSet> {
  return readJson(publicSetFile(directory), publicSet);
}

/** Never repeats what stands in the file. */
async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new StartError(
      `${file} cannot be read (${error.code ?? "?"}). Make the keys of this installation once: npm run keys`,
    );
  });
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new StartError(`${file} does not hold what it should. Restore it, or remove it and run: npm run keys`);
  }
}

function privateKeyFile(directory: string, name: string): string {
  return join(directory, "service", `${name}.json`);
}

function publicSetFile(directory: string): string {
  return join(directory, "service", "public.json");
}
