import {
  findRealtimeBalanceTime,
  finishJob,
  listPresentAccounts,
  listRoster,
  removeAccounts,
  saveProduct,
  saveRoster,
  takeBudget,
  type RosterAccount,
  type RosterRow,
} from "@florin/db/accounts";
import type { AccountData, SnapshotRow } from "@florin/linked-data";
import { formatId, formatInstant, type Uuid } from "@florin/kernel";
import type { AccountsAnswer } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { handOverSnapshot } from "./hand-over-snapshot.js";
import { matchRoster } from "./match-accounts.js";
import { withStorableTexts } from "./storable-text.js";
import { laterByMs, msBetween, writeFenced, type Fenced, type JobRun, type SyncParts } from "./sync-parts.js";

/** The roster and its cached balances: free, so it is read after every change (linked-accounts.md, mistake 13). */
export async function syncAccounts(parts: SyncParts, run: JobRun): Promise<void> {
  const answer = await readAccounts(parts, run);
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    await writeRoster(parts, run, fenced, answer.accounts, "CACHED");
    await finishJob(fenced.tx, run.item.itemId, run.job, undefined);
  });
}

/** The same for a job that needs to know accounts, and ends its own way. */
export async function readRoster(parts: SyncParts, run: JobRun): Promise<void> {
  const answer = await readAccounts(parts, run);
  await writeFenced(parts, run.lease, run.job.correlationId, (fenced) =>
    writeRoster(parts, run, fenced, answer.accounts, "CACHED"),
  );
}

async function readAccounts(parts: SyncParts, run: JobRun): Promise<AccountsAnswer> {
  const answer = withStorableTexts(await parts.plaid.getAccounts(run.call));
  faultPoint("accounts.sync.after-fetch");
  return answer;
}

/**
 * Balances asked of the institution itself: paid and slow. Not asked for when they were asked lately, and not when a budget is used up;
 * then the cached ones are read, and what people see says of when they are (mistake 20).
 */
export async function syncBalances(parts: SyncParts, run: JobRun): Promise<void> {
  const { policy, clock } = parts;
  const asked = await findRealtimeBalanceTime(parts.database.sql, run.item.itemId);
  if (asked !== undefined && msBetween(asked, clock.now()) < policy.balanceTtlMs) return finish(parts, run, undefined);
  const usedUp = await takeBalanceBudget(parts, run.item.userId);
  if (usedUp !== undefined) {
    parts.logger.info(
      { itemId: run.item.itemId, scope: usedUp },
      "A budget of paid balance calls is used up for today.",
    );
    const answer = await readAccounts(parts, run);
    return writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
      await writeRoster(parts, run, fenced, answer.accounts, "CACHED", "BUDGET_USED_UP");
      await finishJob(fenced.tx, run.item.itemId, run.job, "BUDGET_USED_UP");
    });
  }
  const isDated = policy.datedBalanceInstitutions.includes(run.item.institutionId ?? "");
  const oldest = formatInstant(laterByMs(clock.now(), -OLDEST_BALANCE_MS));
  const answer = await parts.plaid.getBalances(run.call, isDated ? { minLastUpdatedAt: oldest } : {});
  faultPoint("accounts.sync.after-fetch");
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    await writeRoster(parts, run, fenced, withStorableTexts(answer.accounts), "REALTIME");
    await fenced.hear({ kind: "CALL_SUCCEEDED", now: fenced.at });
    await finishJob(fenced.tx, run.item.itemId, run.job, undefined);
  });
}

const OLDEST_BALANCE_MS = 24 * 3_600_000;

class BudgetUsedUp extends Error {
  readonly scope: string;

  constructor(scope: string) {
    super(`the budget ${scope} is used up for today`);
    this.scope = scope;
  }
}

/** The scope that is used up; undefined: the call is paid for. */
async function takeBalanceBudget(parts: SyncParts, userId: Uuid): Promise<string | undefined> {
  const { policy, database, clock } = parts;
  try {
    await database.transaction(async (tx) => {
      const usedUp = await takeBudget(tx, clock.now(), [
        { scope: `balances:${userId}`, limit: policy.balanceCallsPerPerson },
        { scope: "balances", limit: policy.balanceCallsInAll },
      ]);
      if (usedUp !== undefined) throw new BudgetUsedUp(usedUp); // gives back what was taken of the other
    });
    return undefined;
  } catch (error) {
    if (error instanceof BudgetUsedUp) return error.scope;
    throw error;
  }
}

async function finish(parts: SyncParts, run: JobRun, reason: string | undefined): Promise<void> {
  await writeFenced(parts, run.lease, run.job.correlationId, ({ tx }) =>
    finishJob(tx, run.item.itemId, run.job, reason),
  );
}

/** Accounts that a product spoke of and the roster does not list: kept, so that nothing that hangs on them is lost. */
export async function addMissingAccounts(
  parts: SyncParts,
  run: JobRun,
  accounts: readonly AccountData[],
): Promise<void> {
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    await saveMatched(parts, fenced, accounts, "SYNC");
    fenced.noteChange();
  });
}

type Source = "CACHED" | "REALTIME" | "SYNC";

async function writeRoster(
  parts: SyncParts,
  run: JobRun,
  fenced: Fenced,
  accounts: readonly AccountData[],
  source: Source,
  reason?: string,
): Promise<void> {
  const { tx, item, at } = fenced;
  const vanished = await saveMatched(parts, fenced, accounts, source);
  await removeAccounts(tx, item.itemId, vanished, at);
  await saveProduct(tx, item.itemId, {
    product: "BALANCES",
    state: "READY",
    reason,
    // Whoever read them: a cached balance is a balance, and covers a paid call that failed.
    saidBy: "ACCOUNTS",
    syncedAt: at,
  });
  fenced.noteChange();
  const present = await listPresentAccounts(tx, item.itemId);
  await handOverSnapshot(parts, tx, {
    item,
    product: "ACCOUNTS",
    capturedAt: at,
    rows: present.map((account) => toRow(account, item.institutionName)),
    correlationId: run.job.correlationId,
  });
}

/** Those that the answer does not list any more. */
async function saveMatched(
  parts: SyncParts,
  { tx, item, at }: Fenced,
  accounts: readonly AccountData[],
  source: Source,
): Promise<readonly Uuid[]> {
  const match = matchRoster(await listRoster(tx, item.itemId), accounts);
  const rows = match.accounts.map(({ data, linkedAccountId }) =>
    toRosterRow(data, linkedAccountId ?? parts.ids.next()),
  );
  const realtimeSince = laterByMs(at, -parts.policy.balanceTtlMs);
  await saveRoster(tx, { itemId: item.itemId, userId: item.userId, at, source, realtimeSince }, rows);
  return match.vanished;
}

function toRosterRow(data: AccountData, linkedAccountId: Uuid): RosterRow {
  const { available, current, limit, currency, lastUpdatedAt } = data.balance;
  return {
    linkedAccountId,
    plaidAccountId: data.accountId,
    persistentAccountId: data.persistentAccountId,
    name: data.name,
    officialName: data.officialName,
    mask: data.mask,
    type: data.type,
    subtype: data.subtype,
    holderCategory: data.holderCategory,
    apy: data.apy,
    available,
    current,
    limit,
    isoCode: currency.isoCode,
    unofficialCode: currency.isoCode === null ? currency.unofficialCode : null,
    lastUpdatedAt,
  };
}

function toRow(account: RosterAccount, institutionName: string | null): SnapshotRow<"ACCOUNTS"> {
  const { linkedAccountId, plaidAccountId, asOf, available, current, limit, isoCode, unofficialCode, ...rest } =
    account;
  const { lastUpdatedAt, ...data } = rest;
  return {
    linkedAccountId: formatId("linkedAccount", linkedAccountId),
    institutionName,
    asOf: formatInstant(asOf),
    data: {
      accountId: plaidAccountId,
      ...data,
      balance: {
        available,
        current,
        limit,
        currency: { isoCode, unofficialCode },
        lastUpdatedAt: lastUpdatedAt === null ? null : formatInstant(lastUpdatedAt),
      },
    },
  };
}
