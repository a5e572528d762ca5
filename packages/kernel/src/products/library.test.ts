import {
  account,
  ADA,
  at,
  authorise,
  BO,
  CASH,
  codesOf,
  decide,
  deposit,
  dollars,
  expectIn,
  FEES,
  id,
  NOW,
  OPENED,
  settle,
  settleFinally,
  shows,
  transfer,
  USD,
  viewOf,
  withdraw,
} from "../../test/book-fixture.js";
import { decideBatch } from "../batch.js";
import type { AccountState, BatchDecision, BookView } from "../book-view.js";
import { toContractBatch } from "../contract-batch.js";
import { recordExecution, replayExecution, runHook } from "../hook-execution.js";
import type { HookAnswers, HookData, HookKind, HookOccasions } from "../hook.js";
import { activate, type Product } from "../product.js";
import { creditCard } from "./credit-card.js";
import { currentAccount } from "./current-account.js";
import { productLibrary } from "./library.js";
import { personalLoan } from "./personal-loan.js";
import { interestForYear, savingsAccount } from "./savings-account.js";
import { termDeposit } from "./term-deposit.js";
import { decodeParameter } from "../parameter.js";

const DAY = 86_400_000_000n;
const DISBURSEMENT = id(11);
const internal = { product: undefined };

function open(product: Product, parameters: Record<string, string> = {}): BookView {
  const activated = activate(product, USD, parameters);
  if ("refusal" in activated) throw new Error(activated.refusal.message);
  return viewOf(
    account(ADA, { product, tside: product.tside, parameters: activated.parameters }),
    account(BO, internal),
    account(CASH, { ...internal, tside: "ASSET" }),
    account(FEES, internal),
    account(DISBURSEMENT, internal),
  );
}

/** What the executor does: gives live balances, runs the hook, and each run replays to the same bytes (HOOK-4). */
function run<K extends HookKind>(view: BookView, kind: K, occasion: HookOccasions[K]): HookAnswers[K] {
  const { product, denomination, tside, openedAt, parameters, totals } = view.accounts.get(ADA)!;
  const live = Object.fromEntries(totals);
  const data: HookData<K> = {
    account: { accountId: ADA, denomination, tside, openedAt },
    effectiveAt: NOW,
    parameters,
    observations: { now: live, balances: live },
    occasion,
  };
  const outcome = runHook(product!, kind, data);
  expect(replayExecution(product!, recordExecution("e", product!, kind, data, outcome))).toEqual({ kind: "same" });
  if (outcome.kind !== "answered") throw new Error(JSON.stringify(outcome));
  return outcome.answer;
}

let executions = 0;
function book(view: BookView, postings: HookAnswers["postPosting"]["postings"]): BatchDecision {
  if (postings === undefined) throw new Error("the hook posts nothing");
  return decideBatch(
    view,
    toContractBatch(postings, {
      executionId: `e${++executions}`,
      account: { accountId: ADA, denomination: USD },
      effectiveAt: NOW,
      bookedAt: NOW,
      cascadeDepth: 1,
      findInternalAccount: (code) => ({ FEE_INCOME: FEES, LOAN_DISBURSEMENT: DISBURSEMENT })[code],
    }),
  );
}

/** The batch, and then postPosting with what it did to Ada. */
function post(view: BookView, instructions: Parameters<typeof decide>[1]): HookAnswers["postPosting"] {
  const before = view.accounts.get(ADA)!;
  const seen: HookOccasions["postPosting"]["instructions"][number][] = [];
  const spy = { ...before.product!, hooks: { prePosting: spyOn(before, seen) } };
  view.accounts.set(ADA, { ...before, product: spy });
  const decision = decide(view, instructions);
  view.accounts.set(ADA, { ...view.accounts.get(ADA)!, product: before.product });
  expect(codesOf(decision)).toEqual([]);
  return run(view, "postPosting", { instructions: seen, batchId: id(5), backdated: false });
}

function spyOn({ product }: AccountState, seen: HookOccasions["postPosting"]["instructions"][number][]) {
  const hook = product!.hooks!.prePosting!;
  return {
    ...hook,
    run: (data: HookData<"prePosting">) => {
      seen.push(...data.occasion.instructions);
      return hook.run(data);
    },
  };
}

describe("current account", () => {
  const overdrawable = () => open(currentAccount, { arrangedOverdraft: "100", overdraftFee: "5" });

  test("a fee each time it goes below zero, valued with its trigger; it may pass the overdraft", () => {
    const view = overdrawable();
    const { postings, notifications } = post(view, [deposit("10.00"), withdraw("110.00")]);
    expect(notifications).toEqual([{ type: "overdraft.entered" }]);
    expect(book(view, postings).kind).toBe("accepted");
    expect([shows(view), shows(view, FEES)]).toEqual(["-105.00 0.00 0.00 -105.00", "5.00 0.00 0.00 5.00"]);
    expect(codesOf(decide(view, [withdraw("0.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });

  test("from exactly zero it is a fee, which says what it is for, and for which instruction", () => {
    const { postings } = post(overdrawable(), [withdraw("1.00"), deposit("1.00"), withdraw("2.00")]);
    const legs = [
      { account: "SELF", side: "DEBIT", amount: dollars("5.00") },
      { account: { internalCode: "FEE_INCOME" }, side: "CREDIT", amount: dollars("5.00") },
    ];
    expect(postings?.instructions).toEqual(
      [0, 2].map((instructionIndex) => ({ legs, details: { reason: "OVERDRAFT_FEE", instructionIndex } })),
    );
  });

  test("none while it stays on one side, and none when there is no fee", () => {
    const view = overdrawable();
    expect(post(view, [deposit("10.00"), withdraw("10.00")])).toEqual({});
    decide(view, [withdraw("1.00")]);
    expect(post(view, [withdraw("1.00"), deposit("1.00")])).toEqual({});
    expect(post(open(currentAccount, { arrangedOverdraft: "100" }), [withdraw("1.00")])).toEqual({});
  });

  test("what it shows of itself", () => {
    const view = overdrawable();
    decide(view, [withdraw("30.00"), authorise("20.00")]);
    expect(run(view, "derivedParameters", {})).toEqual({ overdraftUsed: "30.00", spendable: "50.00" });
    decide(view, [deposit("50.00")]);
    expect(run(view, "derivedParameters", {})).toEqual({ overdraftUsed: "0.00", spendable: "100.00" });
  });
});

describe("savings account", () => {
  test("GV-6: at most 1000: 100, 500, 300, 100 are taken, one cent more is not", () => {
    const view = open(savingsAccount, { maximumBalance: "1000" });
    for (const amount of ["100.00", "500.00", "300.00", "100.00"])
      expect(codesOf(decide(view, [deposit(amount)]))).toEqual([]);
    expect(shows(view)).toBe("1000.00 0.00 0.00 1000.00");
    expect(codesOf(decide(view, [deposit("0.01")]))).toEqual([["MAXIMUM_BALANCE", 0]]);
    expect(codesOf(decide(view, [withdraw("1000.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    expect(decide(view, [deposit("0.01", { advice: true })])).toMatchObject({
      acceptedDespite: [{ instructionIndex: 0, code: "MAXIMUM_BALANCE" }],
    });
  });

  test.each([
    ["0.00", "0.00"],
    ["1000.00", "10.00"],
    ["1500.00", "20.00"],
    ["2500.00", "45.00"],
  ])("tiers: %s is worth %s a year, each slice at its rate", (balance, interest) => {
    const tiers = decodeParameter({ name: "t", kind: "TIERS" }, { t: "0=0.01,1000=0.02,2000=0.03" }, USD);
    expect(interestForYear(dollars(balance), tiers)).toBe(dollars(interest));
  });

  test("what it shows of itself", () => {
    const view = open(savingsAccount, { interestTiers: "0=0.01,1000=0.02", maximumBalance: "2000" });
    decide(view, [deposit("1500.50")]);
    expect(run(view, "derivedParameters", {})).toEqual({ interestForYear: "20.01", roomLeft: "499.50" });
    const free = open(savingsAccount);
    decide(free, [deposit("9.00")]);
    expect(run(free, "derivedParameters", {})).toEqual({ interestForYear: "0.00", roomLeft: "none" });
    expect(codesOf(decide(free, [deposit("999999.00")]))).toEqual([]);
    free.accounts.set(ADA, {
      ...free.accounts.get(ADA)!,
      parameters: { interestTiers: "0=0", maximumBalance: "5.00" },
    });
    expect(run(free, "derivedParameters", {})).toMatchObject({ roomLeft: "0.00" });
  });
});

describe("credit card", () => {
  const card = () => open(creditCard, { creditLimit: "100", overSettlementTolerance: "10" });

  test("holds count against the limit, and their settlement takes nothing more", () => {
    const view = card();
    expect(codesOf(decide(view, [authorise("100.01")]))).toEqual([["CREDIT_LIMIT", 0]]);
    expect(codesOf(decide(view, [authorise("100.00")]))).toEqual([]);
    expect(run(view, "derivedParameters", {})).toEqual({ availableCredit: "0.00", owed: "0.00" });
    expect(codesOf(decide(view, [settle("60.00")]))).toEqual([]);
    expect(run(view, "derivedParameters", {})).toEqual({ availableCredit: "0.00", owed: "60.00" });
    expect(codesOf(decide(view, [withdraw("0.01")]))).toEqual([["CREDIT_LIMIT", 0]]);
    expect(codesOf(decide(view, [deposit("60.00")]))).toEqual([]); // paid back
    expect(run(view, "derivedParameters", {})).toEqual({ availableCredit: "60.00", owed: "0.00" });
  });

  test("BAL-3: above a limit that was lowered, holds are settled, money comes back, and nothing new is taken", () => {
    const view = card();
    decide(view, [authorise("80.00")]);
    const parameters = { creditLimit: "50.00", overSettlementTolerance: "0.00" };
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, parameters });
    expect(codesOf(decide(view, [settle("30.00")]))).toEqual([]);
    expect(codesOf(decide(view, [deposit("10.00")]))).toEqual([]);
    expect(codesOf(decide(view, [withdraw("0.01")]))).toEqual([["CREDIT_LIMIT", 0]]);
  });

  test("a settlement above its hold may pass the limit as far as the tolerance goes (PI-3)", () => {
    const at110 = card();
    decide(at110, [authorise("100.00")]);
    expect(codesOf(decide(at110, [settleFinally("110.00")]))).toEqual([]);
    expect(run(at110, "derivedParameters", {})).toEqual({ availableCredit: "0.00", owed: "110.00" });
    const above = card();
    decide(above, [authorise("100.00")]);
    expect(codesOf(decide(above, [settleFinally("110.01")]))).toEqual([["CREDIT_LIMIT", 0]]);
    expect(decide(above, [settle("110.01", { final: true, advice: true })])).toMatchObject({
      acceptedDespite: [{ code: "CREDIT_LIMIT" }],
    });
  });
});

describe("term deposit", () => {
  const deposited = () => open(termDeposit, { termDays: "30", fundingDays: "7" });
  const day = (days: bigint, micros = 0n) => {
    const now = at(OPENED + days * DAY + micros);
    return { valueAt: now, bookedAt: now };
  };

  test("money comes in before the window closes and goes out when the term is over, to the microsecond", () => {
    const view = deposited();
    expect(codesOf(decide(view, [deposit("100.00")], day(7n, -1n)))).toEqual([]);
    expect(codesOf(decide(view, [expectIn("9.00", { clientTransactionId: "in" })], day(7n, -1n)))).toEqual([]);
    expect(codesOf(decide(view, [deposit("1.00")], day(7n)))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [expectIn("1.00")], day(7n)))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [settle(undefined, { clientTransactionId: "in" })], day(8n)))).toEqual([]);
    expect(codesOf(decide(view, [withdraw("9.00", { advice: true })], day(8n)))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [withdraw("1.00")], day(30n, -1n)))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [authorise("1.00")], day(8n)))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [withdraw("109.01")], day(30n)))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    expect(codesOf(decide(view, [withdraw("100.00")], day(30n)))).toEqual([]);
  });

  test("it says when it matures", () => {
    expect(run(deposited(), "derivedParameters", {})).toEqual({ maturesAt: "1970-01-31T00:00:00.001000Z" });
  });
});

describe("personal loan", () => {
  function lent(): BookView {
    const view = open(personalLoan, { principal: "1000", originationFee: "20" });
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, status: "PENDING" });
    const answer = run(view, "activation", {});
    if (answer.reject !== undefined) throw new Error("refused");
    expect(codesOf(book(view, answer.postings))).toEqual([]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, status: "OPEN" });
    return view;
  }

  test("it is paid out when it is opened, and a loan of nothing posts nothing", () => {
    const view = lent();
    expect(run(view, "derivedParameters", {})).toEqual({
      owed: "1020.00",
      principalOwed: "1000.00",
      interestOwed: "0.00",
      feesOwed: "20.00",
    });
    expect(shows(view, DISBURSEMENT)).toBe("1000.00 0.00 0.00 1000.00");
    expect(run(open(personalLoan), "activation", {})).toEqual({});
  });

  test.each([
    ["15.00", { feesOwed: "5.00", interestOwed: "30.00", principalOwed: "1000.00", owed: "1035.00" }],
    ["40.00", { feesOwed: "0.00", interestOwed: "10.00", principalOwed: "1000.00", owed: "1010.00" }],
    ["1050.00", { feesOwed: "0.00", interestOwed: "0.00", principalOwed: "0.00", owed: "0.00" }],
  ])("a repayment of %s goes to fees, then interest, then principal", (amount, owed) => {
    const view = lent();
    const charge = (side: "DEBIT" | "CREDIT", of: typeof ADA, address: string) => ({
      account: of,
      side,
      address,
      money: { amount: dollars("30.00"), currency: USD },
    });
    const interest = {
      type: "CUSTOM_INSTRUCTION",
      advice: false,
      legs: [charge("DEBIT", ADA, "INTEREST"), charge("CREDIT", FEES, "DEFAULT")],
    } as const;
    expect(codesOf(decide(view, [interest], { permissions: new Set(["posting.address"]) }))).toEqual([]);
    const { postings } = post(view, [deposit(amount)]);
    expect(codesOf(book(view, postings))).toEqual([]);
    expect(run(view, "derivedParameters", {})).toEqual(owed);
    expect(shows(view)).toBe("0.00 0.00 0.00 0.00");
  });

  test("more than is owed, and whatever takes money out, is refused", () => {
    const view = lent();
    expect(codesOf(decide(view, [deposit("1020.01")]))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [deposit("1000.00"), deposit("20.01")]))).toEqual([["CONTRACT_REJECTED", 1]]);
    expect(codesOf(decide(view, [withdraw("1.00")]))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [authorise("1.00")]))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(view, [transfer("1.00")]))).toEqual([["CONTRACT_REJECTED", 0]]);
  });

  test("where nothing came in nothing is allocated", () => {
    expect(run(lent(), "postPosting", { instructions: [], batchId: id(5), backdated: false })).toEqual({});
  });
});

test("every product of the library has a prePosting, so the kernel's own guard stands in for none", () => {
  for (const { code, hooks } of productLibrary) expect([code, typeof hooks?.prePosting]).toEqual([code, "object"]);
});
