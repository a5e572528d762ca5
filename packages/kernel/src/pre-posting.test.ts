import {
  account,
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
  id,
  newView,
  NOW,
  release,
  settle,
  transfer,
  viewOf,
  withdraw,
} from "../test/book-fixture.js";
import { defineProduct } from "./define-product.js";
import type { InstructionChange, Objection } from "./hook.js";
import type { Product } from "./product.js";
import { wallet } from "./products/wallet.js";
import { refuse } from "./refusal.js";

/** What a product is shown of a batch, and what becomes of what it says (ledger.md §2.9, BAL-1, PI-4). */
const terms = { code: "plain", name: "Plain", version: "1", tside: "LIABILITY", parameters: {} } as const;

function judging(judge: (instructions: readonly InstructionChange[]) => readonly Objection[]): Product {
  return defineProduct({
    ...terms,
    hooks: (on) => ({ prePosting: on.prePosting({}, ({ instructions }) => judge(instructions)) }),
  });
}
const objecting = (kind: Objection["kind"], code: Objection["code"] = "MAXIMUM_BALANCE"): Product =>
  judging((instructions) => instructions.map(({ index }) => ({ instructionIndex: index, kind, ...refuse(code) })));

describe("prePosting is shown", () => {
  const watched = () => {
    const seen: InstructionChange[][] = [[], []];
    const watching = (place: number) =>
      judging((instructions) => {
        seen[place]!.push(...instructions);
        return [];
      });
    const view = newView({ product: watching(0) });
    view.accounts.set(BO, account(BO, { product: watching(1) }));
    return { view, seen };
  };

  test("each instruction of the account, what it was before and is after, and its own legs only (PIB-2)", () => {
    const { view, seen } = watched();
    const details = { note: "rent" };
    decide(view, [deposit("9.00"), deposit("1.00", { target: BO }), transfer("4.00", { details, advice: true })]);
    const [ofAda, ofBo] = seen as [InstructionChange[], InstructionChange[]];
    expect(ofAda.map(({ index, type, advice }) => [index, type, advice])).toEqual([
      [0, "INBOUND_HARD_SETTLEMENT", false],
      [2, "TRANSFER", true],
    ]);
    expect(ofBo.map(({ index }) => index)).toEqual([1, 2]);
    expect(ofAda.map(({ before, after }) => [before.available, after.available])).toEqual([
      [0n, dollars("9.00")],
      [dollars("9.00"), dollars("5.00")],
    ]);
    expect(ofAda[1]!.legs.map(({ accountId, side, amount }) => [accountId, side, amount])).toEqual([
      [ADA, "DEBIT", dollars("4.00")],
    ]);
    expect(ofBo[1]!.legs.map(({ accountId, side, amount }) => [accountId, side, amount])).toEqual([
      [BO, "CREDIT", dollars("4.00")],
    ]);
    expect([ofAda[0]!.details, ofAda[1]!.details]).toEqual([undefined, details]);
    expect(ofBo[1]!.clientTransaction).toMatchObject({ kind: "MOVEMENT", target: ADA, counterparty: BO });
  });

  test("PI-3: how much of a settlement is over its authorisation, and the client transaction after it", () => {
    const { view, seen } = watched();
    decide(view, [deposit("20.00"), authorise("5.00"), settle("7.00")]);
    expect(seen[0]!.map(({ overSettledAmount }) => overSettledAmount)).toEqual([0n, 0n, dollars("2.00")]);
    expect(seen[0]![2]!.clientTransaction).toMatchObject({ status: "PARTIALLY_SETTLED", settled: dollars("7.00") });
  });
});

describe("a product that cannot judge", () => {
  const failing = judging(() => {
    throw new Error("no idea");
  });

  test("accepts nothing, and the first of its account's instructions is the one to show (§2.9)", () => {
    const view = newView({ product: failing });
    expect(codesOf(decide(view, [deposit("1.00", { target: BO }), deposit("1.00"), deposit("2.00")]))).toEqual([
      ["CONTRACT_ERROR", 1],
    ]);
  });

  test("PI-4: not even what has happened already", () => {
    expect(codesOf(decide(newView({ product: failing }), [deposit("1.00", { advice: true })]))).toEqual([
      ["CONTRACT_ERROR", 0],
    ]);
  });

  test.each<[string, Product]>([
    ["without hooks", { ...wallet, hooks: undefined }],
    ["without prePosting", { ...wallet, hooks: {} }],
  ])("BAL-1: for a product %s the kernel guards what can be spent", (_what, product) => {
    const view = newView({ product });
    decide(view, [deposit("5.00")]);
    expect(codesOf(decide(view, [withdraw("5.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    expect(codesOf(decide(view, [withdraw("5.00")]))).toEqual([]);
  });
});

describe("what an objection does", () => {
  /** With a hold out and one in, made before the product began to object. */
  const withHolds = (product: Product) => {
    const view = newView();
    decide(view, [deposit("50.00"), authorise("9.00"), expectIn("9.00", { clientTransactionId: "in" })]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, product });
    return view;
  };
  const advice = { advice: true };

  test("PI-4: a limit refuses; openers and settlements that happened already are taken with a note", () => {
    for (const instruction of [deposit("1.00"), settle("1.00")])
      expect(codesOf(decide(withHolds(objecting("limit")), [instruction]))).toEqual([["MAXIMUM_BALANCE", 0]]);
    for (const instruction of [deposit("1.00", advice), settle("1.00", advice)])
      expect(decide(withHolds(objecting("limit")), [instruction])).toMatchObject({
        kind: "accepted",
        acceptedDespite: [{ instructionIndex: 0, code: "MAXIMUM_BALANCE" }],
      });
  });

  test("PI-4: an adjustment and a release are no advice", () => {
    for (const instruction of [{ ...adjust("1.00"), advice: true }, release(advice)])
      expect(codesOf(decide(withHolds(objecting("limit")), [instruction]))).toEqual([["MAXIMUM_BALANCE", 0]]);
  });

  test("CT-6: the end of a hold is nobody's to refuse, not by a rule either", () => {
    const view = newView();
    decide(view, [deposit("50.00"), authorise("9.00", { expiresAfterMicros: 5n })]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, product: objecting("rule", "CONTRACT_REJECTED") });
    const due = { bookedAt: at(NOW + 5n), valueAt: NOW };
    expect(codesOf(decide(view, [release()], { bookedAt: at(NOW + 4n), valueAt: NOW }))).toEqual([
      ["CONTRACT_REJECTED", 0],
    ]);
    expect(codesOf(decide(view, [release()], { ...due, origin: "EXPIRY" }))).toEqual([]);
  });

  test("PI-5: what comes in needs no funds at its target, and its counterparty's guard still counts", () => {
    const guardedAt = (who: typeof ADA) => {
      const view = newView();
      decide(view, [expectIn("9.00")]);
      view.accounts.set(who, { ...view.accounts.get(who)!, guards: { minAvailable: dollars("1000.00") } });
      return view;
    };
    expect(codesOf(decide(guardedAt(ADA), [settle("9.00")]))).toEqual([]);
    expect(codesOf(decide(guardedAt(CASH), [settle("9.00")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });
});

describe("what was not read before deciding is the caller's fault, and nothing is decided", () => {
  test("an account of the hold", () => {
    const view = newView();
    decide(view, [deposit("9.00"), authorise("1.00")]);
    view.accounts.delete(CASH);
    expect(() => decide(view, [release()])).toThrow(/was not read before deciding/);
  });

  test("T-8: whether an instruction was reversed", () => {
    const view = { ...newView(), reversed: undefined };
    const reverses = { batchId: id(77), ordinal: 0 };
    expect(() => decide(view, [deposit("1.00", { reverses })])).toThrow(/:0 was reversed was not read/);
    expect(decide(view, [deposit("1.00")]).kind).toBe("accepted");
  });

  test("an account that a leg names and that is nowhere is refused and not thrown", () => {
    const view = viewOf(account(ADA));
    expect(codesOf(decide(view, [deposit("1.00")]))).toEqual([["ACCOUNT_NOT_FOUND", 0]]);
  });
});
