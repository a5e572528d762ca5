import {
  changeLinkAttempt,
  findLinkAttempt,
  insertLinkAttempt,
  listLinkedItemsOf,
  listOpenAttempts,
  lockLinkAttempt,
  lockLinksOf,
  type LinkAttemptRecord,
} from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { exchange } from "./exchange-public-token.js";
import { laterBy, type LinkParts } from "./link-parts.js";

/**
 * Demo data: an item from a public token that somebody made without a page, as `/sandbox/public_token/create` does. It goes the way of every
 * other link, attempt first. Nothing happens when the person has an item already, or when another process is at it.
 */
export interface DirectLink {
  readonly userId: Uuid;
  /** Asks the simulator, or Plaid's sandbox. */
  readonly obtainPublicToken: () => Promise<string>;
  readonly correlationId: string;
}

/** Of a link without a page: a token is asked for and exchanged at once. */
const ATTEMPT_MS = 60_000;

export async function linkDirectly(parts: LinkParts, link: DirectLink): Promise<Uuid | undefined> {
  if (parts.plaid.environment === "production") throw new Error("demo links are never made in Plaid's production");
  const attempt = await begin(parts, link.userId);
  if (attempt === undefined) return undefined;
  const publicToken = await link.obtainPublicToken().catch(async (error: unknown) => {
    await giveUp(parts, attempt.attemptId);
    throw error;
  });
  const { correlationId } = link;
  const work = { attempt, publicToken, chosen: undefined, key: undefined, correlationId, timeLeftMs: () => ATTEMPT_MS };
  return (await exchange(parts, work)).itemId;
}

async function begin(parts: LinkParts, userId: Uuid): Promise<LinkAttemptRecord | undefined> {
  const attemptId = parts.ids.next();
  return parts.transact(async (tx) => {
    const createdAt = parts.clock.now();
    await lockLinksOf(tx, userId);
    const open = await listOpenAttempts(tx, { userId }, createdAt, 1);
    // Our own one: a COMMIT of this very call whose answer was lost.
    if (open[0]?.attemptId === attemptId) return open[0];
    if (open.length > 0 || (await listLinkedItemsOf(tx, [userId])).length > 0) return undefined;
    const expiresAt = laterBy(createdAt, ATTEMPT_MS);
    await insertLinkAttempt(tx, { attemptId, userId, itemId: undefined, createdAt, claimedUntil: createdAt });
    await changeLinkAttempt(tx, attemptId, { status: "OPEN", expiresAt, claimedUntil: null, nextPollAt: expiresAt });
    return findLinkAttempt(tx, attemptId);
  });
}

async function giveUp(parts: LinkParts, attemptId: Uuid): Promise<void> {
  await parts.transact(async (tx) => {
    const present = await lockLinkAttempt(tx, attemptId);
    if (present?.status !== "OPEN") return;
    await changeLinkAttempt(tx, attemptId, { status: "FAILED", finishedAt: parts.clock.now() });
  });
}
