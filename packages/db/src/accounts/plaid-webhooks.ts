import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { JsonValue, Sql, Transaction } from "../connect-database.js";
import { notify } from "../notifications.js";

/** Told when a webhook was stored. */
export const PLAID_WEBHOOK_CHANNEL = "florin_plaid_webhooks";

/** What is kept of a webhook: what routes it, and codes and dates from a closed list. Never its body. */
export interface WebhookRecord {
  readonly webhookId: Uuid;
  readonly issuedAt: Instant;
  readonly receivedAt: Instant;
  readonly type: string;
  readonly code: string;
  readonly plaidItemId: string | null;
  readonly linkTokenDigest: Uint8Array | null;
  readonly facts: Readonly<Record<string, string | boolean>>;
}

/** false: this very delivery was stored before. Works in both roles of the area. */
export async function insertWebhook(
  tx: Transaction,
  webhook: WebhookRecord & { readonly replayDigest: Uint8Array; readonly bodyDigest: Uint8Array },
): Promise<boolean> {
  const stored = await tx`
    insert into accounts.plaid_webhook (webhook_id, replay_digest, body_digest, issued_at, received_at, webhook_type,
      webhook_code, plaid_item_id, link_token_digest, facts)
    values (${webhook.webhookId}, ${Buffer.from(webhook.replayDigest)}, ${Buffer.from(webhook.bodyDigest)}, ${formatInstant(webhook.issuedAt)},
      ${formatInstant(webhook.receivedAt)}, ${webhook.type}, ${webhook.code}, ${webhook.plaidItemId},
      ${webhook.linkTokenDigest === null ? null : Buffer.from(webhook.linkTokenDigest)}, ${tx.json(webhook.facts as JsonValue)})
    on conflict (replay_digest) do nothing returning 1`;
  if (stored.length === 0) return false;
  await notify(tx, PLAID_WEBHOOK_CHANNEL);
  return true;
}

/** The oldest that nobody works on, locked until the transaction ends. Another worker gets another one. */
export async function takeWebhook(tx: Transaction): Promise<WebhookRecord | undefined> {
  const [webhook] = await tx<WebhookRecord[]>`
    select webhook_id as "webhookId", issued_at as "issuedAt", received_at as "receivedAt", webhook_type as type,
      webhook_code as code, plaid_item_id as "plaidItemId", link_token_digest as "linkTokenDigest", facts
    from accounts.plaid_webhook where processed_at is null order by received_at limit 1 for update skip locked`;
  return webhook;
}

export async function finishWebhook(tx: Transaction, webhookId: Uuid, outcome: string, at: Instant): Promise<void> {
  await tx`
    update accounts.plaid_webhook set processed_at = ${formatInstant(at)}, outcome = ${outcome}
    where webhook_id = ${webhookId}`;
}

/** Ours, by Plaid's id; also one that was purged, by its digest alone. */
export async function findItemOfWebhook(
  tx: Transaction,
  plaidItemId: string,
): Promise<{ readonly itemId: Uuid; readonly isPurged: boolean } | undefined> {
  const [item] = await tx<{ itemId: Uuid; isPurged: boolean }[]>`
    select item_id as "itemId", purged_at is not null as "isPurged" from accounts.linked_item
    where plaid_item_id = ${plaidItemId} or plaid_item_digest = sha256(convert_to(${plaidItemId}, 'UTF8'))
    order by purged_at nulls first limit 1`;
  return item;
}

export async function noteWebhookOfItem(tx: Transaction, itemId: Uuid, at: Instant): Promise<void> {
  await tx`
    update accounts.linked_item set last_webhook_at = greatest(last_webhook_at, ${formatInstant(at)}::timestamptz)
    where item_id = ${itemId}`;
}

/** Those that were worked on and are old enough that none of their signatures would be accepted again. How many. */
export async function deleteOldWebhooks(sql: Sql, receivedBefore: Instant, limit: number): Promise<number> {
  const gone = await sql`
    delete from accounts.plaid_webhook where webhook_id in (
      select webhook_id from accounts.plaid_webhook
      where processed_at is not null and received_at < ${formatInstant(receivedBefore)} order by received_at limit ${limit})
    returning 1`;
  return gone.length;
}
