import type { Transaction } from "@florin/db";
import { listItemLikenesses, lockLinksOf } from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import type { LinkedInSession } from "@florin/plaid";
import { findSameLogin } from "./duplicate-policy.js";
import { nextActionOf } from "./item-status.js";

/** The answer to a link of a login that is linked already: a result, nothing was exchanged. */
export const alreadyLinked = {
  code: "ALREADY_LINKED",
  message: "This login is linked already. Repair it with createLinkToken and its itemId to add accounts.",
} as const;

/** Another link of the same login was stored between our look and our own store. */
export class SameLoginFound extends Error {
  override readonly name = "SameLoginFound";
  readonly itemId: Uuid;

  constructor(itemId: Uuid) {
    super("the same login was linked meanwhile");
    this.itemId = itemId;
  }
}

/** The person's item that is the same login as what was chosen. One link of a person at a time asks, until its transaction ends. */
export async function findLinked(
  tx: Transaction,
  userId: Uuid,
  chosen: Pick<LinkedInSession, "institution" | "accounts"> | undefined,
): Promise<Uuid | undefined> {
  const institutionId = chosen?.institution?.institutionId;
  if (institutionId === undefined) return undefined;
  await lockLinksOf(tx, userId);
  const items = await listItemLikenesses(tx, userId, institutionId);
  // Where only a new link helps, a new link is what was asked for: it takes the old one's place (replaced-items.ts).
  const standing = items.filter((item) => nextActionOf({ ...item, hasNewAccounts: false }) !== "LINK_AGAIN");
  return findSameLogin(chosen?.accounts ?? [], standing);
}
