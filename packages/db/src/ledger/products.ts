import type { Instant, Json, Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

export interface ProductVersionRow {
  readonly productVersionId: Uuid;
  readonly productId: Uuid;
  readonly version: string;
  readonly parameters: Json;
  readonly createdAt: Instant;
}

export interface ProductRow {
  readonly productId: Uuid;
  readonly code: string;
  readonly name: string;
  readonly createdAt: Instant;
}

export async function findProducts(sql: Sql, productIds: readonly Uuid[]): Promise<readonly ProductRow[]> {
  if (productIds.length === 0) return [];
  return await sql<ProductRow[]>`
    select product_id as "productId", code, name, created_at as "createdAt" from ledger.product
    where product_id = any(${[...productIds]}::uuid[])`;
}

export async function findProductByCode(sql: Sql, code: string): Promise<ProductRow | undefined> {
  const rows = await sql<ProductRow[]>`
    select product_id as "productId", code, name, created_at as "createdAt" from ledger.product where code = ${code}`;
  return rows[0];
}

/** By code, after `afterCode` when it is given. */
export async function listProducts(
  sql: Sql,
  page: { readonly afterCode: string | undefined; readonly limit: number },
): Promise<readonly ProductRow[]> {
  const after = page.afterCode ?? null;
  return await sql<ProductRow[]>`
    select product_id as "productId", code, name, created_at as "createdAt" from ledger.product
    where ${after}::text is null or code > ${after}::text
    order by code limit ${page.limit}`;
}

/** Versions of the products, newest first within each. */
export async function listProductVersions(
  sql: Sql,
  productIds: readonly Uuid[],
): Promise<readonly ProductVersionRow[]> {
  if (productIds.length === 0) return [];
  return await sql<ProductVersionRow[]>`
    select product_version_id as "productVersionId", product_id as "productId", version, parameters,
      created_at as "createdAt"
    from ledger.product_version where product_id = any(${[...productIds]}::uuid[])
    order by product_id, created_at desc, library_order desc, product_version_id desc`;
}

export async function findProductVersions(
  sql: Sql,
  productVersionIds: readonly Uuid[],
): Promise<readonly ProductVersionRow[]> {
  if (productVersionIds.length === 0) return [];
  return await sql<ProductVersionRow[]>`
    select product_version_id as "productVersionId", product_id as "productId", version, parameters,
      created_at as "createdAt"
    from ledger.product_version where product_version_id = any(${[...productVersionIds]}::uuid[])`;
}
