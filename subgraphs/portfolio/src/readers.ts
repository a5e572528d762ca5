import { mayDo, type AccessLog, type Sealer, type Viewer } from "@florin/auth";
import { classifyDatabaseError, type Sql } from "@florin/db";
import {
  countInvestmentTransactions,
  listAppliedProducts,
  listCashFlow,
  listHoldings,
  listHoldingsOfAccounts,
  listInvestmentAccounts,
  listInvestmentTransactions,
  listInvestmentTransactionsByIds,
  listLiabilities,
  listLiabilitiesOfAccounts,
  listLiabilityHistory,
  listLinkedAccountsByIds,
  listSecurities,
  listSecuritiesByIds,
  listSpending,
  listWorth,
  listWorthByDay,
  type AccountWorth,
  type CashFlow,
  type CategorySpending,
  type HoldingRecord,
  type InvestmentTransactionRecord,
  type LiabilityRecord,
  type LiabilityVersion,
  type LinkedAccountRecord,
  type Period,
  type Person,
  type SecurityRecord,
  type WorthOfDay,
} from "@florin/db/portfolio";
import {
  asUuid,
  assertInput,
  formatId,
  isUuid,
  notFound,
  parseId,
  RequestError,
  temporarilyUnavailable,
  type Uuid,
} from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import DataLoader from "dataloader";
import { existingDay, type IntervalName } from "./calendar.js";

/** Whose portfolio is read, and whether the reader is that person: some things even the office does not see. */
export interface OpenedPortfolio {
  readonly userId: Uuid;
  readonly isOwner: boolean;
}

/** A linked account that the viewer may see, as far as it is known here. */
export interface VisibleAccount extends LinkedAccountRecord {
  readonly isOwner: boolean;
}

/**
 * What resolvers read, for one request and one viewer. Whoever reads through here is authorised here: somebody else's object is not
 * there. Reads of one tick become one query.
 */
export interface Readers {
  /** Of the virtual account, the viewer's own where none is named. Throws NOT_FOUND for somebody else's, and for whoever is no person. */
  openPortfolio(virtualAccountId: string | undefined): OpenedPortfolio;
  listLiabilities(userId: Uuid): Promise<readonly LiabilityRecord[]>;
  listInvestmentAccounts(userId: Uuid): Promise<readonly LinkedAccountRecord[]>;
  listHoldings(userId: Uuid): Promise<readonly HoldingRecord[]>;
  listSecurities(userId: Uuid): Promise<readonly SecurityRecord[]>;
  listInvestmentTransactions(
    userId: Uuid,
    page: { readonly first: number; readonly after: string | undefined },
  ): Promise<readonly InvestmentTransactionRecord[]>;
  countInvestmentTransactions(userId: Uuid): Promise<number>;
  cursorOf(transaction: InvestmentTransactionRecord): string;
  /** undefined: not known here yet, or somebody else's. */
  findLinkedAccount(id: string): Promise<VisibleAccount | undefined>;
  listLiabilitiesOf(account: VisibleAccount): Promise<readonly LiabilityRecord[]>;
  /** Newest first, at most 50. */
  listLiabilityHistoryOf(account: VisibleAccount): Promise<readonly LiabilityVersion[]>;
  /** undefined: no holdings were ever read of its item, or it is an account that holds none by its kind. */
  findHoldingsOf(account: VisibleAccount): Promise<readonly HoldingRecord[] | undefined>;
  /** Throws NOT_FOUND for somebody else's. */
  getSecurity(id: string): Promise<SecurityRecord>;
  getInvestmentTransaction(id: string): Promise<InvestmentTransactionRecord>;
  listWorth(): Promise<readonly AccountWorth[]>;
  listWorthByDay(period: Period & { readonly currency: string }): Promise<readonly WorthOfDay[]>;
  listCashFlow(period: Period & { readonly interval: IntervalName }): Promise<readonly CashFlow[]>;
  listSpending(period: Period): Promise<readonly CategorySpending[]>;
}

const CURSOR = "portfolio.investment-transactions";
const HISTORY_ROWS = 50;
const INVESTMENT_TYPES: ReadonlySet<string> = new Set(["investment", "brokerage"]);
const RETRY_AFTER_MS = 500;

export interface ReaderOptions {
  readonly sql: Sql;
  readonly viewer: Viewer | undefined;
  readonly sealer: Sealer;
  readonly accessLog: AccessLog;
  readonly logger: Logger;
}

export function createReaders(options: ReaderOptions): Readers {
  const { sql, sealer } = options;
  const { openPortfolio, isOwnerOf, person } = createAccess(options);
  const read = <T>(query: () => Promise<T>) => orUnavailable(options.logger, query);
  const loadOne = <Row>(list: (ids: readonly Uuid[]) => Promise<readonly Row[]>, idOf: (row: Row) => Uuid) =>
    new DataLoader<Uuid, Row | undefined>(async (ids) => {
      const found = new Map((await read(() => list(ids))).map((row) => [idOf(row), row]));
      return ids.map((id) => found.get(id));
    });
  const loadMany = <Row>(list: (ids: readonly Uuid[]) => Promise<readonly Row[]>, idOf: (row: Row) => Uuid | null) =>
    new DataLoader<Uuid, readonly Row[]>(async (ids) => {
      const rows = await read(() => list(ids));
      return ids.map((id) => rows.filter((row) => idOf(row) === id));
    });
  const accountOf = (row: { readonly linkedAccountId: Uuid | null }) => row.linkedAccountId;

  const accounts = loadOne(
    (ids) => listLinkedAccountsByIds(sql, ids),
    (account) => account.linkedAccountId,
  );
  const securities = loadOne(
    (ids) => listSecuritiesByIds(sql, ids),
    (security) => security.securityId,
  );
  const transactions = loadOne(
    (ids) => listInvestmentTransactionsByIds(sql, ids),
    (transaction) => transaction.investmentTransactionId,
  );
  const liabilities = loadMany((ids) => listLiabilitiesOfAccounts(sql, ids), accountOf);
  const history = loadMany((ids) => listLiabilityHistory(sql, ids, HISTORY_ROWS), accountOf);
  const holdings = loadMany((ids) => listHoldingsOfAccounts(sql, ids), accountOf);
  const products = loadMany(
    (ids) => listAppliedProducts(sql, ids),
    (state) => state.itemId,
  );

  return {
    openPortfolio,
    listLiabilities: (userId) => read(() => listLiabilities(sql, userId)),
    listInvestmentAccounts: (userId) => read(() => listInvestmentAccounts(sql, userId)),
    listHoldings: (userId) => read(() => listHoldings(sql, userId)),
    listSecurities: async (userId) => {
      const found = await read(() => listSecurities(sql, userId));
      for (const security of found) securities.prime(security.securityId, security);
      return found;
    },
    listInvestmentTransactions: (userId, { first, after }) => {
      const page = { after: after === undefined ? undefined : openCursor(sealer, after), limit: first + 1 };
      return read(() => listInvestmentTransactions(sql, userId, page));
    },
    countInvestmentTransactions: (userId) => read(() => countInvestmentTransactions(sql, userId)),
    cursorOf: ({ date, investmentTransactionId }) => sealer.seal(CURSOR, `${date} ${investmentTransactionId}`),
    findLinkedAccount: async (id) => {
      const linkedAccountId = parseId("linkedAccount", id);
      const account = linkedAccountId === undefined ? undefined : await accounts.load(linkedAccountId);
      if (account === undefined) return undefined;
      const isOwner = isOwnerOf(account.userId, id);
      return isOwner === undefined ? undefined : { ...account, isOwner };
    },
    listLiabilitiesOf: (account) => liabilities.load(account.linkedAccountId),
    listLiabilityHistoryOf: (account) => history.load(account.linkedAccountId),
    findHoldingsOf: async (account) => {
      const applied = await products.load(account.itemId);
      if (!applied.some(({ product }) => product === "HOLDINGS")) return undefined;
      const found = await holdings.load(account.linkedAccountId);
      return found.length > 0 || INVESTMENT_TYPES.has(account.type) ? found : undefined;
    },
    getSecurity: async (id) => {
      const securityId = parseId("security", id);
      const security = securityId === undefined ? undefined : await securities.load(securityId);
      if (security === undefined || isOwnerOf(security.userId, id) === undefined) throw notFound("security");
      return security;
    },
    getInvestmentTransaction: async (id) => {
      const transactionId = parseId("investmentTransaction", id);
      const found = transactionId === undefined ? undefined : await transactions.load(transactionId);
      if (found === undefined || isOwnerOf(found.userId, id) === undefined) throw notFound("investment transaction");
      return found;
    },
    listWorth: () => read(() => listWorth(sql, person())),
    listWorthByDay: (period) => read(() => listWorthByDay(sql, person(), period)),
    listCashFlow: ({ from, to, interval }) =>
      read(() => listCashFlow(sql, person(), { from, to, interval: sqlInterval[interval] })),
    listSpending: (period) => read(() => listSpending(sql, person(), period)),
  };
}

const sqlInterval = { DAY: "day", WEEK: "week", MONTH: "month" } as const;

/** Who may see what; each decision about somebody else's is written down once a request. */
function createAccess({ viewer, accessLog }: ReaderOptions) {
  const decided = new Map<Uuid, boolean | undefined>();
  const ownUserId = viewer === undefined ? undefined : parseId("user", viewer.principal);

  /** true: it is the viewer's own; false: the office reads it; undefined: it is not there. */
  function isOwnerOf(userId: Uuid, object: string): boolean | undefined {
    if (decided.has(userId)) return decided.get(userId);
    const isOwner = ownUserId === userId;
    const decision = mayDo(viewer, "portfolio:read", { isOwner });
    accessLog.record(viewer, "portfolio:read", object, decision);
    const outcome = decision.allowed ? isOwner : undefined;
    decided.set(userId, outcome);
    return outcome;
  }

  function openPortfolio(virtualAccountId: string | undefined): OpenedPortfolio {
    const userId = virtualAccountId === undefined ? ownUserId : parseId("virtualAccount", virtualAccountId);
    if (userId === undefined) throw notFound("virtual account");
    const isOwner = isOwnerOf(userId, formatId("virtualAccount", userId));
    if (isOwner === undefined) throw notFound("virtual account");
    return { userId, isOwner };
  }

  function person(): Person {
    if (viewer === undefined) throw new RequestError("UNAUTHENTICATED", "Sign in first: send an access token.");
    return { userId: openPortfolio(undefined).userId, principal: viewer.principal };
  }

  return { isOwnerOf, openPortfolio, person };
}

function openCursor(sealer: Sealer, text: string): { readonly date: string; readonly id: Uuid } {
  const [date = "", id = ""] = (sealer.open(CURSOR, text) ?? "").split(" ");
  if (existingDay(date) !== null && isUuid(id)) return { date, id: asUuid(id) };
  assertInput([
    { path: "after", code: "CURSOR_INVALID", message: "Not a cursor of this list. Send one as it was given, or none." },
  ]);
  throw new Error("unreachable: a fault was asserted");
}

/** A database that is away is no bug of ours: a read may be sent again. */
async function orUnavailable<T>(logger: Logger, query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    if (error instanceof RequestError || classifyDatabaseError(error) === "refused") throw error;
    logger.warn({ err: error }, "The database failed; the caller was asked to send the request again.");
    throw temporarilyUnavailable(RETRY_AFTER_MS);
  }
}
