import {
  countDueJobs,
  deleteOldBudgets,
  deleteOldPlaidCalls,
  deleteOldWebhooks,
  forgetGoneAccounts,
  linkedJobKinds,
  listStaleness,
  requestJobs,
  takeItemsToPoll,
} from "@florin/db/accounts";
import { newCorrelationId } from "@florin/telemetry";
import type { LinkOperations } from "./link-operations.js";
import { laterByMs, msBetween, type SyncParts } from "./sync-parts.js";

/**
 * One round of what nobody asked for: items that were silent for too long are asked how they are, visits to Link whose results nobody
 * brought are looked at, rotations that somebody died over are settled, what is old is forgotten, and how stale we are is measured.
 */
export async function reconcileItems(
  parts: SyncParts,
  operations: Pick<LinkOperations, "finishDueSessions" | "recoverRotations">,
  isStopped: () => boolean,
): Promise<void> {
  const steps = [
    () => pollSilentItems(parts),
    () => operations.finishDueSessions(newCorrelationId()),
    () => operations.recoverRotations(newCorrelationId()),
    () => forgetOld(parts),
    () => measure(parts),
  ];
  for (const step of steps) {
    if (isStopped()) return;
    // One that fails leaves the others their turn.
    await step().catch((error: unknown) => {
      parts.logger.warn({ err: error }, "A step of reconciling linked items failed; the next round tries again.");
    });
  }
}

const POLLS_A_ROUND = 200;
const ROWS_A_ROUND = 5_000;
const MS_PER_DAY = 86_400_000;

async function pollSilentItems(parts: SyncParts): Promise<void> {
  const now = parts.clock.now();
  const again = laterByMs(now, parts.policy.pollEveryMs);
  await parts.database.transaction(async (tx) => {
    const silent = await takeItemsToPoll(tx, now, again, POLLS_A_ROUND);
    for (const itemId of silent)
      await requestJobs(tx, itemId, ["ITEM"], { at: now, correlationId: newCorrelationId() });
  });
}

async function forgetOld(parts: SyncParts): Promise<void> {
  const { sql } = parts.database;
  const { policy, clock } = parts;
  const now = clock.now();
  const before = laterByMs(now, -policy.retentionDays * MS_PER_DAY);
  const removed = laterByMs(now, -policy.removedAccountDays * MS_PER_DAY);
  await forgetGoneAccounts(sql, { removed, revoked: laterByMs(now, -policy.revokedGraceMs) }, ROWS_A_ROUND);
  await deleteOldWebhooks(sql, before, ROWS_A_ROUND);
  await deleteOldPlaidCalls(sql, before, ROWS_A_ROUND);
  await deleteOldBudgets(sql, before);
}

async function measure(parts: SyncParts): Promise<void> {
  const { sql } = parts.database;
  const now = parts.clock.now();
  const due = new Map((await countDueJobs(sql, now)).map((one) => [one.kind, one]));
  for (const kind of linkedJobKinds) {
    const waiting = due.get(kind);
    parts.meters.due(kind, waiting?.due ?? 0, waiting === undefined ? 0 : msBetween(waiting.oldest, now) / 1_000);
  }
  for (const { product, oldest } of await listStaleness(sql))
    parts.meters.staleness(product, msBetween(oldest, now) / 1_000);
}
