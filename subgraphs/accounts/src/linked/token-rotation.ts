import { appendOutbox, type Transaction } from "@florin/db";
import {
  claimItem,
  countTokensToRewrap,
  endRotation,
  listTokensToRewrap,
  listUnfinishedRotations,
  lockLeasedItem,
  releaseItem,
  replaceToken,
  saveItemStanding,
  saveRewrapped,
  startRotation,
  type ItemLease,
  type SyncedItem,
} from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { PlaidCallError, type AccessToken } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { nextStanding } from "./item-status.js";
import { laterBy, openItemToken, ownerOf, type LinkParts } from "./link-parts.js";
import { linkedItemUpdated } from "./linked-events.js";
import { standingOf } from "./standing-of.js";

/**
 * New secrets for old ones (linked-accounts.md §5.2).
 *
 * `rotateToken` asks Plaid for a new access token; the old one is dead at once. So: the item's lease (no sync meanwhile) → intent
 * (commit) → call → new ciphertext (commit). Where the answer was lost, or this process died before the store, the old token says which it
 * is: it still opens the item (nothing happened), or it does not, and then nobody has the new one: TOKEN_LOST, link again.
 *
 * `rewrapTokens` turns to a new KEK: data keys are wrapped anew, ciphertexts stay. Resumable by its nature: what is left is what is still
 * wrapped by another key.
 */
export type RotationOutcome = "ROTATED" | "KEPT" | "TOKEN_LOST" | "BUSY";

const LEASE_MS = 90_000;
/** An intent that is older has nobody at work on it. */
const ABANDONED_MS = 120_000;
const MAX_RECOVERED = 50;

export async function rotateToken(parts: LinkParts, itemId: Uuid, correlationId: string): Promise<RotationOutcome> {
  return withLease(parts, itemId, async (lease) => {
    const old = await openItemToken(parts, itemId);
    if (old === undefined) return "KEPT";
    await fenced(parts, lease, (tx) => startRotation(tx, itemId, parts.clock.now()));
    faultPoint("accounts.rotate.before-call");
    const fresh = await parts.plaid.invalidateAccessToken({ accessToken: old, itemKey: itemId }).catch(toFailure);
    faultPoint("accounts.rotate.after-call");
    if (fresh instanceof PlaidCallError)
      return fresh.isOutcomeUnknown || fresh.class === "GONE"
        ? judgeOldToken(parts, lease, old, correlationId)
        : keep(parts, lease);
    const sealed = await parts.vault.sealToken(fresh.accessToken, await ownerOfItem(parts, lease));
    await fenced(parts, lease, (tx) => replaceToken(tx, itemId, sealed, parts.clock.now()));
    return "ROTATED";
  });
}

/** Rotations that somebody died over. How many were settled. */
export async function recoverRotations(parts: LinkParts, correlationId: string): Promise<number> {
  const before = laterBy(parts.clock.now(), -ABANDONED_MS);
  const unfinished = await listUnfinishedRotations(parts.database.sql, before, MAX_RECOVERED);
  let settled = 0;
  for (const itemId of unfinished) {
    const outcome = await withLease(parts, itemId, async (lease) => {
      const old = await openItemToken(parts, itemId);
      return old === undefined ? "KEPT" : judgeOldToken(parts, lease, old, correlationId);
    });
    if (outcome !== "BUSY") settled++;
  }
  return settled;
}

export interface RewrapProgress {
  readonly rewrapped: number;
  /** Still under another key than the current one. 0: older keys can be put away, a day after the last visit to Link under them. */
  readonly remaining: number;
}

export async function rewrapTokens(
  parts: Pick<LinkParts, "database" | "vault">,
  { limit }: { readonly limit: number },
): Promise<RewrapProgress> {
  const { sql } = parts.database;
  const current = await parts.vault.currentKekId();
  let rewrapped = 0;
  let after: Uuid | undefined;
  while (rewrapped < limit) {
    const page = await listTokensToRewrap(sql, current, { after, limit: Math.min(100, limit - rewrapped) });
    if (page.length === 0) break;
    for (const stored of page) {
      const wrapped = await parts.vault.rewrap(stored, ownerOf(stored.userId, stored.itemId));
      if (wrapped !== undefined && (await saveRewrapped(sql, stored, wrapped))) rewrapped++;
      after = stored.itemId;
    }
  }
  return { rewrapped, remaining: await countTokensToRewrap(sql, current) };
}

async function withLease(
  parts: LinkParts,
  itemId: Uuid,
  work: (lease: ItemLease) => Promise<RotationOutcome>,
): Promise<RotationOutcome> {
  const { sql } = parts.database;
  const lease = await claimItem(sql, itemId, { owner: `rotation-${parts.ids.next()}`, leaseMs: LEASE_MS });
  if (lease === undefined) return "BUSY";
  try {
    return await work(lease);
  } finally {
    await releaseItem(sql, lease);
  }
}

async function judgeOldToken(
  parts: LinkParts,
  lease: ItemLease,
  old: AccessToken,
  correlationId: string,
): Promise<RotationOutcome> {
  const { itemId } = lease;
  const probe = await parts.plaid.getItem({ accessToken: old, itemKey: itemId }).catch(toFailure);
  if (!(probe instanceof PlaidCallError)) return keep(parts, lease);
  // Neither yes nor no: the intent stays, and is judged again later.
  if (probe.class !== "GONE") throw probe;
  await fenced(parts, lease, async (tx, item) => {
    await endRotation(tx, itemId);
    const was = standingOf(item);
    const standing = nextStanding(was, { kind: "TOKEN_LOST", reason: "ROTATION_ANSWER_LOST" });
    if (standing === was) return;
    await saveItemStanding(tx, itemId, standing, parts.clock.now());
    const event = { itemId, userId: item.userId, status: standing.status, reason: standing.reason };
    await appendOutbox(tx, "accounts", [linkedItemUpdated(parts, event, correlationId)]);
  });
  parts.wakeRelay();
  parts.logger.error({ itemId }, "The answer to a token's rotation was lost; the person has to link again.");
  return "TOKEN_LOST";
}

async function keep(parts: LinkParts, lease: ItemLease): Promise<RotationOutcome> {
  await fenced(parts, lease, (tx) => endRotation(tx, lease.itemId));
  return "KEPT";
}

async function ownerOfItem(parts: LinkParts, lease: ItemLease) {
  const item = await fenced(parts, lease, (_tx, found) => Promise.resolve(found));
  return ownerOf(item.userId, lease.itemId);
}

/** Writes only while the item is ours. */
function fenced<T>(
  parts: LinkParts,
  lease: ItemLease,
  write: (tx: Transaction, item: SyncedItem) => Promise<T>,
): Promise<T> {
  return parts.transact(async (tx) => {
    const item = await lockLeasedItem(tx, lease);
    if (item === undefined) throw new Error(`item ${lease.itemId} was taken over during its rotation`);
    return write(tx, item);
  });
}

function toFailure(error: unknown): PlaidCallError {
  if (error instanceof PlaidCallError) return error;
  throw error;
}
