import {
  account,
  ADA,
  at,
  authorise,
  decide,
  deposit,
  dollars,
  newView,
  NOW,
  OPENED,
  USD,
  withdraw,
} from "../test/book-fixture.js";
import { planConversion, planParameterChange, refuseClosure } from "./account-life.js";
import { coordinateKey, NO_TOTALS } from "./balance.js";
import type { CurrencyCode } from "./currency.js";
import { defineProduct } from "./define-product.js";
import { runHook } from "./hook-execution.js";
import { decodeParameter } from "./parameter.js";
import { activate } from "./product.js";
import { creditCard } from "./products/credit-card.js";
import { currentAccount, currentAccountV1 } from "./products/current-account.js";
import { wallet } from "./products/wallet.js";

const codes = (refusals: readonly { readonly code: string }[]) => refusals.map(({ code }) => code);
const me = { accountId: ADA, denomination: USD, tside: "LIABILITY", openedAt: OPENED } as const;

describe("closing an account (HOOK-7)", () => {
  test("every coordinate is zero, nothing is pending, and no restriction forbids it", () => {
    const view = newView();
    const now = () => view.accounts.get(ADA)!;
    expect(refuseClosure(now(), 0, NOW)).toEqual([]);
    decide(view, [deposit("5.00"), authorise("5.00")]);
    expect(codes(refuseClosure(now(), 1, NOW))).toEqual(["CLIENT_TRANSACTION_OPEN", "BALANCE_NOT_ZERO"]);
    decide(view, [withdraw("5.00", { advice: true })]);
    expect(codes(refuseClosure(now(), 0, NOW))).toEqual(["BALANCE_NOT_ZERO"]); // the hold's phase
    const forbidding = {
      code: "CASE_9",
      version: "1",
      level: "CUSTOMER",
      type: "PREVENT_CLOSURE",
      from: OPENED,
    } as const;
    expect(codes(refuseClosure(account(ADA, { restrictions: [forbidding] }), 0, NOW))).toEqual(["RESTRICTED"]);
    expect(refuseClosure(account(ADA, { restrictions: [{ ...forbidding, to: NOW }] }), 0, NOW)).toEqual([]);
    expect(codes(refuseClosure(account(ADA, { status: "CLOSED" }), 0, NOW))).toEqual(["ACCOUNT_NOT_OPEN"]);
    expect(refuseClosure(account(ADA, { status: "PENDING_CLOSURE" }), 0, NOW)).toEqual([]);
  });

  test("an exempt address may keep what it has", () => {
    const where = { asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase: "COMMITTED" } as const;
    const totals = new Map([
      [coordinateKey({ ...where, address: "DUST" }), { ...NO_TOTALS, totalCredit: dollars("0.01") }],
    ]);
    const exempting = { ...wallet, closureExemptAddresses: ["DUST"] };
    expect(codes(refuseClosure(account(ADA, { totals }), 0, NOW))).toEqual(["BALANCE_NOT_ZERO"]);
    expect(refuseClosure(account(ADA, { totals, product: exempting }), 0, NOW)).toEqual([]);
  });
});

describe("closing an account (HOOK-7): what does not stand in its way", () => {
  const where = { asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase: "COMMITTED" } as const;
  const even = { totalDebit: dollars("5.00"), totalCredit: dollars("5.00") };

  test("a coordinate that was used and is zero, and a restriction of another type", () => {
    const totals = new Map([[coordinateKey({ ...where, address: "POCKET" }), even]]);
    const rule = { code: "X", version: "1", level: "ACCOUNT", type: "PREVENT_DEBITS", from: OPENED } as const;
    expect(refuseClosure(account(ADA, { totals, restrictions: [rule] }), 0, NOW)).toEqual([]);
  });

  test("an internal account has no product to exempt an address", () => {
    const totals = new Map([[coordinateKey({ ...where, address: "DUST" }), { ...even, totalDebit: dollars("1.00") }]]);
    expect(codes(refuseClosure(account(ADA, { totals, product: undefined }), 0, NOW))).toEqual(["BALANCE_NOT_ZERO"]);
    expect(refuseClosure(account(ADA, { product: undefined }), 0, NOW)).toEqual([]);
  });
});

describe("changing parameters", () => {
  const change = (proposed: Parameters<typeof planParameterChange>[1], owed = "0.00") =>
    planParameterChange(creditCard, proposed, {
      account: { ...me, tside: "ASSET" },
      effectiveAt: NOW,
      parameters: { creditLimit: "100.00", overSettlementTolerance: "5.00" },
      observations: {
        now: {
          [coordinateKey({
            address: "DEFAULT",
            asset: "COMMERCIAL_BANK_MONEY",
            denomination: USD,
            phase: "COMMITTED",
          })]: {
            ...NO_TOTALS,
            totalDebit: dollars(owed),
          },
        },
      },
    });

  test("what is sent is changed, the rest stays, and the product may refuse", () => {
    expect(change({ creditLimit: "50" }, "50.00")).toEqual({
      parameters: { creditLimit: "50.00", overSettlementTolerance: "5.00" },
    });
    expect(change({ creditLimit: "50" }, "50.01")).toMatchObject({ refusal: { code: "CREDIT_LIMIT" } });
    expect(change({ creditLimit: "-1" })).toMatchObject({ refusal: { code: "PARAMETER_INVALID" } });
    expect(change({ colour: "red" })).toMatchObject({ refusal: { code: "PARAMETER_INVALID" } });
  });

  test("a product that throws changes nothing", () => {
    const broken = defineProduct({
      code: "broken",
      name: "Broken",
      version: "1",
      tside: "LIABILITY",
      parameters: {},
      hooks: (on) => ({
        preParameterChange: on.preParameterChange({}, () => {
          throw new Error("no");
        }),
      }),
    });
    const data = { account: me, effectiveAt: NOW, parameters: {} };
    expect(planParameterChange(broken, {}, data)).toMatchObject({ refusal: { code: "CONTRACT_ERROR" } });
    expect(planParameterChange(wallet, {}, data)).toEqual({ parameters: {} });
  });

  test.each([
    ["RATE", "0.05", "0.05", 50_000_000_000n],
    ["RATE", "0.050", "0.05", 50_000_000_000n],
    ["RATE", "1", "1", 1_000_000_000_000n],
    ["RATE", "0", "0", 0n],
    ["COUNT", "365", "365", 365],
    ["COUNT", "100000", "100000", 100_000],
    ["AMOUNT_NOT_NEGATIVE", "999999999999999.99", "999999999999999.99", dollars("999999999999999.99")],
    ["AMOUNT_OR_NONE", "none", "none", undefined],
    ["AMOUNT_OR_NONE", "5", "5.00", dollars("5.00")],
    [
      "TIERS",
      "0=0.01,1000=0.02",
      "0.00=0.01,1000.00=0.02",
      [
        { from: 0n, rate: 10_000_000_000n },
        { from: dollars("1000.00"), rate: 20_000_000_000n },
      ],
    ],
  ] as const)("%s %s is kept as %s", (kind, text, kept, decoded) => {
    const definition = { name: "p", description: "P.", kind, defaultValue: "0" } as const;
    const resolved = activate({ ...wallet, parameters: [definition] }, USD, { p: text });
    expect(resolved).toEqual({ parameters: { p: kept } });
    expect(decodeParameter(definition, { p: kept }, USD)).toEqual(decoded);
  });

  test.each([
    ["RATE", "-0.01"],
    ["RATE", "10"],
    ["RATE", "5%"],
    ["RATE", "0.0000000000001"],
    ["COUNT", "1.5"],
    ["COUNT", "100001"],
    ["COUNT", "-1"],
    ["COUNT", "01"],
    ["AMOUNT_OR_NONE", "some"],
    ["AMOUNT_NOT_NEGATIVE", "1000000000000000"],
    ["TIERS", ""],
    ["TIERS", "5=0.01"],
    ["TIERS", "0=0.01,0=0.02"],
    ["TIERS", "0=0.01,100=0.02,50=0.03"],
    ["TIERS", "0=0.01=2"],
    ["TIERS", "=0.01"],
    ["TIERS", "0="],
    ["TIERS", "0=x"],
    ["TIERS", "x=0.01"],
    ["TIERS", "0"],
  ] as const)("%s takes no %s", (kind, text) => {
    const definition = { name: "p", description: "P.", kind, defaultValue: "0" } as const;
    expect(activate({ ...wallet, parameters: [definition] }, USD, { p: text })).toMatchObject({
      refusal: { code: "PARAMETER_INVALID", message: expect.stringContaining("p:") },
    });
    expect(() => decodeParameter(definition, { p: text }, USD)).toThrow(/parameter p/);
  });

  test.each([5, true, ["5"], { a: "5" }])("a value that is no text is none: %p", (value) => {
    expect(change({ creditLimit: value })).toMatchObject({
      refusal: { code: "PARAMETER_INVALID", message: expect.stringContaining("creditLimit:") },
    });
  });

  test.each(["x", 5, true])("parameters that are no object are refused: %p", (proposed) => {
    expect(change(proposed)).toMatchObject({ refusal: { message: expect.stringContaining("send an object") } });
  });

  test("what is stored and is nothing is told by its name", () => {
    const definition = { name: "p", description: "P.", kind: "COUNT", defaultValue: "0" } as const;
    expect(() => decodeParameter(definition, {}, USD)).toThrow("parameter p is stored as something that is no COUNT");
  });

  test("a name of every object is no parameter that was sent", () => {
    const odd = {
      ...wallet,
      parameters: [{ name: "toString", description: "Odd.", kind: "COUNT", defaultValue: "1" } as const],
    };
    expect(activate(odd, USD, {})).toEqual({ parameters: { toString: "1" } });
  });
});

describe("conversion (§2.9)", () => {
  test("what both versions know is kept, what is new takes its default, what is gone is named", () => {
    expect(planConversion(currentAccountV1, currentAccount, USD, { arrangedOverdraft: "50.00" })).toEqual({
      kind: "converted",
      parameters: { arrangedOverdraft: "50.00", overdraftFee: "0.00" },
      dropped: [],
    });
    expect(
      planConversion(currentAccount, currentAccountV1, USD, { arrangedOverdraft: "50.00", overdraftFee: "1.00" }),
    ).toEqual({
      kind: "converted",
      parameters: { arrangedOverdraft: "50.00" },
      dropped: ["overdraftFee"],
    });
  });

  test.each([
    ["another product", currentAccountV1, wallet],
    ["the same version", currentAccount, currentAccount],
    ["another product of another version", currentAccount, { ...wallet, version: "9" }],
    ["another side", currentAccountV1, { ...currentAccount, tside: "ASSET" as const }],
  ])("refuses %s", (_what, from, to) => {
    expect(planConversion(from, to, USD, {})).toMatchObject({
      kind: "refused",
      refusal: { code: "CONVERSION_INVALID" },
    });
  });

  test("refuses a currency that is not offered, and a value that the new version would not take", () => {
    const local = { ...currentAccount, currencies: ["EUR" as CurrencyCode] };
    expect(planConversion(currentAccountV1, local, USD, {})).toMatchObject({
      kind: "refused",
      refusal: { code: "CURRENCY_NOT_OFFERED" },
    });
    expect(planConversion(currentAccountV1, currentAccount, USD, { arrangedOverdraft: "x" })).toMatchObject({
      kind: "refused",
      refusal: { code: "PARAMETER_INVALID" },
    });
  });

  test("the new version's hook is told where the account comes from", () => {
    const occasion = { fromVersion: "1", oldParameters: {}, schedules: [] };
    expect(
      runHook(currentAccount, "conversion", { account: me, effectiveAt: at(1n), parameters: {}, occasion }),
    ).toMatchObject({ answer: { notifications: [{ type: "product.converted", details: { fromVersion: "1" } }] } });
  });
});
