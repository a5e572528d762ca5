import {
  finishJob,
  findLastSynced,
  requestJobs,
  saveInstitution,
  schedulePoll,
  type LinkedJobKind,
  type LinkedProductName,
} from "@florin/db/accounts";
import { parseInstant, type Instant } from "@florin/kernel";
import { PlaidCallError, type ItemState } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { mayCall } from "./item-status.js";
import { toStorable } from "./storable-text.js";
import { laterByMs, msBetween, writeFenced, type JobRun, type SyncParts } from "./sync-parts.js";

/**
 * Asks how the item stands, and whether the institution has news that nobody told us: webhooks get lost, and there is no replay (§1.4).
 * What it says of the institution is believed; what a browser said is not (§5.4).
 */
export async function checkItem(parts: SyncParts, run: JobRun): Promise<void> {
  const state = await parts.plaid.getItem(run.call);
  const institutionName = await findInstitutionName(parts, run, state);
  await pointWebhooks(parts, run, state);
  faultPoint("accounts.sync.after-fetch");
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    const { tx, item, at } = fenced;
    await saveInstitution(tx, item.itemId, { institutionId: state.institutionId, institutionName });
    if (institutionName !== undefined && institutionName !== item.institutionName) fenced.noteChange();
    const consentExpiresAt = toInstant(state.consentExpiresAt);
    const standing = await fenced.hear({ kind: "ITEM_READ", error: state.error, consentExpiresAt, now: at });
    if (mayCall(standing.status)) {
      const synced = await findLastSynced(tx, item.itemId);
      const stale = listStale(state, synced, at, parts.policy.productMaxAgeMs);
      await requestJobs(tx, item.itemId, stale, { at, correlationId: run.job.correlationId });
    }
    const spread = 0.9 + 0.2 * parts.random();
    await schedulePoll(tx, item.itemId, laterByMs(at, parts.policy.pollEveryMs * spread));
    await finishJob(tx, item.itemId, run.job, undefined);
  });
}

async function findInstitutionName(parts: SyncParts, run: JobRun, state: ItemState): Promise<string | undefined> {
  if (state.institutionName !== undefined) return toStorable(state.institutionName);
  if (state.institutionId === undefined || run.item.institutionName !== null) return undefined;
  try {
    return toStorable((await parts.plaid.getInstitution(state.institutionId)).name);
  } catch (error) {
    if (error instanceof PlaidCallError) return undefined; // a name is no reason to fail; the next check asks again
    throw error;
  }
}

/** Update mode ignores the webhook of its link token (§1.2), so an item may still speak to an address of before. */
async function pointWebhooks(parts: SyncParts, run: JobRun, state: ItemState): Promise<void> {
  const { webhookUrl } = parts.policy;
  if (webhookUrl === undefined || state.webhookUrl === webhookUrl || state.error !== undefined) return;
  await parts.plaid.updateWebhook(run.call, webhookUrl);
}

/** Their clock is not ours, and may tell whole seconds only: reading once too often is cheaper than missing news. */
const CLOCK_SLACK_MS = 120_000;

type Synced = Awaited<ReturnType<typeof findLastSynced>>;

/** What the institution has newer than we have, and what is old whatever it says. */
export function listStale(
  state: Pick<ItemState, "transactions" | "investments">,
  synced: Synced,
  now: Instant,
  maxAgeMs: number,
): LinkedJobKind[] {
  const isStale = (product: LinkedProductName, updatedAt: Instant | undefined): boolean => {
    const last = synced.get(product);
    if (last === undefined || last.at === null) return last?.state !== "NOT_APPLICABLE" || isNews(updatedAt);
    if (last.state === "NOT_APPLICABLE") return false;
    const isNewer = updatedAt !== undefined && msBetween(last.at, updatedAt) > -CLOCK_SLACK_MS;
    return isNewer || msBetween(last.at, now) > maxAgeMs;
  };
  const isNews = (updatedAt: Instant | undefined): boolean =>
    updatedAt !== undefined && msBetween(updatedAt, now) < maxAgeMs;
  const transactions = isStale("TRANSACTIONS", toInstant(state.transactions?.lastSuccessfulAt));
  const investments = isStale("INVESTMENTS", toInstant(state.investments?.lastSuccessfulAt));
  return [
    ...(isStale("BALANCES", undefined) || transactions || investments ? (["ACCOUNTS"] as const) : []),
    ...(transactions ? (["TRANSACTIONS"] as const) : []),
    ...(isStale("LIABILITIES", undefined) ? (["LIABILITIES"] as const) : []),
    ...(investments ? (["HOLDINGS", "INVESTMENT_TRANSACTIONS"] as const) : []),
  ];
}

function toInstant(text: string | undefined): Instant | undefined {
  return text === undefined ? undefined : parseInstant(text);
}
