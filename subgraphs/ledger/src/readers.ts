import DataLoader from "dataloader";
import type { Database } from "@florin/db";
import {
  findBatches,
  findInternalAccountId,
  findKnownAt,
  findOperationByKey,
  findOperations,
  findProductByCode,
  findProducts,
  findProductVersions,
  findTransactions,
  listAccountIdsOfOwner,
  listAccounts,
  listBalancesAtSeq,
  listInstructions,
  listLiveTotals,
  listObservedTotals,
  listProducts,
  listProductVersions,
  listTransactions,
  listTrialBalance,
  type AccountTotals,
  type BalanceAtSeq,
  type BatchRow,
  type InstructionRow,
  type LedgerAccount,
  type Observation,
  type ProductRow,
  type ProductVersionRow,
  type TransactionListFilter,
  type TransactionRow,
  type TrialBalanceRow,
} from "@florin/db/ledger";
import type { TransactionKey, Uuid } from "@florin/kernel";
import { toOperationRecord } from "./operation-record.js";
import type { OperationRecord } from "./writer/command.js";

/**
 * Every read of one request. Each load is gathered: what a request asks for in one tick becomes one statement, and reads of
 * accounts and live balances are gathered over all requests of the process. Nothing is cached beyond its request.
 *
 * The balances that a request asks for together are never divided over statements: one snapshot covers them all, so between accounts
 * of one question no money is seen twice or not at all, whatever is being transferred meanwhile.
 */
export type {
  AccountTotals,
  BatchRow,
  InstructionRow,
  LedgerAccount,
  Observation,
  ProductRow,
  ProductVersionRow,
  TransactionListFilter,
  TransactionRow,
  TrialBalanceRow,
};

export interface Readers {
  findAccount(id: Uuid): Promise<LedgerAccount | undefined>;
  listAccountIdsOfOwner(principal: string): Promise<readonly Uuid[]>;
  findInternalAccountId(code: string, currency: string): Promise<Uuid | undefined>;
  findTotals(id: Uuid, observation: Observation): Promise<AccountTotals | undefined>;
  findBalanceAtSeq(key: TransactionKey): Promise<BalanceAtSeq | undefined>;
  findTransaction(key: TransactionKey): Promise<TransactionRow | undefined>;
  listTransactions(
    accountId: Uuid,
    page: { readonly beforeSeq: bigint | undefined; readonly limit: number },
    filter: TransactionListFilter,
  ): Promise<readonly TransactionRow[]>;
  /** Never from a cache: callers ask again to see whether it was decided. */
  findOperation(id: Uuid): Promise<OperationRecord | undefined>;
  findOperationByKey(principal: string, idempotencyKey: string): Promise<OperationRecord | undefined>;
  findBatch(id: Uuid): Promise<BatchRow | undefined>;
  listInstructions(batchId: Uuid): Promise<readonly InstructionRow[]>;
  findProduct(id: Uuid): Promise<ProductRow | undefined>;
  findProductByCode(code: string): Promise<ProductRow | undefined>;
  listProducts(page: {
    readonly afterCode: string | undefined;
    readonly limit: number;
  }): Promise<readonly ProductRow[]>;
  /** Newest first. */
  listProductVersions(productId: Uuid): Promise<readonly ProductVersionRow[]>;
  findProductVersion(id: Uuid): Promise<ProductVersionRow | undefined>;
  listTrialBalance(observation: Observation): Promise<readonly TrialBalanceRow[]>;
  findKnownAt(): ReturnType<typeof findKnownAt>;
}

const MAX_GATHERED = 500;
/** Questions for balances that share a statement; each is whole in it. */
const MAX_GATHERED_QUESTIONS = 100;

/** What the requests of one process share, for one database. */
interface SharedLoaders {
  readonly accounts: DataLoader<Uuid, LedgerAccount | undefined>;
  /** A key is all that one request asks for at once. */
  readonly totals: DataLoader<readonly Uuid[], ReadonlyMap<Uuid, AccountTotals>>;
}

/** One for each database of a process; gives the readers of a request. */
export function createReaderSource({ sql }: Database): () => Readers {
  // Waits for the end of the turn of the event loop, so that requests which arrived together share a statement.
  const shared = { cache: false, batchScheduleFn: setImmediate };
  const accounts = createLoader((ids: readonly Uuid[]) => listAccounts(sql, ids), accountIdOf, String, {
    ...shared,
    maxBatchSize: MAX_GATHERED,
  });
  const totals = new DataLoader<readonly Uuid[], ReadonlyMap<Uuid, AccountTotals>>(
    async (questions) => {
      const rows = await listLiveTotals(sql, [...new Set(questions.flat())]);
      const byAccount = new Map(rows.map((row) => [row.accountId, row]));
      return questions.map(() => byAccount);
    },
    { ...shared, maxBatchSize: MAX_GATHERED_QUESTIONS },
  );
  return () => createReaders(sql, { accounts, totals });
}

function createReaders(sql: Database["sql"], shared: SharedLoaders): Readers {
  const account = new DataLoader<Uuid, LedgerAccount | undefined>((ids) => shared.accounts.loadMany(ids));
  const totals = new DataLoader<Uuid, AccountTotals | undefined>(
    async (ids) => {
      const byAccount = await shared.totals.load(ids);
      return ids.map((id) => byAccount.get(id));
    },
    { cache: false }, // a later mutation of the same request has changed them
  );
  const observed = new Map<string, DataLoader<Uuid, AccountTotals | undefined>>();
  const observedFor = (observation: Observation) => {
    const key = `${observation.at ?? ""}/${observation.knownAt ?? ""}`;
    const known = observed.get(key);
    if (known !== undefined) return known;
    const loader = createLoader(
      (ids: readonly Uuid[]) => listObservedTotals(sql, ids, observation),
      accountIdOf,
      String,
    );
    observed.set(key, loader);
    return loader;
  };
  const balancesAtSeq = createLoader(
    (keys: readonly TransactionKey[]) => listBalancesAtSeq(sql, keys),
    transactionKeyOf,
    transactionKeyOf,
  );
  const transactions = createLoader(
    (keys: readonly TransactionKey[]) => findTransactions(sql, keys),
    transactionKeyOf,
    transactionKeyOf,
  );
  const operations = createLoader(
    async (ids: readonly Uuid[]) => (await findOperations(sql, ids)).map(toOperationRecord),
    (operation) => operation.operationId,
    String,
    { cache: false },
  );
  const batches = createLoader(
    (ids: readonly Uuid[]) => findBatches(sql, ids),
    (batch) => batch.batchId,
    String,
  );
  const instructions = createGroupLoader(
    (ids) => listInstructions(sql, ids),
    (instruction) => instruction.batchId,
  );
  const products = createLoader(
    (ids: readonly Uuid[]) => findProducts(sql, ids),
    (product) => product.productId,
    String,
  );
  const versionsOfProduct = createGroupLoader(
    (ids) => listProductVersions(sql, ids),
    (version) => version.productId,
  );
  const versions = createLoader(
    (ids: readonly Uuid[]) => findProductVersions(sql, ids),
    (version) => version.productVersionId,
    String,
  );

  return {
    findAccount: (id) => account.load(id),
    listAccountIdsOfOwner: (principal) => listAccountIdsOfOwner(sql, principal),
    findInternalAccountId: (code, currency) => findInternalAccountId(sql, code, currency),
    findTotals: (id, observation) =>
      observation.at === undefined && observation.knownAt === undefined
        ? totals.load(id)
        : observedFor(observation).load(id),
    findBalanceAtSeq: (key) => balancesAtSeq.load(key),
    findTransaction: (key) => transactions.load(key),
    listTransactions: (accountId, page, filter) => listTransactions(sql, accountId, page, filter),
    findOperation: (id) => operations.load(id),
    findOperationByKey: async (principal, idempotencyKey) => {
      const row = await findOperationByKey(sql, principal, idempotencyKey);
      return row === undefined ? undefined : toOperationRecord(row);
    },
    findBatch: (id) => batches.load(id),
    listInstructions: (batchId) => instructions.load(batchId),
    findProduct: (id) => products.load(id),
    findProductByCode: (code) => findProductByCode(sql, code),
    listProducts: (page) => listProducts(sql, page),
    listProductVersions: (productId) => versionsOfProduct.load(productId),
    findProductVersion: (id) => versions.load(id),
    listTrialBalance: (observation) => listTrialBalance(sql, observation),
    findKnownAt: () => findKnownAt(sql),
  };
}

const accountIdOf = (row: { readonly accountId: Uuid }): string => row.accountId;
const transactionKeyOf = (row: TransactionKey): string => `${row.accountId}/${row.accountSeq}`;

/** Answers each key with its row or undefined. Keys may repeat in one load when nothing is cached; they are asked for once. */
function createLoader<Key, Row>(
  list: (keys: readonly Key[]) => Promise<readonly Row[]>,
  keyOfRow: (row: Row) => string,
  textOfKey: (key: Key) => string,
  options: Omit<DataLoader.Options<Key, Row | undefined, string>, "cacheKeyFn"> = { maxBatchSize: MAX_GATHERED },
): DataLoader<Key, Row | undefined, string> {
  return new DataLoader<Key, Row | undefined, string>(
    async (keys) => {
      const distinct = [...new Map(keys.map((key) => [textOfKey(key), key])).values()];
      const rows = new Map((await list(distinct)).map((row) => [keyOfRow(row), row]));
      return keys.map((key) => rows.get(textOfKey(key)));
    },
    { ...options, cacheKeyFn: textOfKey },
  );
}

function createGroupLoader<Row>(
  list: (ids: readonly Uuid[]) => Promise<readonly Row[]>,
  idOfRow: (row: Row) => Uuid,
): DataLoader<Uuid, readonly Row[]> {
  return new DataLoader<Uuid, readonly Row[]>(
    async (ids) => {
      const rows = await list(ids);
      return ids.map((id) => rows.filter((row) => idOfRow(row) === id));
    },
    { maxBatchSize: MAX_GATHERED },
  );
}
