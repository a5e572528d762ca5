import {
  ADA,
  adjust,
  at,
  authorise,
  BO,
  codesOf,
  decide,
  deposit,
  dollars,
  expectIn,
  FEES,
  money,
  newView,
  NOBODY,
  NOW,
  OPENED,
  release,
  settle,
  shows,
  USD,
  withdraw,
} from "../test/book-fixture.js";
import type { AccountState } from "./book-view.js";
import { defineProduct } from "./define-product.js";
import { MAX_CASCADE_DEPTH } from "./hook.js";
import { formatId } from "./ids.js";
import type { CustomInstruction, InstructedLeg, Instruction, Side } from "./instruction.js";
import { refusalCodes, refuse } from "./refusal.js";
import type { Restriction } from "./restriction.js";
import { executionIdOf, toContractBatch, type DirectiveSource } from "./contract-batch.js";
import { decideBatch } from "./batch.js";
import { wallet } from "./products/wallet.js";

const leg = (
  side: Side,
  of: InstructedLeg["account"],
  amount: string,
  more: Partial<InstructedLeg> = {},
): InstructedLeg => ({
  account: of,
  side,
  money: money(amount),
  ...more,
});
const custom = (legs: readonly InstructedLeg[], more: Partial<CustomInstruction> = {}): CustomInstruction => ({
  type: "CUSTOM_INSTRUCTION",
  advice: false,
  legs,
  ...more,
});
const may = (...permissions: readonly string[]) => ({ permissions: new Set(permissions) });
const terms = { code: "plain", name: "Plain", version: "1", tside: "LIABILITY", parameters: {} } as const;

function restriction(type: Restriction["type"], more: Partial<Restriction> = {}): Restriction {
  return { code: "COURT_ORDER", version: "1", level: "ACCOUNT", type, from: OPENED, ...more };
}

describe("PIB-2: every violation, in order of precedence", () => {
  test("shape, permission, account, restriction, client transaction, product", () => {
    const view = newView({ restrictions: [restriction("PREVENT_CREDITS")] });
    const instructions: Instruction[] = [
      withdraw("1.00"),
      settle("1.00", { clientTransactionId: "unknown" }),
      deposit("1.00"),
      deposit("1.00", { target: NOBODY }),
      withdraw("1.00", { overrideRestrictions: ["PREVENT_DEBITS"] }),
      deposit("0.00"),
    ];
    expect(codesOf(decide(view, instructions))).toEqual([
      ["AMOUNT_NOT_POSITIVE", 5],
      ["OVERRIDE_NOT_PERMITTED", 4],
      ["ACCOUNT_NOT_FOUND", 3],
      ["RESTRICTED", 2],
      ["CLIENT_TRANSACTION_NOT_FOUND", 1],
      ["INSUFFICIENT_FUNDS", 0],
    ]);
  });

  test("of one code, in the order of the list", () => {
    const instructions = [deposit("0.50"), withdraw("1.00", { target: BO }), withdraw("1.00")];
    expect(codesOf(decide(newView(), instructions))).toEqual([
      ["INSUFFICIENT_FUNDS", 1],
      ["INSUFFICIENT_FUNDS", 2],
    ]);
  });

  test("PIB-1: one refusal refuses the batch, and nothing of it is left in the view", () => {
    const view = newView();
    const before = structuredClone([view.accounts.get(ADA)!.totals, view.clientTransactions]);
    decide(view, [deposit("5.00"), authorise("2.00"), settle("9.99", { clientTransactionId: "unknown" })]);
    expect([view.accounts.get(ADA)!.totals, view.clientTransactions]).toEqual(before);
  });

  test("the list of codes has no code twice, and each has a remedy", () => {
    expect(new Set(refusalCodes).size).toBe(refusalCodes.length);
    for (const code of refusalCodes) expect(refuse(code, "this one").message).toMatch(/\. .+\. \(this one\)$/);
  });
});

describe("kernel guards", () => {
  const guarded = (guards: AccountState["guards"], more: Partial<AccountState> = {}) =>
    newView({ product: undefined, guards, ...more });

  test("BAL-1: internal accounts have none; a floor and a ceiling where they are set", () => {
    expect(decide(newView({ product: undefined }), [withdraw("1.00")]).kind).toBe("accepted");
    const view = guarded({ minAvailable: dollars("-10.00"), maxCommitted: dollars("20.00") });
    expect(codesOf(decide(view, [withdraw("10.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    expect(decide(view, [withdraw("10.00"), deposit("30.00")]).kind).toBe("accepted");
    expect(codesOf(decide(view, [deposit("0.01")]))).toEqual([["MAXIMUM_BALANCE", 0]]);
  });

  test("GV-6: at most 1000: 100, 500, 300, 100 are taken, one cent more is not", () => {
    const view = guarded({ maxCommitted: dollars("1000.00") });
    for (const amount of ["100.00", "500.00", "300.00", "100.00"])
      expect(decide(view, [deposit(amount)]).kind).toBe("accepted");
    expect(shows(view)).toBe("1000.00 0.00 0.00 1000.00");
    expect(codesOf(decide(view, [deposit("0.01")]))).toEqual([["MAXIMUM_BALANCE", 0]]);
  });

  test("BAL-1: of an asset the floor is for what can still be drawn", () => {
    const view = guarded({ minAvailable: dollars("-100.00") }, { tside: "ASSET" });
    expect(decide(view, [withdraw("100.00")]).kind).toBe("accepted");
    expect(codesOf(decide(view, [withdraw("0.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });

  test("BAL-3: what cures a breach is taken, also below the floor and above the ceiling", () => {
    const view = guarded(undefined);
    decide(view, [withdraw("50.00")]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, guards: { minAvailable: dollars("0.00") } });
    expect(decide(view, [deposit("10.00")]).kind).toBe("accepted");
    expect(codesOf(decide(view, [withdraw("0.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, guards: { maxCommitted: dollars("-60.00") } });
    expect(decide(view, [withdraw("10.00")]).kind).toBe("accepted");
  });

  test("a guard stands beside the product: the stricter one wins", () => {
    const view = newView({ guards: { minAvailable: dollars("5.00") } });
    decide(view, [deposit("10.00")]);
    expect(codesOf(decide(view, [withdraw("5.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });
});

describe("value time", () => {
  const closing = { closedUntil: at(1_800n) };

  test("T-2: a closed period is closed but to who may open it, and then it is marked", () => {
    const early = { valueAt: at(1_799n) };
    expect(codesOf(decide(newView(closing), [deposit("1.00")], early))).toEqual([["PERIOD_CLOSED", 0]]);
    expect(decide(newView(closing), [deposit("1.00")], { valueAt: at(1_800n) })).toMatchObject({
      adjustsPeriod: false,
    });
    const permitted = { ...early, ...may("posting.backdate.closed_period") };
    expect(decide(newView(closing), [deposit("1.00")], permitted)).toMatchObject({ adjustsPeriod: true });
  });

  // 100 came at 1100; 80 left at 1300; 70 came at 1600. Live 90.
  const history = {
    opening: dollars("0.00"),
    changes: [
      { valueAt: at(1_100n), change: dollars("100.00") },
      { valueAt: at(1_300n), change: -dollars("80.00") },
      { valueAt: at(1_600n), change: dollars("70.00") },
    ],
  };
  const withHistory = (product = wallet) => {
    const view = newView({ product, spendableHistory: history });
    decide(view, [deposit("90.00")]);
    return view;
  };

  test("BAL-2: live funds decide; what was below zero in the past is marked with its window", () => {
    expect(decide(withHistory(), [withdraw("90.00")], { valueAt: at(1_200n) })).toMatchObject({
      kind: "accepted",
      intermediateNegative: [{ accountId: ADA, windows: [{ from: 1_300n, to: 1_600n }] }],
    });
    expect(decide(withHistory(), [withdraw("20.00")], { valueAt: at(1_200n) })).toMatchObject({
      intermediateNegative: [],
    });
    expect(decide(withHistory(), [withdraw("90.00")])).toMatchObject({ intermediateNegative: [] });
    expect(codesOf(decide(withHistory(), [withdraw("90.01")], { valueAt: at(1_200n) }))).toEqual([
      ["INSUFFICIENT_FUNDS", 0],
    ]);
  });

  test("BAL-2: a product may refuse it", () => {
    const strict = { ...wallet, strictBackdating: true };
    expect(codesOf(decide(withHistory(strict), [withdraw("20.01")], { valueAt: at(1_200n) }))).toEqual([
      ["INTERMEDIATE_NEGATIVE", 0],
    ]);
    const later = [deposit("1.00", { target: BO }), withdraw("20.01")];
    expect(codesOf(decide(withHistory(strict), later, { valueAt: at(1_200n) }))).toEqual([
      ["INTERMEDIATE_NEGATIVE", 1],
    ]);
    expect(decide(withHistory(strict), [deposit("1.00")], { valueAt: at(1_200n) }).kind).toBe("accepted");
  });
});

describe("what products emit", () => {
  const source: DirectiveSource = {
    executionId: "e1",
    account: { accountId: ADA, denomination: USD },
    effectiveAt: at(1_900n),
    bookedAt: NOW,
    cascadeDepth: 1,
    findInternalAccount: (code) => (code === "FEE_INCOME" ? FEES : undefined),
  };
  const fee = (amount: string, to = "FEE_INCOME") => ({
    instructions: [
      {
        legs: [
          { account: "SELF" as const, side: "DEBIT" as const, amount: dollars(amount) },
          { account: { internalCode: to }, side: "CREDIT" as const, amount: dollars(amount) },
        ],
      },
    ],
  });

  test("HOOK-2, CT-1: a directive has the hook's effective time and an id made from its execution", () => {
    const batch = toContractBatch(fee("5.00"), source);
    expect(batch).toMatchObject({
      valueAt: 1_900n,
      bookedAt: NOW,
      instructions: [{ clientTransactionId: "hook_e1:0" }],
    });
    expect(toContractBatch({ ...fee("5.00"), valueAt: at(1_500n) }, source).valueAt).toBe(1_500n);
    const view = newView();
    expect(decideBatch(view, batch).kind).toBe("accepted");
    expect(shows(view)).toBe("-5.00 0.00 0.00 -5.00"); // HOOK-3: its own product does not judge it
  });

  test("HOOK-1: all that an answer posts is one batch: one that is refused takes the others with it", () => {
    const [good] = fee("5.00").instructions;
    const [bad] = fee("5.00", "NONE").instructions;
    const batch = toContractBatch({ instructions: [{ ...good!, details: { why: "late" } }, good!] }, source);
    expect(batch).toMatchObject({ operationId: "hook_e1", clientId: "contract", origin: "CONTRACT" });
    expect(
      batch.instructions.map(({ type, advice, clientTransactionId }) => [type, advice, clientTransactionId]),
    ).toEqual([0, 1].map((place) => ["CUSTOM_INSTRUCTION", false, `hook_e1:${place}`]));
    expect(batch.instructions.map(({ details }) => details)).toEqual([{ why: "late" }, undefined]);
    const view = newView();
    expect(codesOf(decideBatch(view, toContractBatch({ instructions: [good!, bad!] }, source)))).toEqual([
      ["ACCOUNT_NOT_FOUND", 1],
    ]);
    expect(shows(view)).toBe("0.00 0.00 0.00 0.00");
    expect(decideBatch(view, batch).kind).toBe("accepted");
    expect(shows(view)).toBe("-10.00 0.00 0.00 -10.00");
  });

  test("CT-1: a hook that runs again for the same trigger posts once", () => {
    const executionId = executionIdOf("postPosting", ADA, "pib_1");
    expect(executionId).toBe(`postPosting:${formatId("account", ADA)}:pib_1`);
    expect(
      new Set([executionId, executionIdOf("postPosting", BO, "pib_1"), executionIdOf("activation", ADA, "pib_1")]).size,
    ).toBe(3);
    const view = newView();
    const batch = toContractBatch(fee("5.00"), { ...source, executionId });
    expect(decideBatch(view, batch).kind).toBe("accepted");
    expect(codesOf(decideBatch(view, batch))).toEqual([["CLIENT_TRANSACTION_EXISTS", 0]]);
    expect(shows(view)).toBe("-5.00 0.00 0.00 -5.00");
  });

  test("HOOK-3: other accounts' products do, and restrictions hold unless the directive overrides them", () => {
    const toBo = { ...source, findInternalAccount: () => BO };
    const refusing = defineProduct({
      ...terms,
      hooks: (on) => ({
        prePosting: on.prePosting({}, () => [{ instructionIndex: 0, kind: "rule", ...refuse("CONTRACT_REJECTED") }]),
      }),
    });
    const view = newView();
    view.accounts.set(BO, { ...view.accounts.get(BO)!, product: refusing });
    expect(codesOf(decideBatch(view, toContractBatch(fee("1.00"), toBo)))).toEqual([["CONTRACT_REJECTED", 0]]);
    const restrictedView = newView({ restrictions: [restriction("PREVENT_DEBITS")] });
    expect(codesOf(decideBatch(restrictedView, toContractBatch(fee("1.00"), source)))).toEqual([["RESTRICTED", 0]]);
    const [instruction] = fee("1.00").instructions;
    const overriding = { instructions: [{ ...instruction!, overrideRestrictions: ["PREVENT_DEBITS" as const] }] };
    expect(decideBatch(restrictedView, toContractBatch(overriding, source)).kind).toBe("accepted");
  });

  test("HOOK-3: a cascade ends", () => {
    const deep = (cascadeDepth: number) =>
      codesOf(decideBatch(newView(), toContractBatch(fee("1.00"), { ...source, cascadeDepth })));
    expect(deep(MAX_CASCADE_DEPTH)).toEqual([]);
    expect(deep(MAX_CASCADE_DEPTH + 1)).toEqual([["CASCADE_DEPTH", undefined]]);
  });

  test("an account posts to itself while it is being opened or closed, never once it is closed", () => {
    const status = (given: AccountState["status"]) =>
      codesOf(decideBatch(newView({ status: given }), toContractBatch(fee("1.00"), source)));
    expect([status("PENDING"), status("PENDING_CLOSURE")]).toEqual([[], []]);
    expect(status("CLOSED")).toEqual([["ACCOUNT_NOT_OPEN", 0]]);
  });

  test("an internal account that is not there, and a phase that is not COMMITTED", () => {
    expect(codesOf(decideBatch(newView(), toContractBatch(fee("1.00", "NONE"), source)))).toEqual([
      ["ACCOUNT_NOT_FOUND", 0],
    ]);
    const pending = custom([
      leg("DEBIT", ADA, "1.00", { phase: "PENDING_OUT" }),
      leg("CREDIT", BO, "1.00", { phase: "PENDING_OUT" }),
    ]);
    expect(codesOf(decide(newView(), [pending], { origin: "CONTRACT", ...may("posting.custom.pending") }))).toEqual([
      ["PENDING_NOT_PERMITTED", 0],
    ]);
  });

  test("the system's origins hold what they may and nothing else", () => {
    expect(() => decide(newView(), [deposit("1.00")], { origin: "CONTRACT" })).toThrow(/custom instructions/);
    expect(() => decide(newView(), [deposit("1.00")], { origin: "EXPIRY" })).toThrow(/releases/);
  });
});

test("FLAG-1: prePosting sees flags and parameters as of the value time", () => {
  const seen: unknown[] = [];
  const watching = defineProduct({
    ...terms,
    parameters: { limit: { description: "A limit.", kind: "AMOUNT_NOT_NEGATIVE", defaultValue: "0" } },
    hooks: (on) => ({
      prePosting: on.prePosting({ flags: ["DORMANT"], parameters: ["limit"] }, ({ flags, parameters }) => {
        seen.push([flags.DORMANT, parameters.limit]);
        return [];
      }),
    }),
  });
  const view = newView({
    product: watching,
    parameters: { limit: "3.00" },
    flags: { DORMANT: [{ value: true, from: at(1_200n), to: at(1_400n), insertedAt: at(1_500n) }] },
    parameterHistory: {
      instance: { limit: [{ value: "9.00", from: at(1_300n), to: at(1_350n), insertedAt: at(1_600n) }] },
    },
  });
  for (const valueAt of [1_199n, 1_200n, 1_300n, 1_350n, 1_400n])
    decide(view, [deposit("1.00")], { valueAt: at(valueAt) });
  expect(seen).toEqual([
    [false, dollars("3.00")],
    [true, dollars("3.00")],
    [true, dollars("9.00")],
    [true, dollars("3.00")],
    [false, dollars("3.00")],
  ]);
});

describe("what prePosting is given", () => {
  const judging = (hooks: Parameters<typeof defineProduct<typeof terms.parameters>>[0]["hooks"]) =>
    newView({ product: defineProduct({ ...terms, hooks }) });

  test("LIVE observations are of before the batch; others were read before, and one that was not refuses (BAL-1, FET-6)", () => {
    const seen: bigint[] = [];
    const view = judging((on) => ({
      prePosting: on.prePosting({ balances: "latest live" }, ({ balances }) => {
        seen.push(balances.net());
        return [];
      }),
    }));
    decide(view, [deposit("5.00"), deposit("1.00")]);
    decide(view, [deposit("2.00")]);
    expect(seen).toEqual([0n, dollars("6.00")]);

    const dated = judging((on) => ({
      prePosting: on.prePosting({ observations: { then: { at: "EFFECTIVE" }, now: { at: "LIVE" } } }, (input) => {
        seen.push(input.observations.then.net(), input.observations.now.net());
        return [];
      }),
    }));
    expect(codesOf(decide(dated, [deposit("1.00")]))).toEqual([["CONTRACT_ERROR", 0]]);
    const key = "DEFAULT|COMMERCIAL_BANK_MONEY|USD|COMMITTED";
    const then = { [key]: { totalDebit: dollars("0.00"), totalCredit: dollars("9.00") } };
    dated.accounts.set(ADA, { ...dated.accounts.get(ADA)!, observations: { then } });
    expect(codesOf(decide(dated, [deposit("1.00")]))).toEqual([]);
    expect(seen.slice(2)).toEqual([dollars("9.00"), 0n]);
  });

  test("PI-5: an objection for funds counts for what takes money, and not for what lowers a hold or comes in", () => {
    const view = judging((on) => ({
      prePosting: on.prePosting({}, ({ instructions }) =>
        instructions.map(({ index }) => ({ instructionIndex: index, kind: "funds", ...refuse("INSUFFICIENT_FUNDS") })),
      ),
    }));
    const advised = { advice: true };
    decide(view, [authorise("50.00", advised), expectIn("50.00", { ...advised, clientTransactionId: "in" })]);
    const into = { clientTransactionId: "in" };
    for (const taken of [adjust("-1.00"), adjust("-1.00", into), settle("1.00", into), release(into), release()])
      expect(codesOf(decide({ ...view, clientTransactions: new Map(view.clientTransactions) }, [taken]))).toEqual([]);
    for (const refused of [
      adjust("1.00"),
      adjust("1.00", into),
      settle("1.00"),
      deposit("1.00"),
      expectIn("1.00", { clientTransactionId: "b" }),
    ])
      expect(codesOf(decide({ ...view, clientTransactions: new Map(view.clientTransactions) }, [refused]))).toEqual([
        ["INSUFFICIENT_FUNDS", 0],
      ]);
  });

  test("an objection of a rule counts for all of them", () => {
    const view = judging((on) => ({
      prePosting: on.prePosting({}, ({ instructions }) =>
        instructions
          .filter(({ type }) => type === "RELEASE")
          .map(({ index }) => ({ instructionIndex: index, kind: "rule", ...refuse("CONTRACT_REJECTED") })),
      ),
    }));
    decide(view, [authorise("5.00")]);
    expect(codesOf(decide(view, [release()]))).toEqual([["CONTRACT_REJECTED", 0]]);
  });
});
