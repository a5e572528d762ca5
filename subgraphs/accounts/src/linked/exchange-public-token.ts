import { appendOutbox, fingerprintOf, type Transaction } from "@florin/db";
import {
  changeLinkAttempt,
  claimIdempotencyKey,
  findAttemptByPublicToken,
  findIdempotencyKey,
  findLinkAttempt,
  insertLinkedItem,
  insertSiblingAttempt,
  insertToken,
  listItemLikenesses,
  lockLinkAttempt,
  requestJobs,
  type LinkAttemptRecord,
} from "@florin/db/accounts";
import type { RequestError } from "@florin/kernel";
import { formatId, idempotencyKeyReused, temporarilyUnavailable, type Instant, type Uuid } from "@florin/kernel";
import { PlaidCallError, type ExchangedItem, type LinkedInSession, type SealedSecret } from "@florin/plaid";
import { FaultInjected, faultPoint, retry } from "@florin/resilience";
import { setTimeout as delay } from "node:timers/promises";
import { alreadyLinked, findLinked, SameLoginFound } from "./already-linked.js";
import { likenessesOf } from "./duplicate-policy.js";
import { badInput, digestOf, laterBy, ownerOf, toLinkError, type LinkParts } from "./link-parts.js";
import { linkedItemUpdated } from "./linked-events.js";

/**
 * A public token becomes an item (linked-accounts.md §1.8, §1.9). Phases, each of which may be the last:
 *
 *   judge    same login as one that is linked?           → DUPLICATE, nothing exchanged
 *   claim    attempt EXCHANGING, its token's digest      (commit)
 *   exchange Plaid: once; a second time where the answer was lost. A token is good for one item, so "used" as the second answer says
 *            that the first went through and its access token is with nobody → LOST
 *   store    item, token, jobs, event, attempt LINKED    (one transaction, tried again; at last the item is removed at Plaid)
 *
 * The same token may come from the application, from a webhook and from a poll at once: whoever claims the attempt does the work, the
 * others read what became of it. Whoever died after the claim is taken over when its time is up.
 */
export interface LinkedOutcome {
  readonly itemId: Uuid;
  readonly rejection: { readonly code: string; readonly message: string } | undefined;
  readonly isReplay: boolean;
}

/** The idempotency key of the person's own request; undefined: a webhook or a poll. */
export interface ExchangeKey {
  readonly principal: string;
  readonly idempotencyKey: string;
}

export interface ExchangeWork {
  readonly attempt: LinkAttemptRecord;
  readonly publicToken: string;
  /** What the session says was chosen: untrusted, good for finding the same login. undefined: no session shows it. */
  readonly chosen: Pick<LinkedInSession, "institution" | "accounts"> | undefined;
  readonly key: ExchangeKey | undefined;
  readonly correlationId: string;
  /** Of the event of a new item, where somebody waits for its position. */
  readonly eventId?: Uuid | undefined;
  readonly timeLeftMs: () => number;
}

const EXCHANGE_MS = 30_000;
/** Longer than two calls and the store can take. */
const CLAIM_MS = 120_000;
const LOOK_AGAIN_MS = 100;
const LOOK_MS = 5_000;
const STORE = { attempts: 6, baseMs: 100, maxMs: 2_000 } as const;
const allJobs = ["ITEM", "ACCOUNTS", "TRANSACTIONS", "LIABILITIES", "HOLDINGS", "INVESTMENT_TRANSACTIONS"] as const;

export async function exchange(parts: LinkParts, work: ExchangeWork): Promise<LinkedOutcome> {
  const digest = digestOf(work.publicToken);
  for (;;) {
    const claim = await claimAttempt(parts, work, digest);
    if (claim.isMine) return run(parts, { ...work, attempt: claim.attempt }, claim.wasTried);
    if (claim.attempt.status !== "EXCHANGING") return outcomeOf(claim.attempt);
    if (work.timeLeftMs() < LOOK_AGAIN_MS) throw temporarilyUnavailable(LOOK_AGAIN_MS);
    await delay(LOOK_AGAIN_MS);
  }
}

/** What became of a finished attempt. */
export function outcomeOf(attempt: LinkAttemptRecord): LinkedOutcome {
  const itemId = attempt.status === "REPAIRED" ? attempt.itemId : attempt.resultItemId;
  if (itemId !== null)
    return { itemId, rejection: attempt.status === "DUPLICATE" ? alreadyLinked : undefined, isReplay: true };
  throw attempt.status === "LOST" ? answerLost() : tokenRefused();
}

/** The key's own attempt, where the key was used before. Throws when it stood for something else. */
export async function findKeyedAttempt(
  parts: LinkParts,
  key: ExchangeKey,
  publicToken: string,
): Promise<LinkAttemptRecord | undefined> {
  const { sql } = parts.database;
  const kept = await findIdempotencyKey(sql, key.principal, key.idempotencyKey);
  if (kept === undefined) return undefined;
  if (kept.operation !== "exchangePublicToken" || kept.fingerprint !== fingerprintOfToken(publicToken))
    throw idempotencyKeyReused();
  return findLinkAttempt(sql, kept.entityId);
}

export function tokenRefused(): RequestError {
  return badInput(
    "input.publicToken",
    "PUBLIC_TOKEN_INVALID",
    "Not a public token of a visit to Link that you began, or it was used or has expired. Begin again with createLinkToken.",
  );
}

function answerLost(): RequestError {
  return badInput(
    "input.publicToken",
    "LINK_ANSWER_LOST",
    "The link was made, but its answer was lost and it cannot be used. Link again with createLinkToken; nothing has to be removed.",
  );
}

function fingerprintOfToken(publicToken: string): string {
  return fingerprintOf({ publicTokenDigest: Buffer.from(digestOf(publicToken)).toString("hex") });
}

interface Claim {
  readonly attempt: LinkAttemptRecord;
  readonly isMine: boolean;
  /** Somebody may have exchanged the token before. */
  readonly wasTried: boolean;
}

async function claimAttempt(parts: LinkParts, work: ExchangeWork, digest: Uint8Array): Promise<Claim> {
  return parts.transact(async (tx) => {
    const now = parts.clock.now();
    const attempt = await lockAttemptFor(parts, tx, work.attempt.attemptId, digest, now);
    await claimKey(tx, work, attempt.attemptId, now);
    const wasTried = attempt.status === "EXCHANGING";
    const isFree = attempt.status === "OPEN" || (wasTried && (attempt.claimedUntil ?? 0n) <= now);
    if (!isFree) return { attempt, isMine: false, wasTried };
    const same = wasTried ? undefined : await findLinked(tx, attempt.userId, work.chosen);
    if (same !== undefined) {
      const change = { status: "DUPLICATE", publicTokenDigest: digest, resultItemId: same, finishedAt: now } as const;
      await changeLinkAttempt(tx, attempt.attemptId, change);
      return { attempt: { ...attempt, ...change }, isMine: false, wasTried };
    }
    const claimedUntil = laterBy(now, CLAIM_MS);
    const change = { status: "EXCHANGING", publicTokenDigest: digest, claimedUntil } as const;
    await changeLinkAttempt(tx, attempt.attemptId, { ...change, nextPollAt: claimedUntil });
    return { attempt: { ...attempt, ...change }, isMine: true, wasTried };
  });
}

/** The attempt that this token belongs to: the session's own, or one beside it for a session's second item. */
async function lockAttemptFor(
  parts: LinkParts,
  tx: Transaction,
  attemptId: Uuid,
  digest: Uint8Array,
  now: Instant,
): Promise<LinkAttemptRecord> {
  const own = await lockLinkAttempt(tx, attemptId);
  const bound = await findAttemptByPublicToken(tx, digest);
  if (own === undefined || (bound !== undefined && bound.userId !== own.userId)) throw tokenRefused();
  if (bound !== undefined) return (await lockLinkAttempt(tx, bound.attemptId)) ?? bound;
  if (own.publicTokenDigest === null) return own;
  const sibling = parts.ids.next();
  await insertSiblingAttempt(tx, { attemptId: sibling, of: attemptId, publicTokenDigest: digest, createdAt: now });
  const made = await lockLinkAttempt(tx, sibling);
  if (made === undefined) throw temporarilyUnavailable(LOOK_AGAIN_MS);
  return made;
}

async function claimKey(tx: Transaction, { key, publicToken }: ExchangeWork, attemptId: Uuid, now: Instant) {
  if (key === undefined) return;
  const fingerprint = fingerprintOfToken(publicToken);
  const kept = await claimIdempotencyKey(tx, {
    principal: key.principal,
    key: key.idempotencyKey,
    operation: "exchangePublicToken",
    fingerprint,
    entityId: attemptId,
    createdAt: now,
  });
  if (kept !== undefined && (kept.operation !== "exchangePublicToken" || kept.fingerprint !== fingerprint))
    throw idempotencyKeyReused();
}

async function run(parts: LinkParts, work: ExchangeWork, wasTried: boolean): Promise<LinkedOutcome> {
  faultPoint("accounts.link.before-exchange");
  const exchanged = await askPlaid(parts, work, wasTried);
  faultPoint("accounts.link.after-exchange");
  const itemId = parts.ids.next();
  const sealed = await parts.vault.sealToken(exchanged.accessToken, ownerOf(work.attempt.userId, itemId));
  const institution = work.chosen?.institution ?? (await readInstitution(parts, itemId, exchanged));
  try {
    const stored = await retry(() => store(parts, work, { itemId, exchanged, sealed, institution }), {
      ...STORE,
      random: parts.random,
      shouldRetry: (error) =>
        !(error instanceof FaultInjected || error instanceof SameLoginFound || error instanceof VisitEnded),
    });
    parts.wakeRelay();
    return stored;
  } catch (error) {
    if (error instanceof FaultInjected) throw error;
    return await undo(parts, work, { itemId, exchanged }, error);
  }
}

async function askPlaid(parts: LinkParts, work: ExchangeWork, wasTried: boolean): Promise<ExchangedItem> {
  let isUnknown = wasTried;
  for (let call = 1; ; call++) {
    try {
      return await parts.plaid.exchangePublicToken(work.publicToken, { deadlineMs: EXCHANGE_MS });
    } catch (error) {
      if (!(error instanceof PlaidCallError)) throw error;
      if (error.isOutcomeUnknown && call === 1) isUnknown = true;
      else throw await giveUp(parts, work.attempt, error, isUnknown || error.isOutcomeUnknown);
    }
  }
}

/** What the attempt becomes when there is no token; the error for the person. */
async function giveUp(
  parts: LinkParts,
  attempt: LinkAttemptRecord,
  error: PlaidCallError,
  isUnknown: boolean,
): Promise<unknown> {
  const isUsed = error.class === "REFUSED_INPUT";
  const now = parts.clock.now();
  await parts.transact(async (tx) => {
    const present = await lockLinkAttempt(tx, attempt.attemptId);
    if (present?.status !== "EXCHANGING") return;
    const errorCode = error.errorCode;
    if (isUnknown && isUsed)
      return changeLinkAttempt(tx, attempt.attemptId, { status: "LOST", errorCode, finishedAt: now });
    // Still nobody knows: the next one asks again and learns it.
    if (isUnknown)
      return changeLinkAttempt(tx, attempt.attemptId, {
        status: "EXCHANGING",
        errorCode,
        claimedUntil: now,
        nextPollAt: now,
      });
    // Nothing has happened; the visit itself goes on.
    const open = {
      status: "OPEN",
      publicTokenDigest: null,
      claimedUntil: null,
      nextPollAt: laterBy(now, CLAIM_MS),
    } as const;
    return changeLinkAttempt(tx, attempt.attemptId, { ...open, errorCode });
  });
  if (isUnknown && isUsed) {
    parts.logger.error(
      { attemptId: attempt.attemptId, requestId: error.requestId },
      "An item was made at Plaid and its token is lost; a webhook of an unknown item will name it. Plaid's support can remove it.",
    );
    return answerLost();
  }
  return isUsed ? tokenRefused() : toLinkError(error);
}

/** Where no session says it. The sync reads it again in any case: what a browser says is not to be believed. */
async function readInstitution(
  parts: LinkParts,
  itemId: Uuid,
  { accessToken }: ExchangedItem,
): Promise<LinkedInSession["institution"]> {
  const state = await parts.plaid.getItem({ accessToken, itemKey: itemId, deadlineMs: LOOK_MS }).catch(() => undefined);
  return state === undefined ? undefined : { institutionId: state.institutionId, name: state.institutionName };
}

/** Everything linked was removed meanwhile, or somebody took the visit over: what they made of it stands. */
class VisitEnded extends Error {
  override readonly name = "VisitEnded";
  override readonly message = "a visit to Link was ended while its token was exchanged";
}

interface NewItem {
  readonly itemId: Uuid;
  readonly exchanged: ExchangedItem;
}

interface StorableItem extends NewItem {
  readonly sealed: SealedSecret;
  readonly institution: LinkedInSession["institution"];
}

async function store(
  parts: LinkParts,
  work: ExchangeWork,
  { itemId, exchanged, sealed, institution }: StorableItem,
): Promise<LinkedOutcome> {
  const { attemptId, userId } = work.attempt;
  faultPoint("accounts.link.before-store");
  await parts.database.transaction(async (tx) => {
    const now = parts.clock.now();
    const attempt = await lockLinkAttempt(tx, attemptId);
    if (attempt?.resultItemId === itemId) return; // a COMMIT of this very call whose answer was lost
    if (attempt?.status !== "EXCHANGING") throw new VisitEnded();
    const same = await findLinked(tx, userId, work.chosen);
    if (same !== undefined) throw new SameLoginFound(same);
    await insertLinkedItem(tx, {
      itemId,
      userId,
      plaidItemId: exchanged.plaidItemId,
      plaidItemDigest: digestOf(exchanged.plaidItemId),
      environment: parts.plaid.environment,
      institutionId: institution?.institutionId,
      institutionName: institution?.name,
      chosenAccounts: likenessesOf(work.chosen?.accounts ?? []),
      createdAt: now,
    });
    await insertToken(tx, itemId, sealed, now);
    await changeLinkAttempt(tx, attemptId, { status: "LINKED", resultItemId: itemId, finishedAt: now });
    await requestJobs(tx, itemId, allJobs, { at: now, correlationId: work.correlationId });
    await lookAtNeighbours(tx, userId, institution?.institutionId, itemId, work.correlationId, now);
    const standing = { itemId, userId, status: "HEALTHY", reason: undefined };
    const event = linkedItemUpdated(parts, standing, work.correlationId);
    await appendOutbox(tx, "accounts", [{ ...event, eventId: work.eventId ?? event.eventId }]);
  });
  faultPoint("accounts.link.after-store");
  return { itemId, rejection: undefined, isReplay: false };
}

/** At some institutions a second item makes the first one void (§1.8): whether it did, its own state tells. */
async function lookAtNeighbours(
  tx: Transaction,
  userId: Uuid,
  institutionId: string | undefined,
  itemId: Uuid,
  correlationId: string,
  now: Instant,
): Promise<void> {
  if (institutionId === undefined) return;
  for (const neighbour of await listItemLikenesses(tx, userId, institutionId))
    if (neighbour.itemId !== itemId) await requestJobs(tx, neighbour.itemId, ["ITEM"], { at: now, correlationId });
}

/** The last resort: an item that could not be kept is removed at Plaid with the token in memory, so that nothing is billed (§1.9). */
async function undo(parts: LinkParts, work: ExchangeWork, made: NewItem, cause: unknown): Promise<LinkedOutcome> {
  const same = cause instanceof SameLoginFound ? cause.itemId : undefined;
  const { attemptId } = work.attempt;
  const isRemoved = await parts.plaid
    .removeItem({ accessToken: made.exchanged.accessToken, itemKey: made.itemId })
    .then(() => true)
    .catch(() => false);
  const text = isRemoved ? "and was removed there" : "and could not be removed there; ask Plaid's support to remove it";
  parts.logger.error(
    { err: cause, attemptId, plaidItemId: made.exchanged.plaidItemId },
    `An item that was made at Plaid was not stored ${text}.`,
  );
  const now = parts.clock.now();
  await parts.transact(async (tx) => {
    const present = await lockLinkAttempt(tx, attemptId);
    if (present?.status !== "EXCHANGING") return;
    const end =
      same === undefined
        ? ({ status: "FAILED", errorCode: "NOT_STORED" } as const)
        : ({ status: "DUPLICATE", resultItemId: same } as const);
    await changeLinkAttempt(tx, attemptId, { ...end, finishedAt: now });
  });
  if (same !== undefined) return { itemId: same, rejection: alreadyLinked, isReplay: false };
  throw badInput(
    "input.publicToken",
    "LINK_NOT_STORED",
    "The link could not be stored and was undone. Link again with createLinkToken.",
  );
}

/** Who asks, as a principal. */
export function principalOf(userId: Uuid): string {
  return formatId("user", userId);
}
