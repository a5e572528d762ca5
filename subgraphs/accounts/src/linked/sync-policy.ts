/** Times and bounds of the worker, all in milliseconds unless they say otherwise. Each may be set by the composition root. */
export interface SyncPolicy {
  /** Items that one process reads at the same time. */
  readonly itemsAtOnce: number;
  /** How long an item is a worker's without a sign of life; renewed at a third of it. */
  readonly leaseMs: number;
  /** The longest that due work waits when no notification came through. */
  readonly lookEveryMs: number;
  /** An item that nothing was heard of is asked after so long (§1.4: webhooks get lost, and there is no replay). */
  readonly pollEveryMs: number;
  readonly reconcileEveryMs: number;
  /** A product that was not read for so long is read again at the next poll, whatever the institution says. */
  readonly productMaxAgeMs: number;
  /** At log-in, what is older than this is read again. */
  readonly loginMaxAgeMs: number;
  /** A balance that the institution itself gave is not asked for again, nor replaced by a cached one, before it is so old. */
  readonly balanceTtlMs: number;
  /** Paid balance calls a day (UTC): of one person, and in all. */
  readonly balanceCallsPerPerson: number;
  readonly balanceCallsInAll: number;
  /** Institutions that want to be told how old a balance may be. */
  readonly datedBalanceInstitutions: readonly string[];
  /** For each call, when it is to be shorter than the endpoint's own time (30 to 120 s). */
  readonly callDeadlineMs: number | undefined;
  /** Transactions asked for in one call, of either kind: 1 to 500. */
  readonly pageSize: number;
  /** Of history, asked for at an item's first call: 1 to 730. */
  readonly transactionDays: number;
  /** Of investment transactions, read again each time; all of it once. */
  readonly investmentWindowDays: number;
  readonly investmentHistoryDays: number;
  /** After the person withdrew permission at the institution, for all or for one account, the data is deleted. */
  readonly revokedGraceMs: number;
  /** After an account is gone from its item, what was kept of it is deleted. */
  readonly removedAccountDays: number;
  /** Where webhooks of our items are to come. Undefined: left as it is. */
  readonly webhookUrl: string | undefined;
  /** Webhooks and calls are forgotten after so many days. */
  readonly retentionDays: number;
  /** A job that failed so often in a row rests until somebody asks again: a webhook, a poll, a person. About a day of tries. */
  readonly maxFailures: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const defaultSyncPolicy: SyncPolicy = {
  itemsAtOnce: 4,
  leaseMs: 15_000,
  lookEveryMs: 1_000,
  pollEveryMs: 6 * HOUR,
  reconcileEveryMs: 30_000,
  productMaxAgeMs: DAY,
  loginMaxAgeMs: 10 * MINUTE,
  balanceTtlMs: 10 * MINUTE,
  balanceCallsPerPerson: 10,
  balanceCallsInAll: 5_000,
  datedBalanceInstitutions: ["ins_128026"],
  callDeadlineMs: undefined,
  pageSize: 500,
  transactionDays: 730,
  investmentWindowDays: 90,
  investmentHistoryDays: 729,
  revokedGraceMs: DAY,
  removedAccountDays: 30,
  webhookUrl: undefined,
  retentionDays: 30,
  maxFailures: 96,
};
