import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { accountData } from "./account-data.js";
import { currencyPair, dayText, decimalText, instantText } from "./decimal-text.js";
import { holdingData, investmentTransactionData, securityData } from "./investment-data.js";
import { liabilityData } from "./liability-data.js";

/**
 * How accounts hands to portfolio what an institution said (linked-accounts.md §5b).
 *
 * One answer of an institution is one snapshot of one product of one item, with a version that only grows. Its rows travel in pages,
 * each an event `linked_item.snapshot` keyed by the item: the header in clear, the rows compressed and sealed (AES-256-GCM), bound to the
 * header. Who receives them keeps pages until the last of a version is there, then applies the version in one transaction; a snapshot
 * that never completes changes nothing, and an error at the institution sends none. A version older than the applied one is dropped.
 *
 * Bounds: at most MAX_PAGE_ROWS rows and about MAX_PAGE_BYTES of text a page; a page of one row may be larger.
 */
export const SNAPSHOT_EVENT = "linked_item.snapshot";
/** The item was removed or revoked: everything that was kept of it goes. Payload: `removalPayload`. */
export const REMOVAL_EVENT = "linked_item.removed";

const MAX_PAGE_ROWS = 500;
const MAX_PAGE_BYTES = 192 * 1024;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of an opened page; far above what a page can hold, far below what would hurt. */
const MAX_OPENED_BYTES = 16 * 1024 * 1024;

/** Rows refer to accounts by Plaid's account id (`data.accountId`); the ACCOUNTS rows say which id here that is. */
export const snapshotRows = {
  /** The whole roster of the item, removed accounts left out. REPLACE. */
  ACCOUNTS: z.object({
    /** `lac_…` */
    linkedAccountId: z.string(),
    institutionName: z.string().nullable(),
    asOf: instantText,
    data: accountData,
  }),
  /** CHANGE: what a run of transactions/sync added, modified and removed; in order, removals first. */
  TRANSACTIONS: z.discriminatedUnion("change", [
    z.object({ change: z.literal("REMOVED"), linkedTransactionId: z.string() }),
    z.object({
      change: z.literal("PUT"),
      /** `ltx_…` */
      linkedTransactionId: z.string(),
      accountId: z.string(),
      /** Positive leaves the account. */
      amount: decimalText,
      currency: currencyPair,
      category: z.string().nullable(),
      isPending: z.boolean(),
      date: dayText,
    }),
  ]),
  /** All liabilities of the item. REPLACE. */
  LIABILITIES: z.object({ data: liabilityData }),
  /** All securities and holdings of the item. REPLACE, each account's whole set. */
  HOLDINGS: z.discriminatedUnion("row", [
    z.object({ row: z.literal("SECURITY"), data: securityData }),
    z.object({ row: z.literal("HOLDING"), data: holdingData }),
  ]),
  /** All investment transactions of the item from `from` to `to` of the header. REPLACE within this window. */
  INVESTMENT_TRANSACTIONS: z.discriminatedUnion("row", [
    z.object({ row: z.literal("SECURITY"), data: securityData }),
    z.object({ row: z.literal("TRANSACTION"), data: investmentTransactionData }),
  ]),
} as const;

export type SnapshotProduct = keyof typeof snapshotRows;
export type SnapshotRow<Product extends SnapshotProduct> = z.infer<(typeof snapshotRows)[Product]>;

export const snapshotHeader = z.object({
  /** `lit_…` */
  itemId: z.string(),
  /** `usr_…` */
  userId: z.string(),
  product: z.enum(["ACCOUNTS", "TRANSACTIONS", "LIABILITIES", "HOLDINGS", "INVESTMENT_TRANSACTIONS"]),
  /** Of this product of this item; grows by one with each snapshot, decimal text. */
  version: z.string().regex(/^[1-9]\d*$/),
  /** From 0. */
  page: z.int().min(0),
  pages: z.int().min(1),
  /** When the institution's answer was read. */
  capturedAt: instantText,
  /** Of INVESTMENT_TRANSACTIONS: the days that were read, both included. */
  from: dayText.optional(),
  to: dayText.optional(),
});
export type SnapshotHeader = z.infer<typeof snapshotHeader>;

/** An event's payload: the header and the sealed rows as base64. */
export const snapshotPage = snapshotHeader.extend({ sealed: z.base64() });
export type SnapshotPage = z.infer<typeof snapshotPage>;

export const removalPayload = z.object({ itemId: z.string(), userId: z.string() });

/** The pages of one snapshot, sealed. No rows make one empty page: an empty set is news too. */
export function sealSnapshot<Product extends SnapshotProduct>(
  key: Uint8Array,
  about: Omit<SnapshotHeader, "page" | "pages" | "product"> & { readonly product: Product },
  rows: readonly SnapshotRow<Product>[],
): SnapshotPage[] {
  const pages = toPages(rows);
  return pages.map((texts, page) => {
    const header: SnapshotHeader = { ...about, page, pages: pages.length };
    return { ...header, sealed: seal(key, header, `[${texts.join(",")}]`).toString("base64") };
  });
}

/** Throws when the key or the header is another, a bit was changed, or a row is not what its product says. */
export function openSnapshotPage<Product extends SnapshotProduct>(
  key: Uint8Array,
  product: Product,
  page: SnapshotPage,
): SnapshotRow<Product>[] {
  const { sealed, ...header } = page;
  if (header.product !== product) throw new Error(`a page of ${header.product} is not one of ${product}`);
  const rows: unknown = JSON.parse(open(key, header, Buffer.from(sealed, "base64")));
  return z.array<z.ZodType<SnapshotRow<Product>>>(snapshotRows[product] as never).parse(rows);
}

function toPages(rows: readonly unknown[]): string[][] {
  const pages: string[][] = [[]];
  let bytes = 0;
  for (const row of rows) {
    const text = JSON.stringify(row);
    let page = pages.at(-1) ?? [];
    if (page.length > 0 && (page.length >= MAX_PAGE_ROWS || bytes + text.length > MAX_PAGE_BYTES)) {
      pages.push((page = []));
      bytes = 0;
    }
    page.push(text);
    bytes += text.length;
  }
  return pages;
}

function boundTo(header: SnapshotHeader): Buffer {
  const { itemId, userId, product, version, page, pages, capturedAt, from = "", to = "" } = header;
  return Buffer.from(JSON.stringify(["v1", itemId, userId, product, version, page, pages, capturedAt, from, to]));
}

function seal(key: Uint8Array, header: SnapshotHeader, text: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(boundTo(header));
  return Buffer.concat([nonce, cipher.update(gzipSync(text)), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, header: SnapshotHeader, sealed: Buffer): string {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new Error("a sealed page is too short");
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(boundTo(header))
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  const compressed = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  return gunzipSync(compressed, { maxOutputLength: MAX_OPENED_BYTES }).toString("utf8");
}
