import { jest } from "@jest/globals";
import * as kernel from "@florin/kernel";
import { openProductSandbox, type UploadedProduct } from "../src/index.js";
import { builtIns, builtInSource } from "./built-in-source.js";

/**
 * Same interface, same tests (HOOK-4): the library's own test file runs here a second time, with every product of the library loaded
 * from its source through the sandbox.
 */
const sandbox = await openProductSandbox({ limits: { prePostingMillis: 1_000, loadMillis: 5_000 } });
const loaded = new Map<string, UploadedProduct>();
for (const { file, product } of builtIns) {
  const uploaded = sandbox.loadProduct(await builtInSource(file, product));
  loaded.set(product, uploaded);
}
afterAll(() => loaded.forEach((product) => product.dispose()));

const library = "../../kernel/src/products";
for (const file of new Set(builtIns.map((one) => one.file))) {
  const products = builtIns.filter((one) => one.file === file).map(({ product }) => [product, loaded.get(product)]);
  const { interestForYear, allocate } = kernel;
  jest.unstable_mockModule(`${library}/${file.replace(".ts", ".js")}`, () => ({
    interestForYear,
    allocate,
    ...(Object.fromEntries(products) as Record<string, UploadedProduct>),
  }));
}

const libraryTests: string = `${library}/library.test.ts`;
await import(libraryTests);

describe("the library in the sandbox", () => {
  test.each(builtIns)("the tests above had $product from the sandbox", async ({ file, product }) => {
    const path: string = `${library}/${file.replace(".ts", ".js")}`;
    const seen = (await import(path)) as Record<string, UploadedProduct>;
    expect(seen[product]?.sourceDigest).toBe(loaded.get(product)!.sourceDigest);
  });

  test.each(builtIns.map(({ product }) => product))("%s says of itself what it says natively", (product) => {
    const native = Reflect.get(kernel, product) as kernel.Product;
    const { sourceDigest, dispose: _dispose, ...uploaded } = loaded.get(product)!;
    expect(sourceDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(comparable(uploaded)).toEqual(comparable(native));
  });
});

function comparable({ hooks, ...terms }: kernel.Product) {
  const reads = Object.entries(hooks ?? {}).map(([kind, hook]) => [kind, hook.reads]);
  return { ...terms, reads: Object.fromEntries(reads) as Record<string, unknown> };
}
