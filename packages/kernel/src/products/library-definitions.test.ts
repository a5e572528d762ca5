import {
  account,
  ADA,
  codesOf,
  decide,
  deposit,
  dollars,
  NOW,
  OPENED,
  USD,
  withdraw,
  viewOf,
  CASH,
} from "../../test/book-fixture.js";
import { coordinateKey, NO_TOTALS, type Totals } from "../balance.js";
import { runHook } from "../hook-execution.js";
import type { HookAnswers, HookData } from "../hook.js";
import { activate, type Product } from "../product.js";
import { allocate } from "./personal-loan.js";
import { interestForYear } from "./savings-account.js";
import { productLibrary } from "./library.js";
import type { Rate } from "../rounding.js";

/**
 * What each product of the library declares: accounts are stored with these names, sides and defaults, so a change of one is a new version
 * and this table says which it is.
 */
const declared = productLibrary.map(({ code, version, name, tside, parameters, addresses, derivedParameters }) => [
  `${code} ${version}`,
  {
    name,
    tside,
    parameters: Object.fromEntries(parameters.map((one) => [one.name, `${one.kind} ${one.defaultValue}`])),
    addresses: addresses ?? {},
    shows: derivedParameters ?? [],
  },
]);

test("the library, each product with its versions oldest first", () => {
  const overdraft = { arrangedOverdraft: "AMOUNT_NOT_NEGATIVE 0" };
  expect(declared).toEqual([
    ["wallet 1", { name: "Wallet", tside: "LIABILITY", parameters: {}, addresses: {}, shows: [] }],
    [
      "current_account 1",
      { name: "Current account", tside: "LIABILITY", parameters: overdraft, addresses: {}, shows: [] },
    ],
    [
      "current_account 2",
      {
        name: "Current account",
        tside: "LIABILITY",
        parameters: { ...overdraft, overdraftFee: "AMOUNT_NOT_NEGATIVE 0" },
        addresses: {},
        shows: ["overdraftUsed", "spendable"],
      },
    ],
    [
      "savings_account 1",
      {
        name: "Savings account",
        tside: "LIABILITY",
        parameters: { interestTiers: "TIERS 0=0", maximumBalance: "AMOUNT_OR_NONE none" },
        addresses: { ACCRUED_INTEREST: "INTERNAL" },
        shows: ["interestForYear", "roomLeft"],
      },
    ],
    [
      "credit_card 1",
      {
        name: "Credit card",
        tside: "ASSET",
        parameters: { creditLimit: "AMOUNT_NOT_NEGATIVE 0", overSettlementTolerance: "AMOUNT_NOT_NEGATIVE 0" },
        addresses: {},
        shows: ["availableCredit", "owed"],
      },
    ],
    [
      "term_deposit 1",
      {
        name: "Term deposit",
        tside: "LIABILITY",
        parameters: { termDays: "COUNT 365", fundingDays: "COUNT 7", interestRate: "RATE 0" },
        addresses: { ACCRUED_INTEREST: "INTERNAL" },
        shows: ["maturesAt"],
      },
    ],
    [
      "personal_loan 1",
      {
        name: "Personal loan",
        tside: "ASSET",
        parameters: {
          principal: "AMOUNT_NOT_NEGATIVE 0",
          originationFee: "AMOUNT_NOT_NEGATIVE 0",
          interestRate: "RATE 0",
        },
        addresses: { PRINCIPAL: "MINOR", INTEREST: "MINOR", FEES: "MINOR", ACCRUED_INTEREST: "INTERNAL" },
        shows: ["owed", "principalOwed", "interestOwed", "feesOwed"],
      },
    ],
  ]);
});

const byName = new Map(productLibrary.map((product) => [`${product.code} ${product.version}`, product]));
const named = (name: string): Product => byName.get(name)!;

test("every parameter and address says what it is for, and opens with its default", () => {
  for (const product of productLibrary) {
    for (const { description } of product.parameters) expect(description).toMatch(/^[A-Z].{10,}\.$/);
    expect(activate(product, USD, {})).toHaveProperty("parameters");
  }
});

test("what hooks read of balances is live (BAL-1)", () => {
  for (const { hooks = {} } of productLibrary)
    for (const hook of Object.values(hooks)) {
      const { observations, balances } = hook.reads;
      for (const { at } of Object.values(observations ?? {})) expect(at).toBe("LIVE");
      if (balances !== undefined) expect(balances).toBe("latest live");
    }
});

const where = (address: string) =>
  coordinateKey({ address, asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase: "COMMITTED" });
const debit = (amount: string): Totals => ({ ...NO_TOTALS, totalDebit: dollars(amount) });
const credit = (amount: string): Totals => ({ ...NO_TOTALS, totalCredit: dollars(amount) });

function shown(product: Product, given: Record<string, string>, totals: Record<string, Totals>) {
  const activated = activate(product, USD, given);
  if ("refusal" in activated) throw new Error(activated.refusal.message);
  const data: HookData<"derivedParameters"> = {
    account: { accountId: ADA, denomination: USD, tside: product.tside, openedAt: OPENED },
    effectiveAt: NOW,
    parameters: activated.parameters,
    observations: { now: totals, balances: totals },
    occasion: {},
  };
  const outcome = runHook(product, "derivedParameters", data);
  if (outcome.kind !== "answered") throw new Error(JSON.stringify(outcome));
  return outcome.answer;
}

test.each<[string, string, Record<string, string>, Record<string, Totals>, HookAnswers["derivedParameters"]]>([
  [
    "credit_card 1",
    "above a lowered limit",
    { creditLimit: "5" },
    { [where("DEFAULT")]: debit("9.00") },
    { availableCredit: "0.00", owed: "9.00" },
  ],
  [
    "credit_card 1",
    "within it",
    { creditLimit: "5" },
    { [where("DEFAULT")]: debit("4.99") },
    { availableCredit: "0.01", owed: "4.99" },
  ],
  [
    "savings_account 1",
    "above its maximum",
    { maximumBalance: "5" },
    { [where("DEFAULT")]: credit("9.00") },
    { interestForYear: "0.00", roomLeft: "0.00" },
  ],
  [
    "savings_account 1",
    "without one",
    {},
    { [where("DEFAULT")]: credit("9.00") },
    { interestForYear: "0.00", roomLeft: "none" },
  ],
  [
    "savings_account 1",
    "whose interest ends between two cents, the lower even",
    { interestTiers: "0=0.01" },
    { [where("DEFAULT")]: credit("12.50") },
    { interestForYear: "0.12", roomLeft: "none" },
  ],
  [
    "savings_account 1",
    "the upper even",
    { interestTiers: "0=0.01" },
    { [where("DEFAULT")]: credit("13.50") },
    { interestForYear: "0.14", roomLeft: "none" },
  ],
])("what a %s shows of itself %s", (name, _what, given, totals, expected) => {
  expect(shown(named(name), given, totals)).toEqual(expected);
});

test("interest is rounded half to even at the internal scale, slice by slice (MON-3)", () => {
  const half = (10n ** 12n / 2n) as Rate;
  const tier = { from: 0n as Parameters<typeof interestForYear>[0], rate: half };
  const year = (balance: bigint) => interestForYear(balance as typeof tier.from, [tier]);
  expect([1n, 3n, 5n, 7n].map(year)).toEqual([0n, 2n, 2n, 4n]);
});

describe("what products object to is of the kind that an advice may or may not pass (PI-4)", () => {
  const view = (name: string, parameters: Record<string, string>) => {
    const product = named(name);
    return viewOf(
      account(ADA, { product, tside: product.tside, parameters }),
      account(CASH, { product: undefined, tside: "ASSET" }),
    );
  };
  const advised = { advice: true };

  test("PI-4: money that a credit card has paid already is owed, whatever the limit", () => {
    const card = () => view("credit_card 1", { creditLimit: "1.00", overSettlementTolerance: "0.00" });
    expect(codesOf(decide(card(), [withdraw("2.00")]))).toEqual([["CREDIT_LIMIT", 0]]);
    expect(decide(card(), [withdraw("2.00", advised)])).toMatchObject({
      acceptedDespite: [{ instructionIndex: 0, code: "CREDIT_LIMIT" }],
    });
  });

  test("the first current account has its overdraft, too", () => {
    const first = () => view("current_account 1", { arrangedOverdraft: "5.00" });
    expect(codesOf(decide(first(), [withdraw("5.00")]))).toEqual([]);
    expect(codesOf(decide(first(), [withdraw("5.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });

  test.each<[string, Record<string, string>, string, boolean]>([
    ["savings_account 1", { interestTiers: "0=0", maximumBalance: "1.00" }, "MAXIMUM_BALANCE", true],
    ["term_deposit 1", { termDays: "1", fundingDays: "0", interestRate: "0" }, "CONTRACT_REJECTED", false],
    ["personal_loan 1", { principal: "0.00", originationFee: "0.00", interestRate: "0" }, "CONTRACT_REJECTED", false],
  ])("a deposit to %s", (name, parameters, code, passes) => {
    expect(codesOf(decide(view(name, parameters), [deposit("2.00")]))).toEqual([[code, 0]]);
    const decision = decide(view(name, parameters), [deposit("2.00", advised)]);
    if (passes) expect(decision).toMatchObject({ acceptedDespite: [{ instructionIndex: 0, code }] });
    else expect(codesOf(decision)).toEqual([[code, 0]]);
  });
});

test("a repayment is allocated by debits of DEFAULT and credits of what was owed, and says to what", () => {
  const owed = { FEES: "1.00", INTEREST: "0.00", PRINCIPAL: "9.00" } as const;
  expect(allocate(dollars("3.00"), (address) => dollars(owed[address]))).toEqual(
    [
      ["FEES", "1.00"],
      ["PRINCIPAL", "2.00"],
    ].map(([address, amount]) => ({
      legs: [
        { account: "SELF", side: "DEBIT", amount: dollars(amount!) },
        { account: "SELF", address, side: "CREDIT", amount: dollars(amount!) },
      ],
      details: { allocatedTo: address },
    })),
  );
});
