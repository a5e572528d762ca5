import { ADA, decide, dollars, newView, withdraw } from "../test/book-fixture.js";
import { minorDigits, type CurrencyCode } from "./currency.js";
import type { InstructionChange } from "./hook.js";
import { activate, objectToCommittedAbove, objectToSpendableBelow, scaleOfAddress, type Product } from "./product.js";
import { currentAccountV1 } from "./products/current-account.js";
import { productLibrary } from "./products/library.js";
import { wallet } from "./products/wallet.js";
import { refuse } from "./refusal.js";

const USD = "USD" as CurrencyCode;
const JPY = "JPY" as CurrencyCode;

describe("what an account may be opened with", () => {
  test.each([
    [wallet, USD, {}, {}],
    [currentAccountV1, USD, {}, { arrangedOverdraft: "0.00" }],
    [currentAccountV1, JPY, {}, { arrangedOverdraft: "0" }],
    [currentAccountV1, USD, { arrangedOverdraft: "250.5" }, { arrangedOverdraft: "250.50" }],
  ])("%o", (product, currency, proposed, parameters) => {
    expect(activate(product, currency, proposed)).toEqual({ parameters });
  });

  test.each([
    [currentAccountV1, USD, { arrangedOverdraft: "-1" }, "arrangedOverdraft"],
    [currentAccountV1, USD, { arrangedOverdraft: "1.001" }, "arrangedOverdraft"],
    [currentAccountV1, JPY, { arrangedOverdraft: "0.5" }, "arrangedOverdraft"],
    [currentAccountV1, USD, { arrangedOverdraft: 5 }, "arrangedOverdraft"],
    [currentAccountV1, USD, { arrangedOverdraft: null }, undefined],
    [wallet, USD, { colour: "red" }, "colour"],
    [wallet, USD, [], "send an object"],
    [wallet, USD, null, "send an object"],
  ])("refuses, or takes null as absent, and names the parameter: %o", (product, currency, proposed, named) => {
    const activation = activate(product, currency, proposed);
    if (named === undefined) expect(activation).toHaveProperty("parameters");
    else
      expect(activation).toMatchObject({
        refusal: { code: "PARAMETER_INVALID", message: expect.stringContaining(named) },
      });
  });

  test("a product may be offered in some currencies only", () => {
    const local: Product = { ...wallet, code: "local", currencies: [USD] };
    expect(activate(local, USD, {})).toHaveProperty("parameters");
    expect(activate(local, JPY, {})).toMatchObject({ refusal: { code: "CURRENCY_NOT_OFFERED" } });
  });
});

test("versions of the library are unique, and the codes and parameters of the first ones stand", () => {
  const versions = productLibrary.map(({ code, version }) => `${code} ${version}`);
  expect(new Set(versions).size).toBe(versions.length);
  expect(wallet).toMatchObject({ code: "wallet", version: "1", parameters: [] });
  expect(currentAccountV1).toMatchObject({ code: "current_account", version: "1" });
  expect(currentAccountV1.parameters).toEqual([
    {
      name: "arrangedOverdraft",
      description: "How far below zero available may fall, in the account's currency.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
  ]);
});

test("MON-2: DEFAULT is MINOR whatever a product says of it, and so is what it does not name", () => {
  const odd: Product = { ...wallet, addresses: { DEFAULT: "INTERNAL", ACCRUED: "INTERNAL", FEES: "MINOR" } };
  expect(["DEFAULT", "ACCRUED", "FEES", "OTHER"].map((address) => scaleOfAddress(odd, address))).toEqual([
    "MINOR",
    "INTERNAL",
    "MINOR",
    "MINOR",
  ]);
  expect(scaleOfAddress(undefined, "ACCRUED")).toBe("MINOR");
});

test("a currency that is not registered has no digits", () => {
  expect(() => minorDigits("XXX" as CurrencyCode)).toThrow(/not a registered currency: XXX/);
});

describe("BAL-1, BAL-3: the two objections that products share", () => {
  /** What one instruction changes, from and to: available is committed here. */
  const change = (from: string, to: string): InstructionChange => {
    const view = newView({ product: undefined });
    const decision = decide(view, [withdraw("1.00")]);
    if (decision.kind === "rejected") throw new Error("refused");
    const nets = (amount: string) => ({
      committed: dollars(amount),
      pendingIn: dollars("0.00"),
      pendingOut: dollars("0.00"),
      available: dollars(amount),
    });
    return {
      index: 7,
      type: "TRANSFER",
      advice: false,
      before: nets(from),
      after: nets(to),
      legs: decision.legs.filter(({ accountId }) => accountId === ADA),
      clientTransaction: decision.clientTransactions[0]!,
      overSettledAmount: dollars("0.00"),
    };
  };
  const funds = [{ instructionIndex: 7, kind: "funds", ...refuse("INSUFFICIENT_FUNDS") }];
  const limit = [{ instructionIndex: 7, kind: "limit", ...refuse("MAXIMUM_BALANCE") }];

  test.each([
    ["falls below", "5.00", "1.99", funds],
    ["falls to the floor", "5.00", "2.00", []],
    ["falls further", "1.00", "0.99", funds],
    ["stays below", "1.00", "1.00", []],
    ["is cured in part", "1.00", "1.01", []],
  ] as const)("what can be spent %s", (_what, from, to, objections) => {
    expect(objectToSpendableBelow(dollars("2.00"), "LIABILITY", [change(from, to)])).toEqual(objections);
    // What is owed is the mirror.
    expect(objectToSpendableBelow(dollars("2.00"), "ASSET", [change(`-${from}`, `-${to}`)])).toEqual(objections);
  });

  test.each([
    ["rises above", "1.00", "2.01", limit],
    ["rises to the maximum", "1.00", "2.00", []],
    ["rises further", "3.00", "3.01", limit],
    ["stays above", "3.00", "3.00", []],
    ["is cured in part", "3.00", "2.99", []],
  ] as const)("what is held %s", (_what, from, to, objections) => {
    expect(objectToCommittedAbove(dollars("2.00"), [change(from, to)])).toEqual(objections);
  });
});
