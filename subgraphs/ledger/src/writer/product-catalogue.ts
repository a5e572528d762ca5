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
  /** The stored version of a product that was taken from here. */
  getEntry(product: Product): CataloguedProduct;
}

/** `records` oldest first. */
export function createProductCatalogue(
  records: readonly ProductVersionRecord[],
  library: readonly Product[],
): ProductCatalogue {
  const byVersion = new Map<Uuid, CataloguedProduct>();
  const latestByCode = new Map<string, CataloguedProduct>();
  const codeById = new Map<Uuid, string>();
  for (const { productVersionId, productId, code, version, tside } of records) {
    const known = library.find((product) => product.code === code && product.version === version);
    const product = known ?? { code, name: code, version, tside, parameters: [] };
    const entry = { product, productId, productVersionId };
    byVersion.set(productVersionId, entry);
    codeById.set(productId, code);
    if (known !== undefined) latestByCode.set(code, entry); // nothing is opened on a version that nobody here can judge
  }
  return {
    findVersion: (productVersionId) => byVersion.get(productVersionId),
    getEntry: (product) => {
      for (const entry of byVersion.values()) if (entry.product === product) return entry;
      throw new Error(`product ${product.code} is not from this catalogue`);
    },
    findLatest: (reference) => {
      const productId = parseId("product", reference);
      return latestByCode.get(productId === undefined ? reference : (codeById.get(productId) ?? reference));
    },
  };
}

export function productFacts({ productId, productVersionId }: CataloguedProduct) {
  return { productId: formatId("product", productId), productVersionId: formatId("productVersion", productVersionId) };
}
