import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { openSnapshotPage, sealSnapshot, type SnapshotPage, type SnapshotRow } from "./snapshot.js";

const key = randomBytes(32);
const about = {
  itemId: "lit_1",
  userId: "usr_1",
  product: "TRANSACTIONS",
  version: "7",
  capturedAt: "2026-11-21T10:00:00Z",
} as const;

const put = (at: number, category = "FOOD_AND_DRINK"): SnapshotRow<"TRANSACTIONS"> => ({
  change: "PUT",
  linkedTransactionId: `ltx_${at}`,
  accountId: "account",
  amount: "12.3456789012345678",
  currency: { isoCode: null, unofficialCode: "BTC" },
  category,
  isPending: false,
  date: "2026-02-28",
});

const open = (page: SnapshotPage, with_: Uint8Array = key) => openSnapshotPage(with_, "TRANSACTIONS", page);

test("any rows come back as they were, in order, in pages that are bounded", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_300 }), fc.constantFrom("SHORT", "L".repeat(2_000)), (count, category) => {
      const rows = Array.from({ length: count }, (_, at) => put(at, category));
      const pages = sealSnapshot(key, about, rows);
      expect(pages.map(({ page, pages: of }) => [page, of])).toEqual(pages.map((_, at) => [at, pages.length]));
      const opened = pages.map((page) => open(page));
      expect(opened.flat()).toEqual(rows);
      for (const some of opened) {
        expect(some.length).toBeLessThanOrEqual(500);
        expect(JSON.stringify(some).length).toBeLessThan(200 * 1024);
      }
    }),
    { numRuns: 25 },
  );
});

test("an empty set is one page: that there is nothing is news too", () => {
  const [page, ...more] = sealSnapshot(key, about, []);
  expect([more, open(page!)]).toEqual([[], []]);
});

test("nothing of a row can be read in a page", () => {
  const [page] = sealSnapshot(key, about, [put(1)]);
  const text = JSON.stringify(page) + Buffer.from(page!.sealed, "base64").toString("latin1");
  for (const word of ["BTC", "FOOD", "12.34", "ltx_1"]) expect(text).not.toContain(word);
});

test("a page opens under its own key and header alone, and with no bit changed", () => {
  const [page] = sealSnapshot(key, about, [put(1)]);
  expect(() => open(page!, randomBytes(32))).toThrow();
  const others: Partial<SnapshotPage>[] = [
    { itemId: "lit_2" },
    { userId: "usr_2" },
    { version: "8" },
    { page: 1 },
    { pages: 2 },
    { capturedAt: "2026-11-21T10:00:01Z" },
    { from: "2026-01-01" },
  ];
  for (const other of others) expect(() => open({ ...page!, ...other })).toThrow();
  expect(() => openSnapshotPage(key, "ACCOUNTS", page!)).toThrow("is not one of ACCOUNTS");
  const sealed = Buffer.from(page!.sealed, "base64");
  fc.assert(
    fc.property(fc.nat(sealed.length * 8 - 1), (bit) => {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => open({ ...page!, sealed: changed.toString("base64") })).toThrow();
    }),
  );
  expect(() => open({ ...page!, sealed: "" })).toThrow("too short");
});

test("a row that is not what its product says is refused when it is opened", () => {
  const rows = [{ ...put(1), date: "yesterday" }];
  expect(() => open(sealSnapshot(key, about, rows)[0]!)).toThrow(/date/);
});
