import {
  account,
  ADA,
  adjust,
  authorise,
  CASH,
  codesOf,
  decide,
  deposit,
  EUR,
  money,
  newView,
  NOBODY,
  replaceTo,
  settle,
  transfer,
  USD,
  withdraw,
} from "../test/book-fixture.js";
import type { AccountState } from "./book-view.js";
import {
  assertBalanced,
  expandCustom,
  findImbalance,
  type CustomInstruction,
  type InstructedLeg,
  type Leg,
  type Phase,
  type Side,
} from "./instruction.js";
import type { Amount } from "./money.js";
import { refuse } from "./refusal.js";

const leg = (side: Side, amount: bigint, more: Partial<Leg> = {}): Leg => ({
  accountId: ADA,
  address: "DEFAULT",
  asset: "COMMERCIAL_BANK_MONEY",
  denomination: USD,
  phase: "COMMITTED",
  side,
  amount: amount as Amount,
  ...more,
});
const instructed = (
  side: Side,
  of: InstructedLeg["account"],
  amount: string,
  more: Partial<InstructedLeg> = {},
): InstructedLeg => ({ account: of, side, money: money(amount), ...more });
const custom = (...legs: readonly InstructedLeg[]): CustomInstruction => ({
  type: "CUSTOM_INSTRUCTION",
  advice: false,
  legs,
});
const may = (...permissions: readonly string[]) => ({ permissions: new Set(permissions) });

describe("INV-1: legs balance for each asset, denomination and phase, or there are none", () => {
  test.each<[string, readonly Leg[], string | undefined]>([
    ["none", [], undefined],
    ["a pair", [leg("DEBIT", 5n), leg("CREDIT", 5n)], undefined],
    ["one against two", [leg("DEBIT", 5n), leg("CREDIT", 2n), leg("CREDIT", 3n)], undefined],
    ["one alone", [leg("DEBIT", 5n)], "COMMERCIAL_BANK_MONEY|USD|COMMITTED"],
    ["two debits", [leg("DEBIT", 5n), leg("DEBIT", 5n)], "COMMERCIAL_BANK_MONEY|USD|COMMITTED"],
    ["other amounts", [leg("DEBIT", 5n), leg("CREDIT", 6n)], "COMMERCIAL_BANK_MONEY|USD|COMMITTED"],
    [
      "other phases",
      [leg("DEBIT", 5n), leg("CREDIT", 5n, { phase: "PENDING_IN" })],
      "COMMERCIAL_BANK_MONEY|USD|COMMITTED",
    ],
    ["other assets", [leg("DEBIT", 5n, { asset: "GOLD" }), leg("CREDIT", 5n)], "GOLD|USD|COMMITTED"],
    [
      "other denominations",
      [leg("DEBIT", 5n, { denomination: EUR }), leg("CREDIT", 5n)],
      "COMMERCIAL_BANK_MONEY|EUR|COMMITTED",
    ],
    [
      "the second phase of two",
      [
        leg("DEBIT", 5n),
        leg("CREDIT", 5n),
        leg("DEBIT", 1n, { phase: "PENDING_OUT" }),
        leg("CREDIT", 2n, { phase: "PENDING_OUT" }),
      ],
      "COMMERCIAL_BANK_MONEY|USD|PENDING_OUT",
    ],
  ])("%s", (_what, legs, key) => {
    expect(findImbalance(legs)).toBe(key);
    if (key === undefined) expect(() => assertBalanced(legs)).not.toThrow();
    else expect(() => assertBalanced(legs)).toThrow(`INV-1: debits and credits differ in ${key}`);
  });

  test.each([0n, -5n])("PI-6: a leg of %s is a fault even where it balances", (amount) => {
    expect(() => assertBalanced([leg("DEBIT", amount), leg("CREDIT", amount)])).toThrow(/amounts are above zero/);
  });

  test("a custom instruction whose account is not known has no legs", () => {
    expect(() => expandCustom(custom(instructed("DEBIT", undefined, "1.00")))).toThrow(/without its accounts/);
  });

  test("two legs of one side do not balance, however equal they are", () => {
    expect(
      codesOf(decide(newView(), [custom(instructed("DEBIT", CASH, "5.00"), instructed("DEBIT", ADA, "5.00"))])),
    ).toEqual([["INSTRUCTION_UNBALANCED", 0]]);
  });
});

describe("the shape of an instruction", () => {
  test.each(["aGOLD", "GOLD!", "gold", "", "_GOLD", "9GOLD", "G OLD", `G${"A".repeat(64)}`])(
    "%j is the name of no asset and of no address",
    (name) => {
      expect(codesOf(decide(newView(), [deposit("1.00", { asset: name })]))).toEqual([["ADDRESS_INVALID", 0]]);
      const named = custom(instructed("DEBIT", CASH, "1.00"), instructed("CREDIT", ADA, "1.00", { address: name }));
      expect(codesOf(decide(newView(), [named], may("posting.address")))).toEqual([["ADDRESS_INVALID", 0]]);
    },
  );

  test.each(["G", "GOLD_9", `G${"A".repeat(63)}`])("%s is one", (name) => {
    expect(codesOf(decide(newView(), [deposit("1.00", { asset: name })]))).toEqual([]);
  });

  test("MON-2: DEFAULT takes minor digits only, whatever an internal account says of it", () => {
    const view = newView();
    view.accounts.set(CASH, { ...view.accounts.get(CASH)!, addressScales: { DEFAULT: "INTERNAL" } });
    const legs = [instructed("DEBIT", CASH, "0.001"), instructed("CREDIT", CASH, "0.001")];
    expect(codesOf(decide(view, [custom(...legs)]))).toEqual([["AMOUNT_SCALE", 0]]);
  });

  test("PI-6, MON-2: the amounts of follow-ups are judged as those of openers", () => {
    const held = () => {
      const view = newView();
      decide(view, [deposit("50.00"), authorise("9.00")]);
      return view;
    };
    expect(codesOf(decide(held(), [settle("0.001")]))).toEqual([["AMOUNT_SCALE", 0]]);
    expect(codesOf(decide(held(), [settle("-1.00")]))[0]).toEqual(["AMOUNT_NOT_POSITIVE", 0]);
    expect(codesOf(decide(held(), [replaceTo("0.001")]))).toEqual([["AMOUNT_SCALE", 0]]);
    expect(codesOf(decide(held(), [replaceTo("-1.00")]))[0]).toEqual(["AMOUNT_NOT_POSITIVE", 0]);
    expect(codesOf(decide(held(), [adjust("-0.001")]))).toEqual([["AMOUNT_SCALE", 0]]);
    const zero = decide(held(), [settle("0.00")]);
    expect(zero).toMatchObject({ violations: [{ ...refuse("AMOUNT_NOT_POSITIVE"), instructionIndex: 0 }] });
  });
});

describe("the accounts of an instruction", () => {
  const pocketed = custom(
    instructed("DEBIT", NOBODY, "1.00", { address: "POCKET" }),
    instructed("DEBIT", undefined, "1.00", { address: "POCKET" }),
    instructed("CREDIT", ADA, "2.00"),
  );

  test("each fault is told once, however many legs have it", () => {
    expect(codesOf(decide(newView(), [pocketed], may("posting.address")))).toEqual([["ACCOUNT_NOT_FOUND", 0]]);
  });

  test("only a transfer has a recipient", () => {
    expect(codesOf(decide(newView(), [deposit("1.00", { counterparty: NOBODY })]))).toEqual([["ACCOUNT_NOT_FOUND", 0]]);
    expect(codesOf(decide(newView(), [authorise("1.00", { counterparty: NOBODY })]))).toEqual([
      ["ACCOUNT_NOT_FOUND", 0],
    ]);
    expect(codesOf(decide(newView(), [transfer("1.00", { counterparty: NOBODY })]))).toEqual([
      ["RECIPIENT_NOT_FOUND", 0],
    ]);
    expect(codesOf(decide(newView(), [transfer("1.00", { target: NOBODY, counterparty: NOBODY })]))).toEqual([
      ["ACCOUNT_NOT_FOUND", 0],
      ["RECIPIENT_NOT_FOUND", 0],
    ]);
  });

  test.each<[AccountState["status"], boolean]>([
    ["PENDING", false],
    ["OPEN", true],
    ["PENDING_CLOSURE", true],
    ["CLOSED", false],
  ])("a hold on an account that is %s: its end is taken? %s", (status, isTaken) => {
    const view = newView();
    decide(view, [deposit("50.00"), authorise("9.00")]);
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, status });
    expect(codesOf(decide(view, [settle("1.00")]))).toEqual(isTaken ? [] : [["ACCOUNT_NOT_OPEN", 0]]);
    expect(codesOf(decide(view, [adjust("1.00")]))).toEqual(status === "OPEN" ? [] : [["ACCOUNT_NOT_OPEN", 0]]);
  });

  test.each<Phase>(["PENDING_IN", "PENDING_OUT"])(
    "one leg in %s among committed ones needs the permission",
    (phase) => {
      const mixed = custom(
        instructed("DEBIT", CASH, "1.00"),
        instructed("CREDIT", ADA, "1.00"),
        instructed("DEBIT", CASH, "1.00", { phase }),
        instructed("CREDIT", ADA, "1.00", { phase }),
      );
      expect(codesOf(decide(newView(), [mixed]))).toEqual([["PENDING_NOT_PERMITTED", 0]]);
    },
  );
});

describe("an opener that was refused, in the same batch", () => {
  const named = { clientTransactionId: "one" };

  test.each([
    ["a hold", authorise("0.00", named), "CLIENT_TRANSACTION_EXISTS"],
    [
      "a hold that comes in",
      authorise("0.00", { ...named, type: "INBOUND_AUTHORISATION" }),
      "CLIENT_TRANSACTION_EXISTS",
    ],
    ["a movement", withdraw("0.00", named), "CLIENT_TRANSACTION_CLOSED"],
  ])("CT-1: %s takes its id all the same, as it would have", (_what, refused, code) => {
    expect(codesOf(decide(newView(), [refused, deposit("1.00", named), deposit("2.00", named)]))).toEqual([
      ["AMOUNT_NOT_POSITIVE", 0],
      [code, 1],
      [code, 2],
    ]);
  });

  test("CT-1: so does a custom instruction", () => {
    expect(codesOf(decide(newView(), [{ ...custom(), ...named }, deposit("1.00", named)]))).toEqual([
      ["INSTRUCTION_UNBALANCED", 0],
      ["CLIENT_TRANSACTION_EXISTS", 1],
    ]);
  });

  test("what follows up an older hold is judged, though an opener of its id was refused", () => {
    const view = newView();
    decide(view, [deposit("50.00"), authorise("9.00")]);
    expect(codesOf(decide(view, [authorise("1.00"), adjust("-99.00")]))).toEqual([
      ["CLIENT_TRANSACTION_EXISTS", 0],
      ["ADJUSTMENT_BELOW_ZERO", 1],
    ]);
  });

  test("PIB-1: later instructions do not see what was refused", () => {
    const restrictions = [
      { code: "X", version: "1", level: "ACCOUNT", type: "PREVENT_CREDITS", from: account(ADA).openedAt },
    ] as const;
    expect(codesOf(decide(newView({ restrictions }), [deposit("5.00"), withdraw("1.00")]))).toEqual([
      ["RESTRICTED", 0],
      ["INSUFFICIENT_FUNDS", 1],
    ]);
  });
});
