import type { Transaction } from "@florin/db";
import {
  deleteHoldings,
  deleteInvestmentTransactions,
  deleteLiabilities,
  deleteLinkedAccounts,
  deleteSecurities,
  insertHoldings,
  insertLiabilities,
  insertLinkedAccounts,
  listUndescribedSecurities,
  putInvestmentTransactions,
  putLinkedTransactions,
  putSecurities,
  recordBalanceHistory,
  recordHoldingHistory,
  recordLiabilityHistory,
  removeLinkedTransactions,
  type NewLinkedTransaction,
  type SnapshotVersion,
} from "@florin/db/portfolio";
import { PoisonEvent } from "@florin/events";
import { formatInstant, type Uuid } from "@florin/kernel";
import type { SnapshotHeader, SnapshotProduct, SnapshotRow } from "@florin/linked-data";
import { existingDay } from "../calendar.js";
import {
  idOf,
  toHolding,
  toInvestmentTransaction,
  toLiability,
  toLinkedAccount,
  toLinkedTransaction,
  toSecurity,
  toUndescribedSecurity,
} from "../snapshot-rows.js";

/** What one product's version does to the tables. Rows come page by page, so memory is bounded by a page. */
type Apply<Product extends SnapshotProduct> = (
  tx: Transaction,
  version: SnapshotVersion,
  pages: AsyncIterable<readonly SnapshotRow<Product>[]>,
  header: SnapshotHeader,
) => Promise<void>;

const applyAccounts: Apply<"ACCOUNTS"> = async (tx, version, pages) => {
  await deleteLinkedAccounts(tx, version.itemId);
  const capturedAt = formatInstant(version.capturedAt);
  for await (const rows of pages)
    await insertLinkedAccounts(
      tx,
      version,
      rows.map((row) => toLinkedAccount(row, capturedAt)),
    );
  await recordBalanceHistory(tx, version);
};

/** The last word on a transaction within a run counts, whichever page it stands on. */
const applyTransactions: Apply<"TRANSACTIONS"> = async (tx, version, pages) => {
  for await (const rows of pages) {
    const put = new Map<Uuid, NewLinkedTransaction>();
    const removed = new Set<Uuid>();
    for (const row of rows) {
      const id = idOf("linkedTransaction", row.linkedTransactionId);
      if (row.change === "PUT") put.set(id, toLinkedTransaction(row));
      else put.delete(id);
      if (row.change === "REMOVED") removed.add(id);
    }
    await removeLinkedTransactions(tx, version.itemId, [...removed]);
    await putLinkedTransactions(tx, version, [...put.values()]);
  }
};

const applyLiabilities: Apply<"LIABILITIES"> = async (tx, version, pages) => {
  await deleteLiabilities(tx, version.itemId);
  const nextOrdinal = createCounter();
  for await (const rows of pages)
    await insertLiabilities(
      tx,
      version,
      rows.map(({ data }) => toLiability(data, nextOrdinal(data.kind))),
    );
  await recordLiabilityHistory(tx, version);
};

/** Two holdings of one security in one account are two: each gets its place among them. */
const applyHoldings: Apply<"HOLDINGS"> = async (tx, version, pages) => {
  const { itemId } = version;
  await deleteHoldings(tx, itemId);
  await deleteSecurities(tx, itemId, "HOLDINGS");
  const nextOrdinal = createCounter();
  for await (const rows of pages) {
    const securities = rows.flatMap((row) => (row.row === "SECURITY" ? [toSecurity(itemId, row.data)] : []));
    const holdings = rows.flatMap(({ row, data }) =>
      row === "HOLDING" ? [toHolding(data, nextOrdinal(JSON.stringify([data.accountId, data.securityId])))] : [],
    );
    await putSecurities(tx, "HOLDINGS", version, securities);
    await insertHoldings(tx, version, holdings);
  }
  const undescribed = await listUndescribedSecurities(tx, itemId);
  await putSecurities(
    tx,
    "HOLDINGS",
    version,
    undescribed.map((plaidSecurityId) => toUndescribedSecurity(itemId, plaidSecurityId)),
  );
  await recordHoldingHistory(tx, version);
};

const applyInvestmentTransactions: Apply<"INVESTMENT_TRANSACTIONS"> = async (tx, version, pages, header) => {
  const { itemId } = version;
  const [from, to] = [existingDay(header.from ?? null), existingDay(header.to ?? null)];
  if (from === null || to === null)
    throw new PoisonEvent("a snapshot of investment transactions does not say which days were read");
  await deleteInvestmentTransactions(tx, itemId, { from, to });
  for await (const rows of pages) {
    const securities = rows.flatMap((row) => (row.row === "SECURITY" ? [toSecurity(itemId, row.data)] : []));
    const transactions = rows.flatMap((row) =>
      row.row === "TRANSACTION" ? [toInvestmentTransaction(itemId, row.data)] : [],
    );
    await putSecurities(tx, "INVESTMENT_TRANSACTIONS", version, securities);
    await putInvestmentTransactions(tx, version, transactions);
  }
};

function createCounter(): (key: string) => number {
  const counts = new Map<string, number>();
  return (key) => {
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return count;
  };
}

/** Pages of whichever product is asked for; throws for pages of another. */
export type OpenPages = <Product extends SnapshotProduct>(
  product: Product,
) => AsyncIterable<readonly SnapshotRow<Product>[]>;

export async function applyVersion(
  tx: Transaction,
  version: SnapshotVersion,
  header: SnapshotHeader,
  openPages: OpenPages,
): Promise<void> {
  switch (header.product) {
    case "ACCOUNTS":
      return applyAccounts(tx, version, openPages("ACCOUNTS"), header);
    case "TRANSACTIONS":
      return applyTransactions(tx, version, openPages("TRANSACTIONS"), header);
    case "LIABILITIES":
      return applyLiabilities(tx, version, openPages("LIABILITIES"), header);
    case "HOLDINGS":
      return applyHoldings(tx, version, openPages("HOLDINGS"), header);
    case "INVESTMENT_TRANSACTIONS":
      return applyInvestmentTransactions(tx, version, openPages("INVESTMENT_TRANSACTIONS"), header);
  }
}
