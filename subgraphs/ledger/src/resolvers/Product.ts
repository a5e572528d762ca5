import { formatId, notFound, parseId } from "@florin/kernel";
import type { LedgerContext, ProductRow, ProductVersionRow } from "../context.js";

/** By id or by code. Throws NOT_FOUND. */
export async function getProduct(context: LedgerContext, idOrCode: string): Promise<ProductRow> {
  const id = parseId("product", idOrCode);
  const { readers } = context;
  const product = id === undefined ? await readers.findProductByCode(idOrCode) : await readers.findProduct(id);
  if (product === undefined) throw notFound("product");
  return product;
}

async function getLatestVersion(product: ProductRow, context: LedgerContext): Promise<ProductVersionRow> {
  const [latest] = await context.readers.listProductVersions(product.productId);
  if (latest === undefined) throw new Error(`product ${product.code} has no version`);
  return latest;
}

async function getProductVersion(context: LedgerContext, id: string): Promise<ProductVersionRow> {
  const versionId = parseId("productVersion", id);
  const version = versionId === undefined ? undefined : await context.readers.findProductVersion(versionId);
  if (version === undefined) throw notFound("product version");
  return version;
}

export const Product = {
  __resolveReference: (reference: { readonly id: string }, context: LedgerContext) => getProduct(context, reference.id),
  id: (product: ProductRow) => formatId("product", product.productId),
  latestVersion: (product: ProductRow, _args: unknown, context: LedgerContext) => getLatestVersion(product, context),
  versions: (product: ProductRow, _args: unknown, context: LedgerContext) =>
    context.readers.listProductVersions(product.productId),
};

export const ProductVersion = {
  __resolveReference: (reference: { readonly id: string }, context: LedgerContext) =>
    getProductVersion(context, reference.id),
  id: (version: ProductVersionRow) => formatId("productVersion", version.productVersionId),
};
