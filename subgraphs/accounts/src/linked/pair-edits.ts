import type { EditHolder } from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";

export interface EditPair {
  readonly from: Uuid;
  readonly to: Uuid;
}

/** Days between a pending transaction and its posted one, at most. */
const NEAR_DAYS = 7;
const MS_PER_DAY = 86_400_000;
/** Shorter names say too little. */
const MIN_COMMON = 4;

/**
 * Where the institution does not say which pending transaction a posted one replaces (linked-accounts.md §1.3 rule 6): same account,
 * same amount and currency, near in time, alike in name. Only where each is the other's one candidate: a note on the wrong
 * transaction is worse than a lost one.
 */
export function pairEdits(orphans: readonly EditHolder[], posted: readonly EditHolder[]): readonly EditPair[] {
  const isCandidate = (orphan: EditHolder, heir: EditHolder): boolean =>
    orphan.linkedAccountId === heir.linkedAccountId &&
    orphan.amount === heir.amount &&
    orphan.isoCode === heir.isoCode &&
    orphan.unofficialCode === heir.unofficialCode &&
    areNear(orphan.date, heir.date) &&
    areAlike(orphan, heir);
  const pairs: EditPair[] = [];
  for (const orphan of orphans) {
    const [heir, ...others] = posted.filter((one) => isCandidate(orphan, one));
    if (heir === undefined || others.length > 0) continue;
    if (orphans.some((other) => other !== orphan && isCandidate(other, heir))) continue;
    pairs.push({ from: orphan.linkedTransactionId, to: heir.linkedTransactionId });
  }
  return pairs;
}

function areNear(one: string, other: string): boolean {
  return Math.abs(Date.parse(one) - Date.parse(other)) <= NEAR_DAYS * MS_PER_DAY;
}

function areAlike(one: EditHolder, other: EditHolder): boolean {
  if (one.merchantName !== null && one.merchantName === other.merchantName) return true;
  const [a, b] = [plain(one.name), plain(other.name)];
  if (a === b) return a !== "";
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= MIN_COMMON && long.includes(short);
}

/** Letters alone: card numbers, dates and places of a posted one are added later. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}]+/gu, "");
}
