import {
  account,
  ADA,
  authorise,
  BO,
  CASH,
  codesOf,
  decide,
  deposit,
  EUR,
  FEES,
  id,
  money,
  newView,
  NOBODY,
  release,
  settle,
  shows,
  transfer,
  TXN,
  viewOf,
} from "../test/book-fixture.js";
import type { BookView } from "./book-view.js";
import { defineProduct } from "./define-product.js";
import type { CustomInstruction, InstructedLeg, Side } from "./instruction.js";

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
      effects: [{ clientTransactionId: TXN, isConverted: false }],
    });
    expect([shows(view, ADA), shows(view, BO)]).toEqual(["9.00 0.00 0.00 9.00", "1.00 0.00 0.00 1.00"]);
    expect(codesOf(decide(view, [settle("1.00")]))).toEqual([["CLIENT_TRANSACTION_MISMATCH", 0]]);
    expect(codesOf(decide(view, [authorise("1.00")]))).toEqual([["CLIENT_TRANSACTION_EXISTS", 0]]);
  });

  test("what is left out is DEFAULT, COMMERCIAL_BANK_MONEY and COMMITTED", () => {
    const said = { address: "DEFAULT", asset: "COMMERCIAL_BANK_MONEY", phase: "COMMITTED" } as const;
    expect(
      codesOf(decide(newView(), [custom([leg("DEBIT", CASH, "5.00", said), leg("CREDIT", ADA, "5.00")])])),
    ).toEqual([]);
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
      "a leg beside two that balance (INV-1)",
      [leg("DEBIT", CASH, "5.00"), leg("CREDIT", ADA, "5.00"), leg("CREDIT", BO, "1.00")],
      "INSTRUCTION_UNBALANCED",
    ],
    [
      "sides that balance only across phases (INV-1)",
      [leg("DEBIT", CASH, "5.00", { phase: "PENDING_IN" }), leg("CREDIT", ADA, "5.00")],
      "INSTRUCTION_UNBALANCED",
    ],
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
