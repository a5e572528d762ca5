import DataLoader from "dataloader";
import type { Database } from "@florin/db";
import {
  findBatches,
  findClientTransactionHistory,
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
  listBalanceChanges,
  listBalanceContributions,
  listBalancesAtSeq,
  listChartNodes,
  listInstructions,
  listLiveTotals,
  listObservedBalances,
  listObservedTotals,
  listProducts,
  listProductVersions,
  listTransactions,
  listTrialBalance,
  type AccountTotals,
  type BalanceAtSeq,
  type BalanceChange,
  type BalanceContributions,
  type BatchRow,
  type ChartNode,
  type InstructionRow,
  type LedgerAccount,
  type Observation,
  type ProductRow,
  type ProductVersionRow,
  type TransactionListFilter,
  type TransactionRow,
  type TrialBalanceRow,
  type ValueInterval,
} from "@florin/db/ledger";
import type { Instant, TransactionKey, Uuid } from "@florin/kernel";
import { gatherReads, type GatheredReads } from "./gathered-reads.js";
import { toOperationRecord } from "./operation-record.js";
import { createSealedWatermark, type SealedWatermark } from "./sealed-watermark.js";
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
  BalanceChange,
  BalanceContributions,
  BatchRow,
  ChartNode,
  InstructionRow,
  LedgerAccount,
  Observation,
  ProductRow,
  ProductVersionRow,
  TransactionListFilter,
  TransactionRow,
  TrialBalanceRow,
  ValueInterval,
};

export interface Readers {
  findAccount(id: Uuid): Promise<LedgerAccount | undefined>;
  listAccountIdsOfOwner(principal: string): Promise<readonly Uuid[]>;
  findInternalAccountId(code: string, currency: string): Promise<Uuid | undefined>;
  findTotals(id: Uuid, observation: Observation): Promise<AccountTotals | undefined>;
  /** At address DEFAULT, on one clock or two; the live one is in the totals. */
  findObservedBalance(id: Uuid, observation: Observation): Promise<BalanceAtSeq | undefined>;
  /** T-4, at most `limit`. */
  listBalanceChanges(id: Uuid, interval: ValueInterval, limit: number): Promise<readonly BalanceChange[]>;
  /** At most `limit` postings of either sort. */
  findBalanceContributions(id: Uuid, observation: Observation, limit: number): Promise<BalanceContributions>;
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
  /** undefined: there is none under this key. */
  findClientTransaction(clientId: string, clientTransactionId: string): ReturnType<typeof findClientTransactionHistory>;
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
  listChartNodes(): Promise<readonly ChartNode[]>;
  /** The sealed watermark of what is read here: of a replica its own. undefined before the first commit. */
  findKnownAt(): Promise<Instant | undefined>;
  /** T-3: waits a bounded time until this known time is sealed; the watermark then. */
  reachKnownAt(knownAt: Instant): Promise<Instant | undefined>;
}

const MAX_GATHERED = 500;
/** Of the reads that all requests share: two statements under way keep the database busy and leave the pool to the others. */
const SHARED_READS = { maxInFlight: 2, maxIds: 1_000, maxWaiting: 50_000, maxWaitMs: 5_000 };

/** What the requests of one process share, for one database. */
interface SharedReads {
  readonly accounts: GatheredReads<LedgerAccount>;
  readonly totals: GatheredReads<AccountTotals>;
  readonly watermark: SealedWatermark;
}

/** One for each database of a process; gives the readers of a request. */
export function createReaderSource({ sql }: Database): () => Readers {
  const shared: SharedReads = {
    accounts: gatherReads({ ...SHARED_READS, list: (ids) => listAccounts(sql, ids), idOf: accountOf }),
    totals: gatherReads({ ...SHARED_READS, list: (ids) => listLiveTotals(sql, ids), idOf: accountOf }),
    watermark: createSealedWatermark({ find: () => findKnownAt(sql) }),
  };
  return () => createReaders(sql, shared);
}

// A request makes the loaders that it uses: most use two of them, and there are as many requests as there are answers.
function createReaders(sql: Database["sql"], shared: SharedReads): Readers {
  const account = createSharedLoader(shared.accounts, {});
  const totals = createSharedLoader(shared.totals, { cache: false }); // a later mutation of the same request has changed them
  const observedTotals = createObservationLoaders((ids, observation) => listObservedTotals(sql, ids, observation));
  const observedBalances = createObservationLoaders((ids, observation) => listObservedBalances(sql, ids, observation));
  const balancesAtSeq = once(() =>
    createLoader((keys: readonly TransactionKey[]) => listBalancesAtSeq(sql, keys), transactionKeyOf, transactionKeyOf),
  );
  const transactions = once(() =>
    createLoader((keys: readonly TransactionKey[]) => findTransactions(sql, keys), transactionKeyOf, transactionKeyOf),
  );
  const operations = once(() =>
    createLoader(
      async (ids: readonly Uuid[]) => (await findOperations(sql, ids)).map(toOperationRecord),
      (operation) => operation.operationId,
      String,
      { cache: false },
    ),
  );
  const batches = once(() =>
    createLoader(
      (ids: readonly Uuid[]) => findBatches(sql, ids),
      (batch) => batch.batchId,
      String,
    ),
  );
  const instructions = once(() =>
    createGroupLoader(
      (ids) => listInstructions(sql, ids),
      (instruction) => instruction.batchId,
    ),
  );
  const products = once(() =>
    createLoader(
      (ids: readonly Uuid[]) => findProducts(sql, ids),
      (product) => product.productId,
      String,
    ),
  );
  const versionsOfProduct = once(() =>
    createGroupLoader(
      (ids) => listProductVersions(sql, ids),
      (version) => version.productId,
    ),
  );
  const versions = once(() =>
    createLoader(
      (ids: readonly Uuid[]) => findProductVersions(sql, ids),
      (version) => version.productVersionId,
      String,
    ),
  );

  return {
    findAccount: (id) => account.load(id),
    listAccountIdsOfOwner: (principal) => listAccountIdsOfOwner(sql, principal),
    findInternalAccountId: (code, currency) => findInternalAccountId(sql, code, currency),
    findTotals: (id, observation) =>
      observation.at === undefined && observation.knownAt === undefined
        ? totals.load(id)
        : observedTotals(observation).load(id),
    findObservedBalance: (id, observation) => observedBalances(observation).load(id),
    listBalanceChanges: (id, interval, limit) => listBalanceChanges(sql, id, interval, {}, limit),
    findBalanceContributions: (id, observation, limit) => listBalanceContributions(sql, id, observation, limit),
    findBalanceAtSeq: (key) => balancesAtSeq().load(key),
    findTransaction: (key) => transactions().load(key),
    listTransactions: (accountId, page, filter) => listTransactions(sql, accountId, page, filter),
    findOperation: (id) => operations().load(id),
    findOperationByKey: async (principal, idempotencyKey) => {
      const row = await findOperationByKey(sql, principal, idempotencyKey);
      return row === undefined ? undefined : toOperationRecord(row);
    },
    findBatch: (id) => batches().load(id),
    listInstructions: (batchId) => instructions().load(batchId),
    findClientTransaction: (clientId, clientTransactionId) =>
      findClientTransactionHistory(sql, clientId, clientTransactionId),
    findProduct: (id) => products().load(id),
    findProductByCode: (code) => findProductByCode(sql, code),
    listProducts: (page) => listProducts(sql, page),
    listProductVersions: (productId) => versionsOfProduct().load(productId),
    findProductVersion: (id) => versions().load(id),
    listTrialBalance: (observation) => listTrialBalance(sql, observation),
    listChartNodes: () => listChartNodes(sql),
    findKnownAt: () => shared.watermark.current(),
    reachKnownAt: (knownAt) => shared.watermark.reach(knownAt),
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const accountOf = (row: { readonly accountId: Uuid }): Uuid => row.accountId;
const transactionKeyOf = (row: TransactionKey): string => `${row.accountId}/${row.accountSeq}`;

/** All that one request asks for in one tick is one question. */
function createSharedLoader<Row>(
  reads: GatheredReads<Row>,
  options: DataLoader.Options<Uuid, Row | undefined>,
): DataLoader<Uuid, Row | undefined> {
  return new DataLoader<Uuid, Row | undefined>(async (ids) => {
    const rows = await reads.load(ids);
    return ids.map((id) => rows.get(id));
  }, options);
}

/** What a request asks for at one point of both clocks is one statement. */
function createObservationLoaders<Row extends { readonly accountId: Uuid }>(
  list: (ids: readonly Uuid[], observation: Observation) => Promise<readonly Row[]>,
): (observation: Observation) => DataLoader<Uuid, Row | undefined, string> {
  let loaders: Map<string, DataLoader<Uuid, Row | undefined, string>> | undefined;
  return (observation) => {
    loaders ??= new Map();
    const key = `${observation.at ?? ""}/${observation.knownAt ?? ""}`;
    const known = loaders.get(key);
    if (known !== undefined) return known;
    const loader = createLoader((ids: readonly Uuid[]) => list(ids, observation), accountOf, String);
    loaders.set(key, loader);
    return loader;
  };
}

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
