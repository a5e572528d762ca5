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
  EUR,
  FEES,
  id,
  money,
  newView,
  NOBODY,
  NOW,
  OPENED,
  release,
  settle,
  settleFinally,
  shows,
  transfer,
  TXN,
  USD,
  viewOf,
  withdraw,
} from "../test/book-fixture.js";
import type { AccountState, BookView } from "./book-view.js";
import { defineProduct } from "./define-product.js";
import { MAX_CASCADE_DEPTH } from "./hook.js";
import type { CustomInstruction, InstructedLeg, Instruction, Side } from "./instruction.js";
import { refusalCodes, refuse } from "./refusal.js";
import type { Restriction } from "./restriction.js";
import { toContractBatch, type DirectiveSource } from "./contract-batch.js";
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

describe("custom instructions (§2.3)", () => {
  const move = (more: Partial<InstructedLeg> = {}) => [
    leg("DEBIT", CASH, "5.00", more),
    leg("CREDIT", ADA, "5.00", more),
  ];

  test("any legs that balance; the client transaction groups and stays open", () => {
    const view = newView();
    const three = [leg("DEBIT", CASH, "5.00"), leg("CREDIT", ADA, "4.00"), leg("CREDIT", BO, "1.00")];
    expect(decide(view, [custom(three, { clientTransactionId: TXN })]).kind).toBe("accepted");
    expect(decide(view, [custom(move(), { clientTransactionId: TXN })])).toMatchObject({
      clientTransactions: [{ kind: "CUSTOM", status: "OPEN_CUSTOM", isFinal: false }],
    });
    expect([shows(view, ADA), shows(view, BO)]).toEqual(["9.00 0.00 0.00 9.00", "1.00 0.00 0.00 1.00"]);
    expect(codesOf(decide(view, [settle("1.00")]))).toEqual([["CLIENT_TRANSACTION_MISMATCH", 0]]);
    expect(codesOf(decide(view, [authorise("1.00")]))).toEqual([["CLIENT_TRANSACTION_EXISTS", 0]]);
  });

  test("it joins no hold, and nothing that is closed (CT-2, CT-5)", () => {
    const view = newView();
    decide(view, [deposit("10.00"), authorise("5.00")]);
    expect(codesOf(decide(view, [custom(move(), { clientTransactionId: TXN })]))).toEqual([
      ["CLIENT_TRANSACTION_MISMATCH", 0],
    ]);
    decide(view, [release()]);
    expect(codesOf(decide(view, [custom(move(), { clientTransactionId: TXN })]))).toEqual([
      ["CLIENT_TRANSACTION_CLOSED", 0],
    ]);
  });

  test.each<[string, readonly InstructedLeg[], string]>([
    ["nothing", [], "INSTRUCTION_UNBALANCED"],
    ["one leg", [leg("DEBIT", CASH, "5.00")], "INSTRUCTION_UNBALANCED"],
    ["sides that differ (INV-1)", [leg("DEBIT", CASH, "5.00"), leg("CREDIT", ADA, "4.99")], "INSTRUCTION_UNBALANCED"],
    [
      "sides that balance only across assets (INV-1)",
      [leg("DEBIT", CASH, "5.00", { asset: "GOLD" }), leg("CREDIT", ADA, "5.00")],
      "INSTRUCTION_UNBALANCED",
    ],
    ["an amount of zero (PI-6)", [leg("DEBIT", CASH, "0.00"), leg("CREDIT", ADA, "0.00")], "AMOUNT_NOT_POSITIVE"],
    [
      "a name that is none",
      [leg("DEBIT", CASH, "5.00", { asset: "a|b" }), leg("CREDIT", ADA, "5.00", { asset: "a|b" })],
      "ADDRESS_INVALID",
    ],
    ["an account that is not there", [leg("DEBIT", NOBODY, "5.00"), leg("CREDIT", ADA, "5.00")], "ACCOUNT_NOT_FOUND"],
    ["a reference that named none", [leg("DEBIT", undefined, "5.00"), leg("CREDIT", ADA, "5.00")], "ACCOUNT_NOT_FOUND"],
    [
      "digits that DEFAULT does not take (MON-2)",
      [leg("DEBIT", CASH, "0.001"), leg("CREDIT", ADA, "0.001")],
      "AMOUNT_SCALE",
    ],
  ])("refuses %s", (_what, legs, code) => {
    expect(codesOf(decide(newView(), [custom(legs)]))[0]).toEqual([code, 0]);
  });

  test("other addresses and pending phases need their permissions (§2.0, §2.3)", () => {
    const pocket = [leg("DEBIT", ADA, "1.00"), leg("CREDIT", ADA, "1.00", { address: "POCKET" })];
    const view = newView();
    decide(view, [deposit("5.00")]);
    expect(codesOf(decide(view, [custom(pocket)]))).toEqual([["ADDRESS_NOT_PERMITTED", 0]]);
    expect(decide(view, [custom(pocket)], may("posting.address")).kind).toBe("accepted");
    expect(shows(view)).toBe("4.00 0.00 0.00 4.00");
    expect(codesOf(decide(view, [custom(move({ phase: "PENDING_IN" }))]))).toEqual([["PENDING_NOT_PERMITTED", 0]]);
    expect(decide(view, [custom(move({ phase: "PENDING_IN" }))], may("posting.custom.pending")).kind).toBe("accepted");
  });

  test("MON-2: an INTERNAL address of a product, or of an internal account, takes all digits", () => {
    const accruing = defineProduct({ ...terms, addresses: { ACCRUED: "INTERNAL" }, hooks: () => ({}) });
    const accrual = [
      leg("DEBIT", FEES, "0.0000001", { address: "PAYABLE" }),
      leg("CREDIT", ADA, "0.0000001", { address: "ACCRUED" }),
    ];
    const view = newView({ product: accruing });
    expect(codesOf(decide(view, [custom(accrual)], may("posting.address")))).toEqual([["AMOUNT_SCALE", 0]]);
    view.accounts.set(FEES, { ...view.accounts.get(FEES)!, addressScales: { PAYABLE: "INTERNAL" } });
    expect(decide(view, [custom(accrual)], may("posting.address")).kind).toBe("accepted");
  });

  describe("MON-4: an exchange is one custom instruction that balances in each denomination", () => {
    const [POSITION_USD, POSITION_EUR, BO_EUR] = [id(20), id(21), id(22)];
    const exchangeView = (): BookView => {
      const view = viewOf(
        account(ADA),
        account(BO_EUR, { denomination: EUR }),
        account(CASH, { tside: "ASSET", product: undefined }),
        account(POSITION_USD, { product: undefined }),
        account(POSITION_EUR, { product: undefined, denomination: EUR }),
      );
      decide(view, [deposit("100.00")]);
      return view;
    };
    const four = [
      leg("DEBIT", ADA, "11.00"),
      leg("CREDIT", POSITION_USD, "11.00"),
      leg("DEBIT", POSITION_EUR, "0.00", { money: money("10.00", EUR) }),
      leg("CREDIT", BO_EUR, "0.00", { money: money("10.00", EUR) }),
    ];
    const fx = { rate: "1.1", rateSource: "ECB", rateTimestamp: "2026-01-31T15:00:00Z" };

    test("with its rate it goes through", () => {
      expect(decide(exchangeView(), [custom(four, { fx })]).kind).toBe("accepted");
    });
    test.each([
      ["no rate", undefined],
      ["a rate of zero", { ...fx, rate: "0.0" }],
      ["a negative rate", { ...fx, rate: "-1" }],
      ["no source", { ...fx, rateSource: "" }],
      ["no time", { ...fx, rateTimestamp: "yesterday" }],
    ])("%s", (_what, record) => {
      expect(codesOf(decide(exchangeView(), [custom(four, { fx: record })]))).toEqual([["FX_RECORD_INVALID", 0]]);
    });
    test("a rate where nothing is exchanged is a mistake too", () => {
      expect(codesOf(decide(newView(), [custom(move(), { fx })]))).toEqual([["FX_RECORD_INVALID", 0]]);
    });
    test("across denominations nothing balances", () => {
      const legs = [leg("DEBIT", ADA, "10.00"), leg("CREDIT", BO_EUR, "0", { money: money("10.00", EUR) })];
      expect(codesOf(decide(exchangeView(), [custom(legs, { fx })]))).toEqual([["INSTRUCTION_UNBALANCED", 0]]);
    });
    test("no other instruction changes money", () => {
      expect(codesOf(decide(exchangeView(), [transfer("1.00", { counterparty: BO_EUR })]))).toEqual([
        ["CURRENCY_MISMATCH", 0],
      ]);
    });
  });
});

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
    ["REVIEW_DEBITS", "RESTRICTED_REVIEW", [withdraw("1.00")], [deposit("1.00")]],
    ["REVIEW_CREDITS", "RESTRICTED_REVIEW", [deposit("1.00")], [withdraw("1.00")]],
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
    expect(codesOf(decide(restricted(restriction("PREVENT_DEBITS")), [advice]))).toEqual([["RESTRICTED", 0]]);
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
