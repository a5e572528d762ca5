import {
  ADA,
  at,
  authorise,
  BO,
  CASH,
  codesOf,
  decide,
  deposit,
  FEES,
  id,
  money,
  newView,
  NOW,
  settle,
  shows,
  transfer,
  withdraw,
} from "../test/book-fixture.js";
import type { BookView } from "./book-view.js";
import type { CustomInstruction, Instruction } from "./instruction.js";
import { planReversal, type CommittedInstruction, type Reversal } from "./reversal.js";

const BATCH = id(77);
const how = { mode: "NOW", originalValueAt: at(1_500n), bookedAt: NOW } as const;

/** Books instructions in one batch, and gives them back as they would be read. */
function book(view: BookView, instructions: readonly Instruction[], valueAt = NOW): readonly CommittedInstruction[] {
  const decision = decide(view, instructions, { valueAt });
  if (decision.kind === "rejected") throw new Error(JSON.stringify(codesOf(decision)));
  return instructions.map(({ type, reverses }, ordinal) => ({
    reference: { batchId: BATCH, ordinal },
    type,
    legs: decision.legs.filter((leg) => leg.ordinal === ordinal),
    isReversal: reverses !== undefined,
    isReversed: false,
  }));
}

function planned(reversal: Reversal) {
  if (reversal.kind === "refused") throw new Error(JSON.stringify(reversal.violations));
  return reversal;
}

const split: CustomInstruction = {
  type: "CUSTOM_INSTRUCTION",
  advice: false,
  legs: [
    { account: ADA, side: "DEBIT", money: money("3.00") },
    { account: BO, side: "CREDIT", money: money("2.00") },
    { account: FEES, side: "CREDIT", money: money("1.00"), address: "DEFAULT" },
  ],
};

describe("T-8: what was booked is taken back by a new batch", () => {
  test.each<[string, readonly Instruction[]]>([
    ["a deposit", [deposit("5.00")]],
    ["a withdrawal", [withdraw("5.00")]],
    ["a transfer", [transfer("5.00")]],
    ["a custom instruction", [split]],
    ["a batch, the last first", [deposit("90.00"), transfer("90.00"), split]],
  ])("%s: every balance is what it was", (_what, instructions) => {
    const view = newView();
    decide(view, [deposit("10.00"), deposit("10.00", { target: BO })]);
    const before = [ADA, BO, CASH, FEES].map((account) => shows(view, account));
    const { instructions: back, valueAt } = planned(planReversal(book(view, instructions), how));
    expect(decide(view, back, { valueAt }).kind).toBe("accepted");
    expect([ADA, BO, CASH, FEES].map((account) => shows(view, account))).toEqual(before);
    expect(codesOf(decide(view, back, { valueAt }))[0]).toEqual(["ALREADY_REVERSED", 0]);
  });

  test("types are mirrored and sides kept apart", () => {
    const view = newView();
    const originals = book(view, [deposit("9.00"), withdraw("1.00"), transfer("2.00")]);
    expect(planned(planReversal(originals, how)).instructions).toMatchObject([
      { type: "TRANSFER", target: BO, counterparty: ADA, reverses: { batchId: BATCH, ordinal: 2 } },
      { type: "INBOUND_HARD_SETTLEMENT", target: ADA, counterparty: CASH, reverses: { batchId: BATCH, ordinal: 1 } },
      { type: "OUTBOUND_HARD_SETTLEMENT", target: ADA, counterparty: CASH, reverses: { batchId: BATCH, ordinal: 0 } },
    ]);
  });

  test("its value time is the caller's choice", () => {
    const originals = book(newView(), [deposit("9.00")]);
    expect(planReversal(originals, how)).toMatchObject({ valueAt: NOW });
    expect(planReversal(originals, { ...how, mode: "AT_ORIGINAL_VALUE" })).toMatchObject({ valueAt: 1_500n });
  });

  test("what is spent is not there to be taken back, unless it happened outside (PI-4)", () => {
    const view = newView();
    const originals = book(view, [deposit("9.00")]);
    decide(view, [withdraw("9.00")]);
    const { instructions } = planned(planReversal(originals, how));
    expect(codesOf(decide(view, instructions))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    const advised = planned(planReversal(originals, { ...how, advice: true, details: { reason: "recall" } }));
    expect(decide(view, advised.instructions)).toMatchObject({ acceptedDespite: [{ code: "INSUFFICIENT_FUNDS" }] });
    expect(advised.instructions[0]!.details).toEqual({ reason: "recall" });
  });

  test("once, also within one batch", () => {
    const view = newView();
    const originals = book(view, [deposit("9.00")]);
    decide(view, [deposit("20.00")]);
    const { instructions } = planned(planReversal(originals, how));
    expect(codesOf(decide(view, [...instructions, ...instructions]))).toEqual([["ALREADY_REVERSED", 1]]);
    expect(decide(view, instructions).kind).toBe("accepted");
    expect(codesOf(decide(view, instructions))).toEqual([["ALREADY_REVERSED", 0]]);
    expect(planReversal([{ ...originals[0]!, isReversed: true }], how)).toMatchObject({
      violations: [{ code: "ALREADY_REVERSED", instructionIndex: 0 }],
    });
  });

  test("a view that does not say what was reversed cannot be decided over", () => {
    const { instructions } = planned(planReversal(book(newView(), [deposit("9.00")]), how));
    expect(() => decide({ ...newView(), reversed: undefined }, instructions)).toThrow(/not read/);
  });

  test("what belongs to a hold, and a reversal itself, is not reversed", () => {
    const view = newView();
    const hold = book(view, [deposit("20.00"), authorise("9.00"), settle("4.00")]);
    expect(planReversal(hold, how)).toMatchObject({
      violations: [
        { code: "NOT_REVERSIBLE", instructionIndex: 1 },
        { code: "NOT_REVERSIBLE", instructionIndex: 2 },
      ],
    });
    const back = planned(planReversal(hold.slice(0, 1), how)).instructions;
    decide(view, [deposit("20.00")]);
    expect(planReversal(book(view, back), how)).toMatchObject({ violations: [{ code: "NOT_REVERSIBLE" }] });
    expect(codesOf(decide(view, [{ ...settle("1.00"), reverses: { batchId: BATCH, ordinal: 1 } }]))).toEqual([
      ["NOT_REVERSIBLE", 0],
    ]);
  });

  test.each<CommittedInstruction["type"]>([
    "INBOUND_AUTHORISATION",
    "OUTBOUND_AUTHORISATION",
    "AUTHORISATION_ADJUSTMENT",
    "SETTLEMENT",
    "RELEASE",
  ])("%s is not reversed, even where all its legs are committed", (type) => {
    const original = { ...book(newView(), [deposit("9.00")])[0]!, type };
    expect(planReversal([original], how)).toMatchObject({ violations: [{ code: "NOT_REVERSIBLE" }] });
  });

  test("one leg that is pending is enough not to be reversed (INV-3)", () => {
    const [original] = book(newView(), [deposit("9.00")]);
    const [first, second] = original!.legs;
    const mixed = { ...original!, legs: [first!, { ...second!, phase: "PENDING_IN" as const }] };
    expect(planReversal([mixed], how)).toMatchObject({ violations: [{ code: "NOT_REVERSIBLE" }] });
    expect(planReversal([original!], how).kind).toBe("planned");
  });

  test.each([0, 1])("a movement of %s legs was never booked, and is a fault", (count) => {
    const [original] = book(newView(), [deposit("9.00")]);
    expect(() => planReversal([{ ...original!, legs: original!.legs.slice(0, count) }], how)).toThrow(/has two legs/);
  });

  test("digits and addresses of a custom instruction come back as they were", () => {
    const legs = [
      { ...leg("DEBIT", FEES), address: "PAYABLE" },
      { ...leg("CREDIT", ADA), address: "ACCRUED" },
    ];
    const original = {
      reference: { batchId: BATCH, ordinal: 0 },
      type: "CUSTOM_INSTRUCTION" as const,
      legs,
      isReversal: false,
      isReversed: false,
    };
    expect(planned(planReversal([original], how)).instructions[0]).toMatchObject({
      legs: [
        { account: FEES, address: "PAYABLE", side: "CREDIT", money: { amount: 1n } },
        { account: ADA, address: "ACCRUED", side: "DEBIT", money: { amount: 1n } },
      ],
    });
    const pending = { ...original, legs: legs.map((one) => ({ ...one, phase: "PENDING_IN" as const })) };
    expect(planReversal([pending], how).kind).toBe("refused");
  });
});

function leg(side: "DEBIT" | "CREDIT", accountId: typeof ADA): CommittedInstruction["legs"][number] {
  const { currency } = money("1.00");
  const amount = 1n as ReturnType<typeof money>["amount"];
  return {
    accountId,
    address: "DEFAULT",
    asset: "COMMERCIAL_BANK_MONEY",
    denomination: currency,
    phase: "COMMITTED",
    side,
    amount,
  };
}
