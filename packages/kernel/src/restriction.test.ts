import {
  ADA,
  at,
  authorise,
  codesOf,
  decide,
  deposit,
  dollars,
  expectIn,
  newView,
  NOW,
  OPENED,
  release,
  settle,
  settleFinally,
  transfer,
  withdraw,
} from "../test/book-fixture.js";
import type { BookView } from "./book-view.js";
import type { Instruction } from "./instruction.js";
import { refuse } from "./refusal.js";
import { judgeRestrictions, type Restriction } from "./restriction.js";

const may = (...permissions: readonly string[]) => ({ permissions: new Set(permissions) });
function restriction(type: Restriction["type"], more: Partial<Restriction> = {}): Restriction {
  return { code: "COURT_ORDER", version: "1", level: "ACCOUNT", type, from: OPENED, ...more };
}

describe("restrictions", () => {
  const restricted = (...restrictions: readonly Restriction[]): BookView => {
    const view = newView();
    decide(view, [deposit("500.00"), authorise("100.00")]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, restrictions });
    return view;
  };

  test.each<[Restriction["type"], string, readonly Instruction[], readonly Instruction[]]>([
    [
      "PREVENT_DEBITS",
      "RESTRICTED",
      [withdraw("1.00"), transfer("1.00"), authorise("1.00", { clientTransactionId: "b" }), settle("100.01")],
      [deposit("1.00"), settle("100.00"), settleFinally("1.00"), release()],
    ],
    ["PREVENT_CREDITS", "RESTRICTED", [deposit("1.00")], [withdraw("1.00"), release(), settle("40.00")]],
    ["REVIEW_DEBITS", "RESTRICTED_REVIEW", [withdraw("1.00")], [deposit("1.00"), settle("40.00")]],
    ["REVIEW_CREDITS", "RESTRICTED_REVIEW", [deposit("1.00")], [withdraw("1.00"), release()]],
    [
      "LIMIT_DEBITS",
      "RESTRICTION_LIMIT",
      [withdraw("50.01"), settle("150.01")],
      [withdraw("50.00"), settle("150.00"), deposit("99.00")],
    ],
    ["LIMIT_CREDITS", "RESTRICTION_LIMIT", [deposit("50.01")], [deposit("50.00"), withdraw("99.00")]],
    ["PREVENT_CLOSURE", "", [], [deposit("1.00"), withdraw("1.00")]],
  ])("RES-1: %s", (type, code, refusedOnes, taken) => {
    const rule = restriction(type, { limit: dollars("50.00") });
    for (const instruction of refusedOnes)
      expect(codesOf(decide(restricted(rule), [instruction]))).toEqual([[code, 0]]);
    for (const instruction of taken) expect(codesOf(decide(restricted(rule), [instruction]))).toEqual([]);
  });

  test("RES-1: a payment device's restriction is for what comes from that device", () => {
    const rule = restriction("PREVENT_DEBITS", { level: "PAYMENT_DEVICE", paymentDevice: "card-7" });
    expect(decide(restricted(rule), [withdraw("1.00")]).kind).toBe("accepted");
    expect(decide(restricted(rule), [withdraw("1.00", { paymentDevice: "card-8" })]).kind).toBe("accepted");
    expect(codesOf(decide(restricted(rule), [withdraw("1.00", { paymentDevice: "card-7" })]))).toEqual([
      ["RESTRICTED", 0],
    ]);
  });

  test("RES-1: an account's restriction is for what comes from any device", () => {
    expect(
      codesOf(decide(restricted(restriction("PREVENT_DEBITS")), [withdraw("1.00", { paymentDevice: "card-7" })])),
    ).toEqual([["RESTRICTED", 0]]);
  });

  test("RES-1: money that was expected and does not come is no debit, and money that is expected is a credit", () => {
    const named = { clientTransactionId: "in" };
    const expecting = (...restrictions: readonly Restriction[]) => {
      const view = restricted();
      decide(view, [expectIn("9.00", named)]);
      view.accounts.set(ADA, { ...view.accounts.get(ADA)!, restrictions });
      return view;
    };
    expect(codesOf(decide(expecting(restriction("PREVENT_DEBITS")), [release(named)]))).toEqual([]);
    const credits = restriction("PREVENT_CREDITS");
    expect(codesOf(decide(expecting(credits), [settle("9.00", named)]))).toEqual([]);
    expect(codesOf(decide(expecting(credits), [settle("9.01", named)]))).toEqual([["RESTRICTED", 0]]);
    expect(codesOf(decide(expecting(credits), [expectIn("1.00", { clientTransactionId: "b" })]))).toEqual([
      ["RESTRICTED", 0],
    ]);
  });

  test.each<[Restriction["type"], "rule" | "limit", "RESTRICTED" | "RESTRICTED_REVIEW" | "RESTRICTION_LIMIT"]>([
    ["PREVENT_DEBITS", "rule", "RESTRICTED"],
    ["PREVENT_CREDITS", "rule", "RESTRICTED"],
    ["REVIEW_DEBITS", "rule", "RESTRICTED_REVIEW"],
    ["REVIEW_CREDITS", "rule", "RESTRICTED_REVIEW"],
    ["LIMIT_DEBITS", "limit", "RESTRICTION_LIMIT"],
    ["LIMIT_CREDITS", "limit", "RESTRICTION_LIMIT"],
  ])("RES-1: the objection of %s says its type, its kind and the restriction's code", (type, kind, code) => {
    const decision = decide(newView({ product: undefined }), [
      type.endsWith("DEBITS") ? withdraw("0.01") : deposit("0.01"),
    ]);
    if (decision.kind === "rejected") throw new Error("refused");
    const times = { valueAt: NOW, bookedAt: NOW };
    expect(judgeRestrictions(ADA, [restriction(type)], deposit("0.01"), decision.legs, times)).toEqual([
      { type, kind, ...refuse(code, "COURT_ORDER") }, // a LIMIT without a limit lets nothing through
    ]);
  });

  test("RES-2: it holds when it holds at the value time or at the booking time, from its start to before its end", () => {
    const backdated = { valueAt: at(1_500n), bookedAt: NOW };
    const holds = (from: bigint, to?: bigint) =>
      decide(
        restricted(restriction("PREVENT_DEBITS", { from: at(from), to: to === undefined ? undefined : at(to) })),
        [withdraw("1.00")],
        backdated,
      ).kind === "rejected";
    expect([holds(1_400n, 1_501n), holds(1_400n, 1_500n), holds(1_500n, 1_501n)]).toEqual([true, false, true]);
    expect([holds(1_501n, 2_000n), holds(2_000n), holds(2_001n), holds(1_501n, 2_001n)]).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  test("RES-2: an exemption lets through what has all its details", () => {
    const rule = restriction("PREVENT_DEBITS", { exemptions: [{ purpose: "TAX", year: 2026 }, {}] });
    const details = (given: Instruction["details"]) => [withdraw("1.00", { details: given })];
    expect(decide(restricted(rule), details({ purpose: "TAX", year: 2026, note: "x" })).kind).toBe("accepted");
    for (const given of [{ purpose: "TAX" }, { purpose: "RENT", year: 2026 }, "TAX", ["TAX"], null, undefined])
      expect(decide(restricted(rule), details(given)).kind).toBe("rejected");
  });

  test("RES-3: an override needs its permission and lifts its own type only", () => {
    const both = [restriction("PREVENT_DEBITS"), restriction("REVIEW_DEBITS")];
    const overriding = [withdraw("1.00", { overrideRestrictions: ["PREVENT_DEBITS"] })];
    expect(codesOf(decide(restricted(...both), overriding))).toEqual([["OVERRIDE_NOT_PERMITTED", 0]]);
    expect(codesOf(decide(restricted(...both), overriding, may("posting.override.PREVENT_DEBITS")))).toEqual([
      ["RESTRICTED_REVIEW", 0],
    ]);
    expect(decide(restricted(both[0]!), overriding, may("posting.override.PREVENT_DEBITS")).kind).toBe("accepted");
  });

  test("PI-4: an advice passes a limit with a note, and no other restriction", () => {
    const advice = withdraw("60.00", { advice: true });
    expect(decide(restricted(restriction("LIMIT_DEBITS", { limit: dollars("50.00") })), [advice])).toMatchObject({
      acceptedDespite: [{ instructionIndex: 0, code: "RESTRICTION_LIMIT" }],
    });
    const advised = deposit("60.00", { advice: true });
    expect(decide(restricted(restriction("LIMIT_CREDITS", { limit: dollars("50.00") })), [advised])).toMatchObject({
      acceptedDespite: [{ instructionIndex: 0, code: "RESTRICTION_LIMIT" }],
    });
    expect(codesOf(decide(restricted(restriction("PREVENT_DEBITS")), [advice]))).toEqual([["RESTRICTED", 0]]);
  });
});
