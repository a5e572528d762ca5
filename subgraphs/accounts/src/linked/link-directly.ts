import { findLinkAttempt, insertLinkAttempt, changeLinkAttempt, listLinkedItemsOf } from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { exchange } from "./exchange-public-token.js";
import { laterBy, type LinkParts } from "./link-parts.js";

/**
 * Demo data: an item from a public token that somebody made without a page, as `/sandbox/public_token/create` does. It goes the way of every
 * other link, attempt first. Nothing happens when the person has an item already.
 */
export interface DirectLink {
  readonly userId: Uuid;
  /** Asks the simulator, or Plaid's sandbox. */
  readonly obtainPublicToken: () => Promise<string>;
  readonly correlationId: string;
}

const ATTEMPT_MS = 600_000;

export async function linkDirectly(parts: LinkParts, link: DirectLink): Promise<Uuid | undefined> {
  if (parts.plaid.environment === "production") throw new Error("demo links are never made in Plaid's production");
  const { userId, correlationId } = link;
  if ((await listLinkedItemsOf(parts.database.sql, [userId])).length > 0) return undefined;
  const attemptId = parts.ids.next();
  const expiresAt = laterBy(parts.clock.now(), ATTEMPT_MS);
  await parts.transact(async (tx) => {
    if ((await findLinkAttempt(tx, attemptId)) !== undefined) return;
    const createdAt = parts.clock.now();
    await insertLinkAttempt(tx, { attemptId, userId, itemId: undefined, createdAt, claimedUntil: createdAt });
    await changeLinkAttempt(tx, attemptId, { status: "OPEN", expiresAt, claimedUntil: null, nextPollAt: expiresAt });
  });
  const attempt = await findLinkAttempt(parts.database.sql, attemptId);
  if (attempt === undefined) throw new Error("a visit to Link that was written is not there");
  const publicToken = await link.obtainPublicToken();
  const work = { attempt, publicToken, chosen: undefined, key: undefined, correlationId, timeLeftMs: () => ATTEMPT_MS };
  return (await exchange(parts, work)).itemId;
}
