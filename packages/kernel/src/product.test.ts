import type { CurrencyCode } from "./currency.js";
import { activate, type Product } from "./product.js";
import { currentAccountV1 } from "./products/current-account.js";
import { builtInProducts } from "./products/library.js";
import { wallet } from "./products/wallet.js";

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
  const versions = builtInProducts.map(({ code, version }) => `${code} ${version}`);
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
