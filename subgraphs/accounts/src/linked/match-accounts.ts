import type { RosterEntry } from "@florin/db/accounts";
import type { AccountData } from "@florin/linked-data";
import type { Uuid } from "@florin/kernel";

export interface RosterMatch {
  /** Each account of the answer with our id of it; undefined: never seen. */
  readonly accounts: readonly { readonly data: AccountData; readonly linkedAccountId: Uuid | undefined }[];
  /** Here and not in the answer. */
  readonly vanished: readonly Uuid[];
}

/**
 * Which account is which (linked-accounts.md §1.8): Plaid's account id, then the persistent id, then name, mask, type and subtype where
 * they are one account's alone on both sides. The last two only for accounts that vanished under their old id: an id may change when an
 * account is renamed, but two accounts of one name are two accounts. What was withdrawn at the institution stays away, although a
 * cache may still list it.
 */
export function matchRoster(known: readonly RosterEntry[], answer: readonly AccountData[]): RosterMatch {
  const byId = new Map(known.map((entry) => [entry.plaidAccountId, entry]));
  const listed = new Set(answer.map(({ accountId }) => accountId));
  const isGone = (entry: RosterEntry) =>
    entry.removedAt === null && entry.revokedAt === null && !listed.has(entry.plaidAccountId);
  const free = new Set(known.filter(isGone));
  const matched = new Map<AccountData, Uuid>();
  const unknown: AccountData[] = [];
  const accounts = answer.filter((data) => (byId.get(data.accountId)?.revokedAt ?? null) === null);
  for (const data of accounts) {
    const entry = byId.get(data.accountId);
    if (entry === undefined) unknown.push(data);
    else matched.set(data, entry.linkedAccountId);
  }
  for (const likeness of [persistentLikeness, describedLikeness]) {
    const here = countBy([...free], (entry) => likeness(entry));
    const there = countBy(unknown, (data) => likeness(data));
    for (const data of unknown) {
      const key = likeness(data);
      if (key === undefined || matched.has(data) || there.get(key)?.length !== 1) continue;
      const [entry, ...others] = here.get(key) ?? [];
      if (entry === undefined || others.length > 0 || !free.has(entry)) continue;
      matched.set(data, entry.linkedAccountId);
      free.delete(entry);
    }
  }
  return {
    accounts: accounts.map((data) => ({ data, linkedAccountId: matched.get(data) })),
    vanished: [...free].map(({ linkedAccountId }) => linkedAccountId),
  };
}

type Likeness = Pick<RosterEntry, "persistentAccountId" | "name" | "mask" | "type" | "subtype">;

function persistentLikeness({ persistentAccountId }: Likeness): string | undefined {
  return persistentAccountId ?? undefined;
}

function describedLikeness({ name, mask, type, subtype }: Likeness): string {
  return JSON.stringify([name, mask, type, subtype]);
}

function countBy<T>(all: readonly T[], key: (one: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const name = key(one);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return groups;
}
