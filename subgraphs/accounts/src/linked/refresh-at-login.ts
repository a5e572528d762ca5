import type { Transaction } from "@florin/db";
import { listFreshness, requestJobs, type LinkedJobKind, type LinkedProductName } from "@florin/db/accounts";
import type { Clock, Uuid } from "@florin/kernel";
import { defaultSyncPolicy, type SyncPolicy } from "./sync-policy.js";
import { msBetween } from "./sync-parts.js";

const jobsOf: Record<LinkedProductName, readonly LinkedJobKind[]> = {
  BALANCES: ["ACCOUNTS"],
  TRANSACTIONS: ["TRANSACTIONS"],
  LIABILITIES: ["LIABILITIES"],
  INVESTMENTS: ["HOLDINGS"],
};

/**
 * Whoever signs in finds fresh data: what is older than the policy allows is read again, balances first of all, as no webhook tells of
 * them. In the transaction of the sign-in, with the role that serves people; the worker does the rest.
 */
export async function refreshAtLogin(
  source: { readonly clock: Clock; readonly policy?: Partial<SyncPolicy> | undefined },
  tx: Transaction,
  userId: Uuid,
  correlationId: string,
): Promise<void> {
  const at = source.clock.now();
  const maxAgeMs = source.policy?.loginMaxAgeMs ?? defaultSyncPolicy.loginMaxAgeMs;
  const due = new Map<Uuid, LinkedJobKind[]>();
  for (const { itemId, product, at: last } of await listFreshness(tx, userId)) {
    if (last !== null && msBetween(last, at) <= maxAgeMs) continue;
    due.set(itemId, [...(due.get(itemId) ?? []), ...jobsOf[product]]);
  }
  for (const [itemId, kinds] of due) await requestJobs(tx, itemId, kinds, { at, correlationId });
}
