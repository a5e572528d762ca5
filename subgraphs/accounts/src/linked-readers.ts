import { mayDo, type AccessLog, type Sealer, type Viewer } from "@florin/auth";
import type { Sql } from "@florin/db";
import {
  countLinkedAccounts,
  listItemHistory,
  listLinkedAccounts,
  listLinkedAccountsByIds,
  listLinkedAccountsOfItems,
  listLinkedItemsByIds,
  listLinkedItemsOf,
  listLinkedProducts,
  listLinkedTransactions,
  listLinkedTransactionsByIds,
  type ItemChange,
  type LinkedAccountFilter,
  type LinkedAccountRecord,
  type LinkedItemRecord,
  type LinkedProductRecord,
  type LinkedTransactionRecord,
} from "@florin/db/accounts";
import { asUuid, assertInput, formatId, isUuid, notFound, parseId, type IdKind, type Uuid } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import DataLoader from "dataloader";
import { orUnavailable } from "./transact.js";

/**
 * What resolvers read of linked accounts, for one request and one viewer. Authorised here: somebody else's object is not there. Reads
 * of one tick become one query, over all items and accounts that are asked for.
 */
export interface LinkedReaders {
  /** The person whose virtual account it is; throws NOT_FOUND. `id` undefined: the viewer's own, undefined for a partner. */
  findOwner(virtualAccountId: string | undefined): Uuid | undefined;
  /** Throws NOT_FOUND. A removed one is there still. */
  getItem(id: string): Promise<LinkedItemRecord>;
  /** Of a row that was authorised already. */
  itemOf(account: LinkedAccountRecord): Promise<LinkedItemRecord>;
  itemsOf(userId: Uuid): Promise<readonly LinkedItemRecord[]>;
  productsOf(itemId: Uuid): Promise<readonly LinkedProductRecord[]>;
  historyOf(itemId: Uuid): Promise<readonly ItemChange[]>;
  /** Throws NOT_FOUND. */
  getAccount(id: string): Promise<LinkedAccountRecord>;
  accountOf(transaction: LinkedTransactionRecord): Promise<LinkedAccountRecord>;
  accountsOf(itemId: Uuid): Promise<readonly LinkedAccountRecord[]>;
  listAccounts(filter: LinkedAccountFilter, page: Page): Promise<readonly LinkedAccountRecord[]>;
  countAccounts(filter: LinkedAccountFilter): Promise<number>;
  accountCursorOf(account: LinkedAccountRecord): string;
  /** Throws NOT_FOUND. */
  getTransaction(id: string): Promise<LinkedTransactionRecord>;
  transactionsOf(linkedAccountId: Uuid, page: Page): Promise<readonly LinkedTransactionRecord[]>;
  transactionCursorOf(transaction: LinkedTransactionRecord): string;
}

/** One row more than `first` where there is a next page. */
interface Page {
  readonly first: number;
  readonly after: string | undefined;
}

const ACCOUNT_CURSOR = "linked-accounts.list";
const TRANSACTION_CURSOR = "linked-transactions.list";
const MAX_HISTORY = 50;

export function createLinkedReaders(options: {
  readonly sql: Sql;
  /** Where `sql` is a replica's: asked for what the replica has not heard of. */
  readonly primarySql: Sql;
  readonly viewer: Viewer | undefined;
  readonly sealer: Sealer;
  readonly accessLog: AccessLog;
  readonly logger: Logger;
}): LinkedReaders {
  const { sql, primarySql, viewer, sealer, accessLog } = options;
  const read = <T>(query: () => Promise<T>) => orUnavailable(options.logger, query);

  /** By id; the primary is asked for what a replica lacks. */
  function byId<Row>(list: (from: Sql, ids: readonly Uuid[]) => Promise<readonly Row[]>, idOf: (row: Row) => Uuid) {
    return new DataLoader<Uuid, Row | undefined>((ids) =>
      read(async () => {
        const found = new Map((await list(sql, ids)).map((row) => [idOf(row), row]));
        const missing = ids.filter((id) => !found.has(id));
        if (sql !== primarySql && missing.length > 0)
          for (const row of await list(primarySql, missing)) found.set(idOf(row), row);
        return ids.map((id) => found.get(id));
      }),
    );
  }
  /** Everything of each key, in the order in which it was read. */
  function grouped<Row>(list: (keys: readonly Uuid[]) => Promise<readonly Row[]>, keyOf: (row: Row) => Uuid) {
    return new DataLoader<Uuid, readonly Row[]>((keys) =>
      read(async () => {
        const groups = new Map<Uuid, Row[]>(keys.map((key) => [key, []]));
        for (const row of await list(keys)) groups.get(keyOf(row))?.push(row);
        return keys.map((key) => groups.get(key) ?? []);
      }),
    );
  }

  const items = byId<LinkedItemRecord>(listLinkedItemsByIds, (item) => item.itemId);
  const accounts = byId<LinkedAccountRecord>(listLinkedAccountsByIds, (account) => account.linkedAccountId);
  const transactions = byId<LinkedTransactionRecord>(listLinkedTransactionsByIds, (one) => one.linkedTransactionId);
  const itemsByUser = grouped(
    (users) => listLinkedItemsOf(sql, users),
    (item) => item.userId,
  );
  const productsByItem = grouped(
    (ids) => listLinkedProducts(sql, ids),
    (product) => product.itemId,
  );
  const historyByItem = grouped(
    (ids) => listItemHistory(sql, ids, MAX_HISTORY),
    (change) => change.itemId,
  );
  const accountsByItem = grouped(
    (ids) => listLinkedAccountsOfItems(sql, ids),
    (account) => account.itemId,
  );
  const transactionPages = new DataLoader<{ linkedAccountId: Uuid } & Page, readonly LinkedTransactionRecord[], string>(
    (pages) =>
      read(async () => {
        const asked = pages.map(({ linkedAccountId, first, after }) => {
          return { linkedAccountId, after: openTransactionCursor(sealer, after), limit: first + 1 };
        });
        const found = await listLinkedTransactions(sql, asked);
        return asked.map((_page, place) => found.filter((row) => row.page === place));
      }),
    { cacheKeyFn: ({ linkedAccountId, first, after }) => `${linkedAccountId} ${first} ${after ?? ""}` },
  );

  function isAllowed(object: string, userId: Uuid | undefined): boolean {
    const isOwner = userId !== undefined && viewer?.principal === formatId("user", userId);
    const decision = mayDo(viewer, "linked:read", { isOwner });
    accessLog.record(viewer, "linked:read", object, decision);
    return decision.allowed;
  }

  async function get<Row extends { readonly userId: Uuid }>(
    kind: IdKind,
    id: string,
    what: string,
    loader: DataLoader<Uuid, Row | undefined>,
  ): Promise<Row> {
    const uuid = parseId(kind, id);
    const row = uuid === undefined ? undefined : await loader.load(uuid);
    if (!isAllowed(id, row?.userId) || row === undefined) throw notFound(what);
    return row;
  }

  return {
    findOwner: (virtualAccountId) => {
      if (virtualAccountId === undefined) return viewer === undefined ? undefined : parseId("user", viewer.principal);
      const userId = parseId("virtualAccount", virtualAccountId);
      if (userId === undefined || !isAllowed(virtualAccountId, userId)) throw notFound("virtual account");
      return userId;
    },
    getItem: (id) => get("linkedItem", id, "linked item", items),
    itemOf: async (account) => {
      const item = await items.load(account.itemId);
      if (item === undefined) throw notFound("linked item");
      return item;
    },
    itemsOf: (userId) => itemsByUser.load(userId),
    productsOf: (itemId) => productsByItem.load(itemId),
    historyOf: (itemId) => historyByItem.load(itemId),
    getAccount: async (id) => {
      const account = await get("linkedAccount", id, "linked account", accounts);
      const item = await items.load(account.itemId);
      // Nothing of a removed item is shown, though its purge may still be on its way.
      if (item === undefined || item.removedAt !== null) throw notFound("linked account");
      return account;
    },
    accountOf: async (transaction) => {
      const account = await accounts.load(transaction.linkedAccountId);
      if (account === undefined) throw notFound("linked account");
      return account;
    },
    accountsOf: (itemId) => accountsByItem.load(itemId),
    listAccounts: (filter, page) =>
      read(async () => {
        const after = openAccountCursor(sealer, page.after);
        const found = await listLinkedAccounts(sql, filter, { after, limit: page.first + 1 });
        for (const account of found) accounts.prime(account.linkedAccountId, account);
        return found;
      }),
    countAccounts: (filter) => read(() => countLinkedAccounts(sql, filter)),
    accountCursorOf: (account) => sealer.seal(ACCOUNT_CURSOR, account.linkedAccountId),
    getTransaction: (id) => get("linkedTransaction", id, "linked transaction", transactions),
    transactionsOf: (linkedAccountId, page) => transactionPages.load({ linkedAccountId, ...page }),
    transactionCursorOf: ({ date, linkedTransactionId }) =>
      sealer.seal(TRANSACTION_CURSOR, `${date} ${linkedTransactionId}`),
  };
}

function openAccountCursor(sealer: Sealer, text: string | undefined): Uuid | undefined {
  if (text === undefined) return undefined;
  const opened = sealer.open(ACCOUNT_CURSOR, text);
  return opened !== undefined && isUuid(opened) ? opened : refuseCursor();
}

function openTransactionCursor(sealer: Sealer, text: string | undefined) {
  if (text === undefined) return undefined;
  const [date, id] = sealer.open(TRANSACTION_CURSOR, text)?.split(" ") ?? [];
  if (date === undefined || id === undefined || !isUuid(id)) return refuseCursor();
  return { date, linkedTransactionId: asUuid(id) };
}

function refuseCursor(): never {
  assertInput([
    { path: "after", code: "CURSOR_INVALID", message: "Not a cursor of this list. Send one as it was given, or none." },
  ]);
  throw new Error("unreachable: a fault was asserted");
}
