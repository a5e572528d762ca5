import {
  canonicalJson,
  formatInstant,
  type Clock,
  type IdSource,
  type Json,
  type Product,
  type Tside,
  type Uuid,
} from "@florin/kernel";
import type { Database, Sql, Transaction } from "../connect-database.js";

/** A stored product version, joined to its product. */
export interface ProductVersionRecord {
  readonly productVersionId: Uuid;
  readonly productId: Uuid;
  readonly code: string;
  readonly version: string;
  readonly tside: Tside;
  /** Of an uploaded version. */
  readonly source: string | null;
}

/** Oldest first, so that the last of a code is its latest. */
export async function listProductCatalogue(sql: Sql | Transaction): Promise<readonly ProductVersionRecord[]> {
  return await sql<ProductVersionRecord[]>`
    select v.product_version_id as "productVersionId", v.product_id as "productId", p.code, v.version, v.tside, v.source
    from ledger.product_version v join ledger.product p using (product_id)
    order by v.created_at, v.library_order, v.product_version_id`;
}

/**
 * Writes what is missing of the built-in products; safe to run in many processes at once and at every start. Throws when a
 * version that is stored has other parameters than the library's: a change is a new version, never an edit.
 */
export async function ensureProducts(
  database: Database,
  products: readonly Product[],
  ids: IdSource,
  clock: Clock,
): Promise<void> {
  await database.transaction(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('florin-products'))`;
    for (const [place, product] of products.entries())
      await ensureProduct(tx, product, place, ids, formatInstant(clock.now()));
  });
}

/** @param place in the library: versions of one code stand there oldest first, and may be written at the same moment. */
async function ensureProduct(
  tx: Transaction,
  product: Product,
  place: number,
  ids: IdSource,
  createdAt: string,
): Promise<void> {
  await tx`
    insert into ledger.product (product_id, code, name, created_at)
    values (${ids.next()}, ${product.code}, ${product.name}, ${createdAt}) on conflict (code) do nothing`;
  const parameters = parametersToJson(product.parameters);
  await tx`
    insert into ledger.product_version (product_version_id, product_id, version, tside, parameters, created_at, library_order)
    select ${ids.next()}, product_id, ${product.version}, ${product.tside}, ${JSON.stringify(parameters)}::text::jsonb, ${createdAt},
      ${place}
    from ledger.product where code = ${product.code}
    on conflict (product_id, version) do nothing`;
  const [stored] = await tx<{ parameters: Json; tside: string }[]>`
    select v.parameters, v.tside from ledger.product_version v join ledger.product p using (product_id)
    where p.code = ${product.code} and v.version = ${product.version}`;
  const isSame =
    stored !== undefined &&
    stored.tside === product.tside &&
    canonicalJson(stored.parameters) === canonicalJson(parameters);
  if (!isSame)
    throw new Error(
      `Product ${product.code} version ${product.version} is stored with other terms. Give the changed product a new version.`,
    );
}

/** As a version's definitions are stored. */
export function parametersToJson(parameters: Product["parameters"]): Json {
  return parameters.map(({ name, kind, description, defaultValue }) => ({ name, kind, description, defaultValue }));
}
