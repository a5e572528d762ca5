import type { CurrencyCode } from "./currency.js";
import { asUuid } from "./ids.js";
import { ZERO } from "./money.js";
import { activate, runPrePosting, type PrePostingInput, type Product } from "./product.js";
import { currentAccount } from "./products/current-account.js";
import { productLibrary } from "./products/library.js";
import { wallet } from "./products/wallet.js";

const USD = "USD" as CurrencyCode;
const JPY = "JPY" as CurrencyCode;

describe("what an account may be opened with", () => {
  test.each([
    [wallet, USD, {}, {}],
    [currentAccount, USD, {}, { arrangedOverdraft: "0.00" }],
    [currentAccount, JPY, {}, { arrangedOverdraft: "0" }],
    [currentAccount, USD, { arrangedOverdraft: "250.5" }, { arrangedOverdraft: "250.50" }],
  ])("%o", (product, currency, proposed, parameters) => {
    expect(activate(product, currency, proposed)).toEqual({ parameters });
  });

  test.each([
    [currentAccount, USD, { arrangedOverdraft: "-1" }, "arrangedOverdraft"],
    [currentAccount, USD, { arrangedOverdraft: "1.001" }, "arrangedOverdraft"],
    [currentAccount, JPY, { arrangedOverdraft: "0.5" }, "arrangedOverdraft"],
    [currentAccount, USD, { arrangedOverdraft: 5 }, "arrangedOverdraft"],
    [currentAccount, USD, { arrangedOverdraft: null }, undefined],
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

test("a product that throws never accepts", () => {
  const broken: Product = {
    ...wallet,
    prePosting: () => {
      throw new Error("division by zero");
    },
  };
  const nets = { committed: ZERO, pendingIn: ZERO, pendingOut: ZERO, available: ZERO };
  const input: PrePostingInput = {
    account: { accountId: asUuid("018f0000-0000-7000-8000-000000000001"), denomination: USD, parameters: {} },
    instructions: [{ index: 3, type: "TRANSFER", advice: true, before: nets, after: nets }],
  };
  expect(runPrePosting(broken, input)).toMatchObject([{ instructionIndex: 3, kind: "rule", code: "CONTRACT_ERROR" }]);
});

test("codes of the library are unique", () => {
  expect(new Set(productLibrary.map((product) => product.code)).size).toBe(productLibrary.length);
});
