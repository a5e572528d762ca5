import { createHash } from "node:crypto";

/**
 * Is what was just linked a login that we have already (linked-accounts.md §1.8)? Asked before the exchange, because an exchanged item is
 * billed. Two logins at one institution are legitimate, so the institution alone says nothing, and neither does one account that both
 * can see: it is the same login only when one side's accounts are all among the other's. Accounts without a mask cannot be told apart
 * and say nothing either.
 */
export interface AccountLikeness {
  readonly name: string | null | undefined;
  readonly mask: string | null | undefined;
  readonly type: string | null | undefined;
  readonly subtype: string | null | undefined;
}

export interface KnownItem<Id> {
  readonly itemId: Id;
  /** Of what was chosen in Link: used until the accounts were read. */
  readonly chosenAccounts: readonly string[];
  readonly accounts: readonly AccountLikeness[];
}

/** undefined: it has nothing to be told by. */
function likenessOf({ name, mask, type, subtype }: AccountLikeness): string | undefined {
  if (isEmpty(name) || isEmpty(mask)) return undefined;
  const text = JSON.stringify([name, mask, type ?? "", subtype ?? ""]);
  return createHash("sha256").update(text, "utf8").digest("hex");
}

export function likenessesOf(accounts: readonly AccountLikeness[]): readonly string[] {
  return [...new Set(accounts.map(likenessOf).filter((likeness) => likeness !== undefined))];
}

/** The first of the person's items at this institution that is the same login; undefined: none is. */
export function findSameLogin<Id>(linked: readonly AccountLikeness[], items: readonly KnownItem<Id>[]): Id | undefined {
  const those = new Set(likenessesOf(linked));
  const same = items.find(({ accounts, chosenAccounts }) =>
    isWithin(those, new Set(accounts.length > 0 ? likenessesOf(accounts) : chosenAccounts)),
  );
  return same?.itemId;
}

/** Either way round; nothing is within nothing. */
function isWithin(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  const [few, many] = one.size <= other.size ? [one, other] : [other, one];
  return few.size > 0 && [...few].every((likeness) => many.has(likeness));
}

function isEmpty(text: string | null | undefined): boolean {
  return text === null || text === undefined || text === "";
}
