import { appendOutbox, classifyDatabaseError, type Transaction } from "@florin/db";
import {
  findItemOfWebhook,
  finishWebhook,
  forgetInvestmentHistory,
  forgetRevocations,
  lockItem,
  noteWebhookOfItem,
  requestJobs,
  revokeAccount,
  saveItemStanding,
  takeWebhook,
  type SyncedItem,
  type WebhookRecord,
} from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { newCorrelationId } from "@florin/telemetry";
import { nextStanding } from "./item-status.js";
import type { LinkOperations } from "./link-operations.js";
import { linkedItemUpdated } from "./linked-events.js";
import { standingOf } from "./standing-of.js";
import { laterByMs, type SyncParts } from "./sync-parts.js";
import { reactToWebhook, type WebhookReaction } from "./webhook-reaction.js";

export interface ProcessedWebhook {
  /** What is left to do at Plaid, after the transaction. Never rejects. */
  readonly followUp: (() => Promise<void>) | undefined;
}

/**
 * Works on one stored webhook, in one transaction with what it sets going: once, whatever happens to this process. undefined: there is
 * none. A storm for one item is one piece of work, as the requests for a job are counted and not queued.
 */
export async function processWebhook(
  parts: SyncParts,
  operations: Pick<LinkOperations, "finishLinkSession">,
): Promise<ProcessedWebhook | undefined> {
  const correlationId = newCorrelationId();
  let webhook: WebhookRecord | undefined;
  let outcome = "";
  try {
    await parts.database.transaction(async (tx) => {
      webhook = await takeWebhook(tx);
      if (webhook === undefined) return;
      outcome = await work(parts, tx, webhook, correlationId);
      await finishWebhook(tx, webhook.webhookId, outcome, parts.clock.now());
    });
  } catch (error) {
    if (webhook === undefined || classifyDatabaseError(error) !== "refused") throw error;
    // Would fail again in the same way, and no other webhook would ever have its turn.
    parts.logger.error({ webhookId: webhook.webhookId, err: error }, "A webhook could not be worked on; it is left.");
    outcome = await leave(parts, webhook);
  }
  const done = webhook;
  if (done === undefined) return undefined;
  parts.meters.webhook(outcome);
  parts.wakeRelay();
  return {
    followUp: outcome === "link" ? () => readSessions(parts, operations, done, correlationId) : undefined,
  };
}

async function leave(parts: SyncParts, { webhookId }: WebhookRecord): Promise<string> {
  await parts.database.transaction((tx) => finishWebhook(tx, webhookId, "failed", parts.clock.now()));
  return "failed";
}

/** After the transaction, as it calls Plaid. An open visit is also polled, so a failure here loses nothing. */
async function readSessions(
  parts: SyncParts,
  operations: Pick<LinkOperations, "finishLinkSession">,
  { linkTokenDigest }: WebhookRecord,
  correlationId: string,
): Promise<void> {
  if (linkTokenDigest === null) return;
  await operations.finishLinkSession({ linkTokenDigest }, correlationId).catch((error: unknown) => {
    parts.logger.info({ err: error }, "The results of a visit to Link could not be read now; they are polled for.");
  });
}

async function work(parts: SyncParts, tx: Transaction, webhook: WebhookRecord, correlationId: string): Promise<string> {
  if (webhook.type === "LINK") return webhook.linkTokenDigest === null ? "unknown_code" : "link";
  if (webhook.plaidItemId === null) return "no_item";
  const found = await findItemOfWebhook(tx, webhook.plaidItemId);
  if (found === undefined) return alarm(parts, webhook);
  const item = found.isPurged ? undefined : await lockItem(tx, found.itemId);
  if (item === undefined || item.removedAt !== null) return "removed_item";
  await noteWebhookOfItem(tx, item.itemId, webhook.receivedAt);
  const reaction = reactToWebhook(webhook.type, webhook.code, webhook.facts);
  await react(parts, tx, item, reaction, correlationId);
  return reaction.outcome;
}

/** Somewhere is an item that costs money and that nobody here has a token of, or somebody sends us others' webhooks (§1.9). */
function alarm(parts: SyncParts, webhook: WebhookRecord): string {
  parts.meters.unknownItem();
  parts.logger.warn(
    {
      webhookId: webhook.webhookId,
      webhookType: webhook.type,
      webhookCode: webhook.code,
      plaidItemId: webhook.plaidItemId,
    },
    "A webhook came for an item that is not ours. If a link was lost lately, ask Plaid's support to remove the item.",
  );
  return "unknown_item";
}

async function react(
  parts: SyncParts,
  tx: Transaction,
  item: SyncedItem,
  reaction: WebhookReaction,
  correlationId: string,
): Promise<void> {
  const at = parts.clock.now();
  const { itemId } = item;
  let isChanged = false;
  if (reaction.forgetsRevocations === true) await forgetRevocations(tx, itemId);
  if (reaction.revokesAccount !== undefined) isChanged = await revokeAccount(tx, itemId, reaction.revokesAccount, at);
  if (reaction.forgetsInvestmentHistory === true) await forgetInvestmentHistory(tx, itemId);
  const was = standingOf(item);
  const standing = reaction.signal === undefined ? was : nextStanding(was, reaction.signal);
  if (standing !== was) await saveItemStanding(tx, itemId, standing, at);
  await requestJobs(tx, itemId, reaction.jobs, { at, correlationId, isUrgent: reaction.isUrgent });
  if (reaction.schedulesDeletion === true) await scheduleDeletion(parts, tx, itemId, correlationId);
  if (standing === was && !isChanged) return;
  const { status, reason } = standing;
  await appendOutbox(tx, "accounts", [linkedItemUpdated(parts, { ...item, status, reason }, correlationId)]);
}

async function scheduleDeletion(parts: SyncParts, tx: Transaction, itemId: Uuid, correlationId: string): Promise<void> {
  const at = parts.clock.now();
  const notBefore = laterByMs(at, parts.policy.revokedGraceMs);
  await requestJobs(tx, itemId, ["REMOVE"], { at, notBefore, correlationId });
}
