import { appendOutbox } from "@florin/db";
import {
  changeLinkAttempt,
  deleteOldAttempts,
  findAttemptByLinkToken,
  findAttemptByPublicToken,
  findLinkAttempt,
  listOpenAttempts,
  lockItem,
  lockLinkAttempt,
  requestJobs,
  saveItemStanding,
  takeDueAttempts,
  type LinkAttemptRecord,
} from "@florin/db/accounts";
import { RequestError, type Uuid } from "@florin/kernel";
import { PlaidCallError, type LinkedInSession, type LinkTokenState } from "@florin/plaid";
import { unseal } from "./create-link-token.js";
import {
  exchange,
  findKeyedAttempt,
  outcomeOf,
  principalOf,
  tokenRefused,
  type LinkedOutcome,
} from "./exchange-public-token.js";
import { nextStanding } from "./item-status.js";
import { digestOf, laterBy, toLinkError, type LinkParts } from "./link-parts.js";
import { linkedItemUpdated } from "./linked-events.js";
import { standingOf } from "./standing-of.js";

/**
 * From a session of Link to what becomes of it. Its results reach us three ways, in any order: the application hands over a public
 * token, a webhook of type LINK names the link token, or we look ourselves (webhooks are lost). All three end in `exchange`, which makes
 * one item of one token, or in a repair where the visit was to an existing item: its public token is never exchanged (§1.7).
 */
export interface PublicTokenRequest {
  readonly userId: Uuid;
  readonly publicToken: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
  /** Of the event of a new item, where somebody waits for its position. */
  readonly eventId?: Uuid | undefined;
  readonly timeLeftMs: () => number;
}

const PUBLIC_TOKEN = /^public-[a-z]+-[A-Za-z0-9-]{8,128}$/;
/** A person's own visits that are looked through for a token, and other people's where tokens may come unbound. */
const MAX_OWN_VISITS = 10;
const MAX_FOREIGN_VISITS = 20;
const LOOK_MS = 10_000;
const MIN_POLL_MS = 30_000;
const MAX_POLL_MS = 600_000;
const MAX_DUE = 20;
const KEPT_MS = 35 * 86_400_000;
const MAX_FORGOTTEN = 1_000;
/** Of a public token, from the spec; after it nothing is to be learned by asking again. */
const PUBLIC_TOKEN_LIFE_MS = 30 * 60_000;

export async function exchangePublicToken(parts: LinkParts, request: PublicTokenRequest): Promise<LinkedOutcome> {
  const { userId, publicToken, correlationId, eventId, timeLeftMs } = request;
  if (!PUBLIC_TOKEN.test(publicToken)) throw tokenRefused();
  const key = { principal: principalOf(userId), idempotencyKey: request.idempotencyKey };
  const known =
    (await findKeyedAttempt(parts, key, publicToken)) ??
    (await findAttemptByPublicToken(parts.database.sql, digestOf(publicToken)));
  if (known !== undefined && known.userId !== userId) throw tokenRefused();
  if (known?.status === "REPAIRED") return outcomeOf(known);
  const found = await findVisit(parts, userId, publicToken, known);
  if (found.attempt.itemId !== null) return finishRepair(parts, found.attempt, publicToken, correlationId);
  return exchange(parts, { ...found, publicToken, key, correlationId, eventId, timeLeftMs });
}

interface Visit {
  readonly attempt: LinkAttemptRecord;
  readonly chosen: LinkedInSession | undefined;
}

/** The person's own visit that this token comes from. */
async function findVisit(
  parts: LinkParts,
  userId: Uuid,
  publicToken: string,
  known: LinkAttemptRecord | undefined,
): Promise<Visit> {
  if (known !== undefined && known.status !== "OPEN" && known.status !== "EXCHANGING")
    return { attempt: known, chosen: undefined };
  const now = parts.clock.now();
  const own = await listOpenAttempts(parts.database.sql, { userId }, now, MAX_OWN_VISITS);
  const candidates = known === undefined ? own : [known];
  for (const attempt of candidates) {
    const chosen = await findInSessions(parts, attempt, publicToken);
    if (chosen !== undefined) return { attempt, chosen };
  }
  if (known?.status === "EXCHANGING") return { attempt: known, chosen: undefined };
  const attempt = candidates.find(({ itemId }) => itemId === null);
  if (!parts.acceptsUnboundTokens || attempt === undefined) throw tokenRefused();
  if (await isSomebodyElses(parts, userId, publicToken)) throw tokenRefused();
  return { attempt, chosen: undefined };
}

async function isSomebodyElses(parts: LinkParts, userId: Uuid, publicToken: string): Promise<boolean> {
  const now = parts.clock.now();
  const theirs = await listOpenAttempts(parts.database.sql, { exceptUserId: userId }, now, MAX_FOREIGN_VISITS);
  for (const attempt of theirs) if ((await findInSessions(parts, attempt, publicToken)) !== undefined) return true;
  return false;
}

async function findInSessions(
  parts: LinkParts,
  attempt: LinkAttemptRecord,
  publicToken: string,
): Promise<LinkedInSession | undefined> {
  const state = await readSessions(parts, attempt).catch((error: unknown) => {
    throw toLinkError(error);
  });
  return state?.sessions.flatMap(({ added }) => added).find((one) => one.publicToken === publicToken);
}

/** undefined: there is no page to ask about (any more). */
async function readSessions(parts: LinkParts, attempt: LinkAttemptRecord): Promise<LinkTokenState | undefined> {
  const page = await unseal(parts, attempt);
  if (page === undefined) return undefined;
  try {
    return await parts.plaid.getLinkToken(page.linkToken, { deadlineMs: LOOK_MS });
  } catch (error) {
    if (error instanceof PlaidCallError && error.class === "REFUSED_INPUT") return undefined;
    throw error;
  }
}

/** By a webhook of type LINK, or by a poll. Resolves when there is nothing (more) to do now; rejects when it is to be tried again. */
export async function finishLinkSession(
  parts: LinkParts,
  about: { readonly attemptId: Uuid } | { readonly linkTokenDigest: Uint8Array },
  correlationId: string,
): Promise<void> {
  const { sql } = parts.database;
  const attempt =
    "attemptId" in about
      ? await findLinkAttempt(sql, about.attemptId)
      : await findAttemptByLinkToken(sql, about.linkTokenDigest);
  if (attempt === undefined || !isUnfinished(attempt)) return;
  const state = await readSessions(parts, attempt);
  for (const chosen of state?.sessions.flatMap(({ added }) => added) ?? [])
    if (attempt.itemId === null) await exchangeFound(parts, attempt, chosen, correlationId);
  const present = await findLinkAttempt(sql, attempt.attemptId);
  if (present === undefined || !isUnfinished(present)) return;
  const repair = present.itemId === null ? undefined : state?.sessions.find(isRepair);
  if (repair !== undefined)
    return void (await finishRepair(parts, present, repair.added[0]?.publicToken, correlationId));
  await planNext(parts, present, state);
}

/** Of update mode: it ended, and not by walking out. */
function isRepair(session: LinkTokenState["sessions"][number]): boolean {
  return session.finishedAt !== undefined && session.exit === undefined;
}

function isUnfinished({ status }: LinkAttemptRecord): boolean {
  return status === "CREATING" || status === "OPEN" || status === "EXCHANGING";
}

async function exchangeFound(
  parts: LinkParts,
  attempt: LinkAttemptRecord,
  chosen: LinkedInSession,
  correlationId: string,
): Promise<void> {
  const { publicToken } = chosen;
  const work = { attempt, publicToken, chosen, key: undefined, correlationId, timeLeftMs: () => 0 };
  try {
    await exchange(parts, work);
  } catch (error) {
    // Refused for good, and written down as such; what may get better is tried again by whoever called.
    if (!(error instanceof RequestError && error.code === "BAD_USER_INPUT")) throw error;
  }
}

/** Nothing came of it yet: when to look again, or that there is no more to wait for. */
async function planNext(
  parts: LinkParts,
  attempt: LinkAttemptRecord,
  state: LinkTokenState | undefined,
): Promise<void> {
  await parts.transact(async (tx) => {
    const present = await lockLinkAttempt(tx, attempt.attemptId);
    const now = parts.clock.now();
    if (present === undefined || !isUnfinished(present)) return;
    const ageMs = Number((now - present.createdAt) / 1_000n);
    const isPastHope = now > laterBy(present.expiresAt ?? present.createdAt, PUBLIC_TOKEN_LIFE_MS);
    const exit = state?.sessions.map((session) => session.exit).find((one) => one !== undefined);
    if (!isPastHope) {
      const wait = Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, ageMs / 4));
      const nextPollAt = laterBy(now, wait);
      return changeLinkAttempt(tx, attempt.attemptId, { status: present.status, nextPollAt });
    }
    if (present.status === "EXCHANGING")
      return changeLinkAttempt(tx, attempt.attemptId, { status: "LOST", finishedAt: now });
    if (present.status === "CREATING")
      return changeLinkAttempt(tx, attempt.attemptId, { status: "FAILED", finishedAt: now });
    const end = exit === undefined ? ({ status: "EXPIRED" } as const) : ({ status: "EXITED" } as const);
    const errorCode = exit?.error?.errorCode ?? exit?.status;
    return changeLinkAttempt(tx, attempt.attemptId, { ...end, errorCode, finishedAt: now });
  });
}

/** The login works again: accounts may have come and gone, so everything is read anew (§1.7). */
async function finishRepair(
  parts: LinkParts,
  attempt: LinkAttemptRecord,
  publicToken: string | undefined,
  correlationId: string,
): Promise<LinkedOutcome> {
  const itemId = attempt.itemId;
  if (itemId === null) throw new Error("only a visit to an item can repair it");
  await parts.transact(async (tx) => {
    const now = parts.clock.now();
    const item = await lockItem(tx, itemId);
    const present = await lockLinkAttempt(tx, attempt.attemptId);
    if (item === undefined || present === undefined || !isUnfinished(present)) return;
    // Never exchanged, but whoever hands it over hears what came of the visit.
    const publicTokenDigest = publicToken === undefined ? undefined : digestOf(publicToken);
    await changeLinkAttempt(tx, attempt.attemptId, { status: "REPAIRED", publicTokenDigest, finishedAt: now });
    if (item.removedAt !== null) return;
    const standing = nextStanding(standingOf(item), { kind: "REPAIRED" });
    await saveItemStanding(tx, itemId, standing, now);
    // Also of an item that stood well: accounts may have been added.
    await requestJobs(tx, itemId, repairJobs, { at: now, correlationId, isUrgent: true });
    const event = { itemId, userId: item.userId, status: standing.status, reason: standing.reason };
    await appendOutbox(tx, "accounts", [linkedItemUpdated(parts, event, correlationId)]);
  });
  parts.wakeRelay();
  return { itemId, rejection: undefined, isReplay: false };
}

const repairJobs = ["ITEM", "ACCOUNTS", "TRANSACTIONS", "LIABILITIES", "HOLDINGS", "INVESTMENT_TRANSACTIONS"] as const;

/** Visits whose results nobody brought, and exchanges that somebody died over; old ones are forgotten. How many were looked at. */
export async function finishDueSessions(parts: LinkParts, correlationId: string): Promise<number> {
  const now = parts.clock.now();
  const due = await takeDueAttempts(parts.database.sql, now, laterBy(now, MIN_POLL_MS), MAX_DUE);
  for (const attemptId of due)
    await finishLinkSession(parts, { attemptId }, correlationId).catch((error: unknown) => {
      parts.logger.warn({ err: error, attemptId }, "A visit to Link could not be finished; it is looked at again.");
    });
  // Longer than idempotency keys are kept, which lead here.
  await deleteOldAttempts(parts.database.sql, laterBy(now, -KEPT_MS), MAX_FORGOTTEN);
  return due.length;
}
