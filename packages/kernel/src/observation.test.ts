import fc from "fast-check";
import { at, dollars, id, NOW, USD } from "../test/book-fixture.js";
import { coordinateKey, netOf } from "./balance.js";
import { affectedBusinessDates, closeOf, cutoffOf, parseBusinessDate, type BusinessDate } from "./business-day.js";
import { instantFromMicros, parseInstant, type Instant } from "./instant.js";
import type { Leg } from "./instruction.js";
import type { Amount } from "./money.js";
import {
  compareEntries,
  findIntermediateNegative,
  findWindowsBelow,
  observe,
  observeInterval,
  type BalanceSnapshot,
  type PostingEntry,
} from "./observation.js";

const ACCOUNT = id(1);
const where = { address: "DEFAULT", asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase: "COMMITTED" } as const;
const entry = (seq: number, amount: bigint, valueAt: Instant, knownAt: Instant): PostingEntry => {
  const leg: Leg = {
    ...where,
    accountId: ACCOUNT,
    side: amount < 0n ? "DEBIT" : "CREDIT",
    amount: (amount < 0n ? -amount : amount) as Amount,
  };
  return { leg, batchId: id(seq), valueAt, knownAt, seq: BigInt(seq) };
};
const net = (snapshot: BalanceSnapshot) => {
  const totals = snapshot[coordinateKey(where)];
  return totals === undefined ? 0n : netOf(totals, "LIABILITY");
};
const time = (text: string) => parseInstant(`2026-03-${text}Z`)!;

/** GV-1: cut-off at midnight, second cut-off at one. Day zero is the 9th. */
describe("GV-1: one value date, seen at two knowledge times", () => {
  const day0 = "2026-03-09" as BusinessDate;
  const group = { timeZone: "UTC", cutoff: "00:00:00" };
  const entries = [
    entry(1, dollars("100.00"), time("09T12:00:00"), time("09T12:00:00")),
    entry(2, -dollars("50.00"), time("10T00:15:00"), time("10T00:15:00")),
    entry(3, -dollars("20.00"), time("09T23:59:00"), time("10T00:30:00")),
    entry(4, dollars("1.00"), time("09T23:59:59"), time("10T01:00:00")),
  ];
  const secondCutoff = instantFromMicros(time("10T01:00:00") - 1n); // before the run's own postings

  test.each([
    ["10T00:00:00", "100.00", "100.00", "100.00"],
    ["10T00:15:00", "100.00", "100.00", "50.00"],
    ["10T00:30:00", "80.00", "80.00", "30.00"],
    ["10T01:00:00", "80.00", "81.00", "31.00"],
    ["10T01:05:00", "80.00", "81.00", "31.00"],
  ])("at %s: interest basis %s, closeOf(day 0) %s, live %s", (clock, basis, close, live) => {
    const now = time(clock);
    const closing = closeOf(day0, group);
    const basisKnownAt = now < secondCutoff ? now : secondCutoff;
    expect(net(observe(entries, { valueAt: closing, knownAt: basisKnownAt }))).toBe(dollars(basis));
    expect(net(observe(entries, { valueAt: closing, knownAt: now }))).toBe(dollars(close));
    expect(net(observe(entries, { knownAt: now }))).toBe(dollars(live));
  });

  test("T-5: closeOf is the last microsecond before the next cut-off", () => {
    expect(closeOf(day0, group)).toBe(time("10T00:00:00") - 1n);
    expect(cutoffOf(day0, group)).toBe(time("09T00:00:00"));
  });

  test("T-7: the late card changes the closing of day zero, the cash machine none", () => {
    expect(affectedBusinessDates(time("09T23:59:00"), time("10T00:30:00"), group)).toEqual([day0]);
    expect(affectedBusinessDates(time("10T00:15:00"), time("10T00:15:00"), group)).toEqual([]);
    expect(affectedBusinessDates(time("07T10:00:00"), time("10T00:30:00"), group)).toEqual([
      "2026-03-07",
      "2026-03-08",
      day0,
    ]);
  });
});

describe("observations and intervals", () => {
  const entries = fc
    .array(fc.record({ amount: fc.bigInt({ min: -9n, max: 9n }), value: fc.nat(12), known: fc.nat(12) }), {
      maxLength: 20,
    })
    .map((list) =>
      list
        .filter(({ amount }) => amount !== 0n)
        .map(({ amount, value, known }, place) => entry(place, amount, at(BigInt(value)), at(BigInt(known)))),
    );

  test("T-3: at every point of the grid it is the sum of what had value by then and was known by then", () => {
    fc.assert(
      fc.property(entries, fc.nat(12), fc.nat(12), (list, value, known) => {
        let sum = 0n;
        for (const { leg, valueAt, knownAt } of list)
          if (valueAt <= BigInt(value) && knownAt <= BigInt(known))
            sum += leg.side === "CREDIT" ? leg.amount : -leg.amount;
        const observed = observe(list, { valueAt: at(BigInt(value)), knownAt: at(BigInt(known)) });
        expect(net(observed)).toBe(sum);
      }),
    );
  });

  test("T-4: an opening observation and the changes after it make the closing one, in value time and book order", () => {
    fc.assert(
      fc.property(entries, fc.nat(12), fc.nat(12), fc.nat(12), (list, a, b, known) => {
        const knownAt = at(BigInt(known));
        const [start, end] = [at(BigInt(Math.min(a, b))), at(BigInt(Math.max(a, b)))];
        const interval = observeInterval(list, { start, end, knownAt });
        let running = net(interval.opening);
        let last: PostingEntry | undefined;
        for (const change of interval.changes) {
          expect(change.valueAt > start && change.valueAt <= end).toBe(true);
          if (last !== undefined)
            expect(last.valueAt < change.valueAt || (last.valueAt === change.valueAt && last.seq < change.seq)).toBe(
              true,
            );
          running += change.leg.side === "CREDIT" ? change.leg.amount : -change.leg.amount;
          last = change;
        }
        expect(running).toBe(net(observe(list, { valueAt: end, knownAt })));
      }),
    );
  });

  test("INV-5: at value time +∞ it is the live balance", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const far = at(10n ** 15n);
        expect(observe(list, { valueAt: far, knownAt: NOW })).toEqual(observe(list, { knownAt: NOW }));
      }),
    );
  });
});

describe("BAL-2: below zero in the past", () => {
  const change = (valueAt: bigint, by: bigint) => ({ valueAt: at(valueAt), change: by });

  test.each([
    ["never", [change(1n, 5n), change(2n, -5n)], []],
    ["between two changes", [change(1n, -1n), change(4n, 1n)], [{ from: 1n, to: 4n }]],
    ["changes of one instant count together", [change(1n, -1n), change(1n, 1n)], []],
    ["until now", [change(3n, -1n)], [{ from: 3n }]],
    [
      "twice, in any order of booking",
      [change(4n, 1n), change(1n, -1n), change(2n, 1n), change(3n, -1n)],
      [
        { from: 1n, to: 2n },
        { from: 3n, to: 4n },
      ],
    ],
  ])("%s", (_what, changes, windows) => {
    expect(findWindowsBelow(0n, 0n, changes)).toEqual(windows);
  });

  test("only what the backdated change itself made, and not the present", () => {
    const history = { opening: 10n, changes: [change(1n, -20n), change(2n, 15n), change(5n, 5n), change(9n, -4n)] };
    expect(findIntermediateNegative(0n, history, [change(3n, -6n)])).toEqual([{ from: 3n, to: 5n }]);
    expect(findIntermediateNegative(0n, history, [change(3n, -1n)])).toEqual([]);
    expect(findIntermediateNegative(0n, history, [change(0n, -1n)])).toEqual([]); // the old breach is no new one
    expect(findIntermediateNegative(0n, { opening: 0n, changes: [] }, [change(3n, -6n)])).toEqual([]);
  });
});

test("a business date is a date", () => {
  expect(parseBusinessDate("2026-02-28")).toBe("2026-02-28");
  for (const text of ["2026-02-30", "2026-2-3", "today", "2026-13-01"]) expect(parseBusinessDate(text)).toBeUndefined();
});

test("T-4: of one value time the book's order counts, in whatever order they are found", () => {
  const [a, b, c] = [entry(2, 1n, at(5n), at(9n)), entry(1, 1n, at(5n), at(9n)), entry(3, 1n, at(4n), at(9n))];
  const interval = { start: at(0n), end: at(5n), knownAt: NOW };
  fc.assert(
    fc.property(fc.shuffledSubarray([a, b, c], { minLength: 3 }), (entries) => {
      expect(observeInterval(entries, interval).changes.map(({ seq }) => seq)).toEqual([3n, 1n, 2n]);
    }),
  );
  expect([compareEntries(a, b), compareEntries(b, a), compareEntries(a, a), compareEntries(c, b)]).toEqual([
    1, -1, 0, -1,
  ]);
});

test("BAL-2: windows are the same in whatever order the changes are found", () => {
  const changes = [
    { valueAt: at(1n), change: -3n },
    { valueAt: at(2n), change: 3n },
    { valueAt: at(2n), change: -1n },
    { valueAt: at(4n), change: 1n },
    { valueAt: at(6n), change: -9n },
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(changes, { minLength: changes.length }), (found) => {
      expect(findWindowsBelow(0n, 0n, found)).toEqual([{ from: at(1n), to: at(4n) }, { from: at(6n) }]);
      expect(findWindowsBelow(-1n, 0n, found)).toEqual([{ from: at(1n), to: at(2n) }, { from: at(6n) }]);
    }),
  );
});

test("BAL-2: an instant that was below before is not told again, one before it is", () => {
  const history = {
    opening: 5n,
    changes: [
      { valueAt: at(10n), change: -6n },
      { valueAt: at(20n), change: 6n },
    ],
  };
  const added = (valueAt: bigint, change: bigint) => [{ valueAt: at(valueAt), change }];
  expect(findIntermediateNegative(0n, history, added(12n, -1n))).toEqual([]);
  expect(findIntermediateNegative(0n, history, added(5n, -6n))).toEqual([]); // it reaches to now: the live check judges
  expect(findIntermediateNegative(0n, { ...history, opening: 6n }, [...added(5n, -7n), ...added(30n, 9n)])).toEqual([
    { from: at(5n), to: at(30n) },
  ]);
});

test.each(["x2026-03-09", "2026-03-09x", "2026-3-9", "2026-02-30", ""])("T-5: %j is no business date", (text) => {
  expect(parseBusinessDate(text)).toBeUndefined();
});
