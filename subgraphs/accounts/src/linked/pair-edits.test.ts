import { describe, expect, test } from "@jest/globals";
import type { EditHolder } from "@florin/db/accounts";
import { asUuid, type Uuid } from "@florin/kernel";
import fc from "fast-check";
import { pairEdits } from "./pair-edits.js";

const uuid = (n: number): Uuid => asUuid(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`);

function holder(n: number, about: Partial<EditHolder> = {}): EditHolder {
  return {
    linkedTransactionId: uuid(n),
    linkedAccountId: uuid(900),
    amount: "12.5",
    isoCode: "USD",
    unofficialCode: null,
    date: "2026-11-01",
    name: "Corner shop",
    merchantName: null,
    ...about,
  };
}

describe("whose edits a posted transaction gets when nobody says", () => {
  test("those of its one likeness", () => {
    const heir = holder(2, { name: "CORNER SHOP 0912 AMS", date: "2026-11-04" });
    expect(pairEdits([holder(1)], [heir])).toEqual([{ from: uuid(1), to: uuid(2) }]);
  });

  test.each<[string, Partial<EditHolder>]>([
    ["another account", { linkedAccountId: uuid(901) }],
    ["another amount", { amount: "12.51" }],
    ["another currency", { isoCode: "EUR" }],
    ["another time", { date: "2026-11-09" }],
    ["another name", { name: "Petrol" }],
  ])("none with %s", (_, about) => {
    expect(pairEdits([holder(1)], [holder(2, about)])).toEqual([]);
  });

  test("none when two could be meant, on either side", () => {
    expect(pairEdits([holder(1)], [holder(2), holder(3)])).toEqual([]);
    expect(pairEdits([holder(1), holder(2)], [holder(3)])).toEqual([]);
  });

  test("nobody gives twice and nobody gets twice", () => {
    const some = fc.array(
      fc.record({ amount: fc.constantFrom("1", "2"), name: fc.constantFrom("Corner", "Corner shop") }),
    );
    fc.assert(
      fc.property(some, some, (orphans, posted) => {
        const pairs = pairEdits(
          orphans.map((one, at) => holder(at, one)),
          posted.map((one, at) => holder(at + 500, one)),
        );
        expect(new Set(pairs.map(({ from }) => from)).size).toBe(pairs.length);
        expect(new Set(pairs.map(({ to }) => to)).size).toBe(pairs.length);
      }),
    );
  });
});
