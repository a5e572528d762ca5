import { formatId, parseId, type Product, type Uuid } from "@florin/kernel";
import type { ProductVersionRecord } from "@florin/db/ledger";

export interface CataloguedProduct {
  readonly product: Product;
  readonly productId: Uuid;
  readonly productVersionId: Uuid;
}

/** Stored product versions, each with the code that judges its accounts. */
export interface ProductCatalogue {
  /** By a product's id (`prod_…`) or code: its latest version. */
  findLatest(reference: string): CataloguedProduct | undefined;
  /** Never undefined for a stored version: one whose code this process lacks gets the kernel's own guard (BAL-1, fail closed). */
  findVersion(productVersionId: Uuid): CataloguedProduct | undefined;
  /** By code and version. */
  findStored(code: string, version: string): CataloguedProduct | undefined;
  findProductId(code: string): Uuid | undefined;
  /** The stored version of a product that was taken from here. */
  getEntry(product: Product): CataloguedProduct;
  readonly entries: readonly CataloguedProduct[];
  /** The product of an uploaded source. Throws for one that is none, and where this process cannot run uploaded code. */
  load(source: string): Product;
}

/** Makes the product of an uploaded source (packages/product-sandbox). Throws what is wrong with it. */
export type LoadProduct = (source: string) => Product;

/**
 * `records` oldest first. `known`: the catalogue before, whose products are kept, since a loaded source holds an interpreter of its own.
 */
export function createProductCatalogue(
  records: readonly ProductVersionRecord[],
  library: readonly Product[],
  load: LoadProduct = refuseToLoad,
  known?: ProductCatalogue,
): ProductCatalogue {
  const byVersion = new Map<Uuid, CataloguedProduct>();
  const byName = new Map<string, CataloguedProduct>();
  const byProduct = new Map<Product, CataloguedProduct>();
  const latestByCode = new Map<string, CataloguedProduct>();
  const codeById = new Map<Uuid, string>();
  for (const record of records) {
    const { productVersionId, productId, code, version, tside } = record;
    const runnable = findCode(record, library, load, known);
    const product = runnable ?? { code, name: code, version, tside, parameters: [] };
    const entry = { product, productId, productVersionId };
    byVersion.set(productVersionId, entry);
    byProduct.set(product, entry);
    byName.set(`${code} ${version}`, entry);
    codeById.set(productId, code);
    if (runnable !== undefined) latestByCode.set(code, entry); // nothing is opened on a version that nobody here can judge
  }
  return {
    findVersion: (productVersionId) => byVersion.get(productVersionId),
    findStored: (code, version) => byName.get(`${code} ${version}`),
    findProductId: (code) => {
      for (const [productId, known] of codeById) if (known === code) return productId;
      return undefined;
    },
    getEntry: (product) => {
      const entry = byProduct.get(product);
      if (entry !== undefined) return entry;
      // An account that was read with an earlier catalogue holds that one's product.
      const stored = byName.get(`${product.code} ${product.version}`);
      if (stored === undefined) throw new Error(`product ${product.code} is not from this catalogue`);
      return stored;
    },
    findLatest: (reference) => {
      const productId = parseId("product", reference);
      return latestByCode.get(productId === undefined ? reference : (codeById.get(productId) ?? reference));
    },
    entries: [...byVersion.values()],
    load,
  };
}

/** undefined: neither built in nor loadable here. */
function findCode(
  { productVersionId, code, version, source }: ProductVersionRecord,
  library: readonly Product[],
  load: LoadProduct,
  known: ProductCatalogue | undefined,
): Product | undefined {
  const builtIn = library.find((product) => product.code === code && product.version === version);
  if (builtIn !== undefined || source === null) return builtIn;
  const before = known?.findVersion(productVersionId)?.product;
  if (before?.hooks !== undefined) return before;
  try {
    return load(source);
  } catch {
    return undefined; // it ran when it was uploaded; its accounts have the kernel's guard until it runs again
  }
}

function refuseToLoad(): never {
  throw new Error("This process runs no uploaded products. Give the ledger a product sandbox.");
}

export function productFacts({ productId, productVersionId }: CataloguedProduct) {
  return { productId: formatId("product", productId), productVersionId: formatId("productVersion", productVersionId) };
}
