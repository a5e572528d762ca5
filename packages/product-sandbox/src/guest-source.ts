import { readFile } from "node:fs/promises";

/**
 * What runs inside the sandbox beside the product: the kernel's own modules, as they run in this process, and the two of `guest/`. Read
 * from where this process has them: compiled files in a build, sources under the condition "florin" (tests, tools), whose types are
 * then stripped by the compiler that already does so for everything else there.
 */
export interface GuestModules {
  /** By the name that the module loader asks for. */
  readonly sources: ReadonlyMap<string, string>;
}

/** What a product sees as `@florin/kernel`: money, dates and what products are made of; nothing that decides or stores. */
const productFacing = [
  "balance",
  "currency",
  "data-requirement",
  "define-product",
  "exact-json",
  "hook",
  "instant",
  "instruction",
  "money",
  "observation",
  "observed-balances",
  "parameter",
  "product",
  "refusal",
  "restriction-type",
  "rounding",
];

export const KERNEL_DOOR = "@florin/kernel";
export const GUEST_ENTRY = "guest/run-product.js";

export async function readGuestModules(): Promise<GuestModules> {
  const sources = new Map<string, string>();
  const kernel = new URL(import.meta.resolve(KERNEL_DOOR));
  for (const name of productFacing)
    await readModule(`kernel/${name}.js`, new URL(`./${name}.js`, kernel), kernel, sources);
  sources.set(KERNEL_DOOR, productFacing.map((name) => `export * from "kernel/${name}.js";`).join("\n"));
  const here = new URL(import.meta.url);
  for (const name of ["restrict-globals", "run-product"])
    await readModule(`guest/${name}.js`, new URL(`./guest/${name}.js`, here), here, sources);
  return { sources };
}

const IMPORT = /\bfrom\s+"(\.{1,2}\/[^"]+)"/g;

async function readModule(name: string, url: URL, door: URL, sources: Map<string, string>): Promise<void> {
  if (sources.has(name)) return;
  const isTypeScript = door.pathname.endsWith(".ts");
  const file = isTypeScript ? new URL(url.href.replace(/\.js$/, ".ts")) : url;
  const text = await readFile(file, "utf8");
  const source = isTypeScript ? await stripTypes(text) : text;
  sources.set(name, source);
  for (const [, path] of source.matchAll(IMPORT))
    await readModule(resolveName(name, path!), new URL(path!, url), door, sources);
}

/** `./x.js` as module `folder/y.js` means it. */
export function resolveName(from: string, path: string): string {
  return new URL(path, new URL(from, "file:///")).pathname.slice(1);
}

interface TypeStripper {
  transform(source: string, options: object): Promise<{ readonly code: string }>;
}

/** A tool of development, so it is no dependency: a build never comes here. */
const STRIPPER: string = "@swc/core";

async function stripTypes(source: string): Promise<string> {
  const { transform } = (await import(STRIPPER)) as TypeStripper;
  const options = { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "nodenext" } };
  return (await transform(source, options)).code;
}
