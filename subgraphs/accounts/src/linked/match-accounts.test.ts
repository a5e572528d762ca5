import { describe, expect, test } from "@jest/globals";
import type { RosterEntry } from "@florin/db/accounts";
import type { AccountData } from "@florin/linked-data";
import { asUuid, instantFromMicros, type Uuid } from "@florin/kernel";
import fc from "fast-check";
import { matchRoster } from "./match-accounts.js";

const uuid = (n: number): Uuid => asUuid(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`);

function entry(n: number, about: Partial<RosterEntry> = {}): RosterEntry {
  return {
    linkedAccountId: uuid(n),
    plaidAccountId: `plaid-${n}`,
    persistentAccountId: null,
    name: `Account ${n}`,
    mask: "0000",
    type: "depository",
    subtype: "checking",
    removedAt: null,
    revokedAt: null,
    ...about,
  };
}

function data(accountId: string, about: Partial<AccountData> = {}): AccountData {
  return {
    accountId,
    persistentAccountId: null,
    name: accountId,
    officialName: null,
    mask: "0000",
    type: "depository",
    subtype: "checking",
    holderCategory: null,
    apy: null,
    balance: {
      available: null,
      current: null,
      limit: null,
      currency: { isoCode: "USD", unofficialCode: null },
      lastUpdatedAt: null,
    },
    ...about,
  };
}

const idsOf = (match: ReturnType<typeof matchRoster>) => match.accounts.map(({ linkedAccountId }) => linkedAccountId);

describe("which account is which", () => {
  test("Plaid's id decides, whatever the name has become; one that was removed is back", () => {
    const match = matchRoster([entry(1, { removedAt: instantFromMicros(1n) })], [data("plaid-1", { name: "Renamed" })]);
    expect(idsOf(match)).toEqual([uuid(1)]);
    expect(match.vanished).toEqual([]);
  });

  test("then the persistent id, then a likeness that is one's alone", () => {
    const known = [entry(1, { persistentAccountId: "p" }), entry(2, { name: "Savings" })];
    const match = matchRoster(known, [data("new-a", { persistentAccountId: "p" }), data("new-b", { name: "Savings" })]);
    expect(idsOf(match)).toEqual([uuid(1), uuid(2)]);
  });

  test("two of one likeness are two accounts, on either side", () => {
    const twins = [entry(1, { name: "Twin" }), entry(2, { name: "Twin" })];
    expect(idsOf(matchRoster(twins, [data("new", { name: "Twin" })]))).toEqual([undefined]);
    const match = matchRoster([entry(1, { name: "Twin" })], [data("a", { name: "Twin" }), data("b", { name: "Twin" })]);
    expect(idsOf(match)).toEqual([undefined, undefined]);
    expect(match.vanished).toEqual([uuid(1)]);
  });

  test("an account that is still there under its id lends its likeness to nobody", () => {
    const match = matchRoster(
      [entry(1, { name: "One" })],
      [data("plaid-1", { name: "One" }), data("new", { name: "One" })],
    );
    expect(idsOf(match)).toEqual([uuid(1), undefined]);
  });

  test("what was withdrawn stays away although a cache lists it", () => {
    const withdrawn = entry(1, { removedAt: instantFromMicros(1n), revokedAt: instantFromMicros(1n) });
    expect(matchRoster([withdrawn], [data("plaid-1")])).toEqual({ accounts: [], vanished: [] });
  });

  test("never gives one account to two, and never loses one of the answer", () => {
    const few = fc.integer({ min: 0, max: 5 });
    const known = fc.uniqueArray(fc.record({ id: few, name: few, persistent: few }), { selector: ({ id }) => id });
    fc.assert(
      fc.property(known, known, (here, there) => {
        const roster = here.map(({ id, name, persistent }) =>
          entry(id, { name: `n${name}`, persistentAccountId: persistent > 2 ? `p${persistent}` : null }),
        );
        const answer = there.map(({ id, name, persistent }) =>
          data(`plaid-${id}`, { name: `n${name}`, persistentAccountId: persistent > 2 ? `p${persistent}` : null }),
        );
        const match = matchRoster(roster, answer);
        const given = idsOf(match).filter((id) => id !== undefined);
        expect(new Set(given).size).toBe(given.length);
        expect(match.accounts.length).toBe(answer.length);
        expect(match.vanished.some((id) => given.includes(id))).toBe(false);
        expect(new Set([...given, ...match.vanished]).size).toBe(roster.length);
      }),
    );
  });
});
