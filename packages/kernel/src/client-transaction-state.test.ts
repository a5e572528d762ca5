import fc from "fast-check";
import {
  ADA,
  adjust,
  at,
  authorise,
  BO,
  CASH,
  codesOf,
  decide,
  deposit,
  dollars,
  expectIn,
  newView,
  NOW,
  release,
  replaceTo,
  settle,
  settleFinally,
  transfer,
  TXN,
  USD,
  withdraw,
} from "../test/book-fixture.js";
import {
  clientTransactionKey,
  NO_CHANGE,
  planCustom,
  planFollowUp,
  planOpener,
  type ClientTransactionState,
} from "./client-transaction.js";
import { planExpiries, viewClientTransaction, type ClientTransactionRecord } from "./client-transaction-view.js";
import type { FollowUpInstruction, Instruction } from "./instruction.js";
import type { BookView } from "./book-view.js";

/** Each state whole, member by member, as it is stored (ledger.md §2.4). */
const key = { clientId: "client", clientTransactionId: TXN };
const stateOf = (view: BookView, name = TXN): ClientTransactionState =>
  view.clientTransactions.get(clientTransactionKey("client", name))!;
const nothing = { adjusted: 0n, overSettled: 0n, released: 0n };
const between = { target: ADA, counterparty: CASH, asset: "COMMERCIAL_BANK_MONEY", denomination: USD };
const parties = { ...between, denomination: USD };

describe("what an opener makes of its client transaction", () => {
  test.each<[string, Instruction, "INBOUND" | "OUTBOUND", typeof ADA]>([
    ["a deposit", deposit("5.00", key), "INBOUND", CASH],
    ["a withdrawal", withdraw("5.00", key), "OUTBOUND", CASH],
    ["a transfer, of its debtor", transfer("5.00", key), "OUTBOUND", BO],
  ])("%s is authorised and settled at once, and closed (PI-1)", (_what, instruction, direction, counterparty) => {
    const view = newView();
    decide(view, [deposit("9.00")]);
    expect(decide(view, [instruction])).toMatchObject({ effects: [{ isConverted: false }] });
    expect(stateOf(view)).toEqual({
      ...key,
      ...nothing,
      ...between,
      counterparty,
      kind: "MOVEMENT",
      direction,
      expiresAt: undefined,
      onExpired: "REJECT",
      allowOverSettlement: true,
      authorised: dollars("5.00"),
      settled: dollars("5.00"),
      outstanding: 0n,
      status: "CLOSED",
      closedBy: "SETTLED",
      isFinal: true,
    });
  });

  test.each<[string, Instruction, "INBOUND" | "OUTBOUND"]>([
    ["out", authorise("5.00", { expiresAfterMicros: 7n }), "OUTBOUND"],
    ["in", expectIn("5.00", { expiresAfterMicros: 7n }), "INBOUND"],
  ])(
    "a hold that goes %s is outstanding, and expires so long after its booking (CT-6)",
    (_what, instruction, direction) => {
      const view = newView();
      decide(view, [deposit("9.00")]);
      decide(view, [instruction], { valueAt: at(1_500n) });
      expect(stateOf(view)).toEqual({
        ...key,
        ...nothing,
        ...between,
        kind: "AUTHORISATION",
        direction,
        expiresAt: NOW + 7n,
        onExpired: "REJECT",
        allowOverSettlement: true,
        authorised: dollars("5.00"),
        settled: 0n,
        outstanding: dollars("5.00"),
        status: "AUTHORISED",
        closedBy: undefined,
        isFinal: false,
      });
    },
  );

  test("a custom instruction opens a group that fixes nothing", () => {
    const opened = planCustom(key, undefined);
    expect(opened).toEqual({
      kind: "stepped",
      change: NO_CHANGE,
      movements: [],
      isConverted: false,
      state: {
        ...key,
        ...NO_CHANGE,
        kind: "CUSTOM",
        status: "OPEN_CUSTOM",
        onExpired: "REJECT",
        allowOverSettlement: true,
        outstanding: 0n,
        isFinal: false,
      },
    });
    if (opened.kind === "refused") throw new Error("refused");
    expect(planCustom(key, opened.state)).toEqual(opened);
  });

  test.each<FollowUpInstruction>([
    { type: "RELEASE", clientTransactionId: TXN, advice: false },
    { type: "SETTLEMENT", clientTransactionId: TXN, advice: false },
  ])("CT-2: no $type follows up a group of custom instructions", (instruction) => {
    const opened = planCustom(key, undefined);
    if (opened.kind === "refused") throw new Error("refused");
    expect(planFollowUp(opened.state, instruction, { bookedAt: NOW, isExpiry: false })).toMatchObject({
      refusals: [{ code: "CLIENT_TRANSACTION_MISMATCH" }],
    });
  });
});

describe("what a follow-up makes of it", () => {
  const hold = { ...authorise("100.00"), expiresAfterMicros: 10n } as const;
  const opened = () => planOpener(key, hold, parties, NOW);
  const follow = (given: Instruction, bookedAt = NOW, isExpiry = false) =>
    planFollowUp(opened().state, given as FollowUpInstruction, { bookedAt, isExpiry });

  test("the opener steps, with the hold's legs", () => {
    expect(opened()).toMatchObject({ kind: "stepped", isConverted: false });
    expect(opened().movements).toEqual([{ phase: "PENDING_OUT", side: "DEBIT", amount: dollars("100.00") }]);
  });

  test.each<[string, Instruction, object, readonly (readonly [string, string, string])[]]>([
    ["adjusted up", adjust("20.00"), { adjusted: dollars("20.00") }, [["PENDING_OUT", "DEBIT", "20.00"]]],
    ["adjusted down", adjust("-20.00"), { adjusted: dollars("-20.00") }, [["PENDING_OUT", "CREDIT", "20.00"]]],
    ["replaced", replaceTo("130.00"), { adjusted: dollars("30.00") }, [["PENDING_OUT", "DEBIT", "30.00"]]],
    [
      "settled in part",
      settle("30.00"),
      { settled: dollars("30.00") },
      [
        ["PENDING_OUT", "CREDIT", "30.00"],
        ["COMMITTED", "DEBIT", "30.00"],
      ],
    ],
    [
      "settled for good",
      settleFinally("30.00"),
      { settled: dollars("30.00"), released: dollars("70.00"), closedBy: "SETTLED" },
      [
        ["PENDING_OUT", "CREDIT", "30.00"],
        ["COMMITTED", "DEBIT", "30.00"],
        ["PENDING_OUT", "CREDIT", "70.00"],
      ],
    ],
    [
      "settled above",
      settle("130.00"),
      { settled: dollars("130.00"), overSettled: dollars("30.00") },
      [
        ["PENDING_OUT", "CREDIT", "100.00"],
        ["COMMITTED", "DEBIT", "130.00"],
      ],
    ],
    [
      "settled whole",
      settle(),
      { settled: dollars("100.00"), closedBy: "SETTLED" },
      [
        ["PENDING_OUT", "CREDIT", "100.00"],
        ["COMMITTED", "DEBIT", "100.00"],
      ],
    ],
    [
      "released",
      release(),
      { released: dollars("100.00"), closedBy: "RELEASED" },
      [["PENDING_OUT", "CREDIT", "100.00"]],
    ],
  ])("%s (§2.3)", (_what, instruction, change, movements) => {
    const step = follow(instruction);
    if (step.kind !== "stepped") throw new Error(step.refusals[0]!.code);
    expect(step.isConverted).toBe(false);
    expect(step.change).toEqual({ ...NO_CHANGE, ...change });
    expect(step.movements.map(({ phase, side, amount }) => [phase, side, amount])).toEqual(
      movements.map(([phase, side, amount]) => [phase, side, dollars(amount)]),
    );
    expect(step.state.isFinal).toBe("closedBy" in change);
  });

  test("a replacement counts from what was authorised and adjusted, whatever has been settled", () => {
    const view = newView();
    decide(view, [deposit("500.00"), authorise("100.00"), adjust("20.00"), settle("50.00"), replaceTo("110.00")]);
    expect(stateOf(view)).toMatchObject({ adjusted: dollars("10.00"), outstanding: dollars("60.00") });
    expect(codesOf(decide(view, [replaceTo("110.00")]))).toEqual([["AMOUNT_NOT_POSITIVE", 0]]);
    expect(codesOf(decide(view, [replaceTo("49.99")]))).toEqual([["ADJUSTMENT_BELOW_ZERO", 0]]);
    decide(view, [replaceTo("50.00")]);
    expect(stateOf(view)).toMatchObject({ outstanding: 0n, status: "PARTIALLY_SETTLED" });
  });

  test("CT-6: the system books the release of what has expired, and nothing else of it", () => {
    const due = at(NOW + 10n);
    expect(follow(release(), due, true)).toMatchObject({ kind: "stepped", change: { closedBy: "EXPIRED" } });
    for (const [given, when] of [
      [settle(), due],
      [adjust("1.00"), due],
      [release(), at(NOW + 9n)],
    ] as const)
      expect(follow(given, when, true)).toMatchObject({ refusals: [{ code: "CLIENT_TRANSACTION_NOT_EXPIRED" }] });
  });
});

test("CT-6: what is due is the same list in whatever order it is found", () => {
  const view = newView();
  decide(view, [deposit("500.00")]);
  const lasts = [
    ["b", 3n],
    ["a", 3n],
    ["d", 1n],
    ["c", 2n],
  ] as const;
  for (const clientId of ["zoe", "abe"])
    for (const [clientTransactionId, expiresAfterMicros] of lasts)
      decide(view, [authorise("1.00", { clientTransactionId, expiresAfterMicros })], { clientId });
  decide(view, [withdraw("1.00")]);
  const states = [...view.clientTransactions.values()];
  fc.assert(
    fc.property(fc.shuffledSubarray(states, { minLength: states.length }), (found) => {
      const due = planExpiries(found, at(NOW + 3n));
      expect(due.map(({ clientId, instruction }) => `${clientId} ${instruction.clientTransactionId}`)).toEqual([
        "abe d",
        "zoe d",
        "abe c",
        "zoe c",
        "abe a",
        "abe b",
        "zoe a",
        "zoe b",
      ]);
      expect(due[0]).toEqual({
        clientId: "abe",
        expiresAt: NOW + 1n,
        instruction: { type: "RELEASE", clientTransactionId: "d", advice: false },
      });
    }),
    { numRuns: 50 },
  );
});

test("CT-9: the window goes from the first value time to the last, in whatever order they were booked", () => {
  const { state } = planOpener(key, authorise("100.00"), parties, NOW);
  const record = (valueAt: bigint, ordinal: number): ClientTransactionRecord => ({
    instruction: { batchId: ADA, ordinal },
    type: "AUTHORISATION_ADJUSTMENT",
    change: { ...NO_CHANGE, adjusted: dollars("1.00") },
    valueAt: at(valueAt),
    knownAt: at(BigInt(ordinal)),
  });
  const live = { valueAt: at(1_000n), knownAt: at(1_000n) };
  const windowOf = (...values: readonly bigint[]) =>
    viewClientTransaction(state, values.map(record), live)?.effectiveWindow;
  expect(windowOf(20n, 5n, 40n, 30n)).toEqual({ from: 5n, to: 40n });
  expect(windowOf(40n, 5n)).toEqual({ from: 5n, to: 40n });
  expect(windowOf(7n)).toEqual({ from: 7n, to: 7n });
  expect(windowOf()).toBeUndefined();
});
