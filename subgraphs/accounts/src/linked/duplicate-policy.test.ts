import fc from "fast-check";
import { findSameLogin, likenessesOf, type AccountLikeness } from "./duplicate-policy.js";

const account = (name: string, mask: string | null, type = "depository", subtype: string | null = "checking") => ({
  name,
  mask,
  type,
  subtype,
});
const item = (itemId: string, accounts: readonly AccountLikeness[], chosenAccounts: readonly string[] = []) => ({
  itemId,
  accounts,
  chosenAccounts,
});
const [everyday, savings, card] = [account("Everyday", "0000"), account("Savings", "1111"), account("Card", "3333")];

describe("the same login", () => {
  test.each<[string, readonly AccountLikeness[], readonly AccountLikeness[], boolean]>([
    ["all its accounts", [everyday, savings], [savings, everyday], true],
    ["fewer of its accounts", [everyday], [everyday, savings], true],
    ["more accounts than were linked", [everyday, savings, card], [everyday, savings], true],
    ["one account of two that others can see too", [everyday, card], [everyday, savings], false],
    ["nothing in common", [card], [everyday, savings], false],
    ["accounts without a mask", [account("Everyday", null)], [account("Everyday", null)], false],
    ["another type under the same digits", [account("Everyday", "0000", "credit")], [everyday], false],
    ["nothing at all", [], [everyday], false],
  ])("with %s", (_what, linked, known, isSame) => {
    expect(findSameLogin(linked, [item("known", known)])).toBe(isSame ? "known" : undefined);
  });

  test("is known by what was chosen until the accounts are read, and by them afterwards", () => {
    const chosen = likenessesOf([everyday]);
    expect(findSameLogin([everyday], [item("new", [], chosen)])).toBe("new");
    expect(findSameLogin([everyday], [item("read", [savings], chosen)])).toBeUndefined();
  });

  test("is found whichever side knows more, and in any order", () => {
    const accounts = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1 });
    const toAccounts = (masks: readonly number[]) => masks.map((mask) => account("A", String(mask)));
    fc.assert(
      fc.property(accounts, accounts, (ours, theirs) => {
        const isSame = ours.every((one) => theirs.includes(one)) || theirs.every((one) => ours.includes(one));
        expect(findSameLogin(toAccounts(ours), [item("x", toAccounts(theirs))]) === "x").toBe(isSame);
      }),
    );
  });
});
