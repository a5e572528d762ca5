import fc from "fast-check";
import {
  account,
  ADA,
  at,
  BO,
  CASH,
  codesOf,
  decide,
  deposit,
  EUR,
  id,
  money,
  newView,
  NOBODY,
  OPENED,
  NOW,
  shows,
  transfer,
  USD,
  viewOf,
  withdraw,
} from "../test/book-fixture.js";
import { addLeg, coordinateKey, NO_TOTALS, type Totals } from "./balance.js";
import { decideBatch } from "./batch.js";
import { netsOf, type AccountState, type DecidedLeg } from "./book-view.js";
import { clientTransactionKey } from "./client-transaction.js";
import { defineProduct } from "./define-product.js";
import { DEFAULT_ADDRESS, type Instruction, type MovementInstruction } from "./instruction.js";
import { formatMinor, type Amount } from "./money.js";
import type { Product } from "./product.js";
import { currentAccount } from "./products/current-account.js";
import { wallet } from "./products/wallet.js";
import { refusalCodes, refuse } from "./refusal.js";

describe("instructions and their legs (§2.3)", () => {
  test.each([
    ["INBOUND_HARD_SETTLEMENT", "CREDIT", "DEBIT"],
    ["OUTBOUND_HARD_SETTLEMENT", "DEBIT", "CREDIT"],
    ["TRANSFER", "DEBIT", "CREDIT"],
  ] as const)("%s: target %s, counterparty %s, COMMITTED at DEFAULT", (type, targetSide, counterpartySide) => {
    const where = { address: DEFAULT_ADDRESS, asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase: "COMMITTED" };
    const view = newView();
    decide(view, [deposit("5.00"), deposit("5.00", { target: BO })]);
    const decision = decide(view, [deposit("5.00", { type, counterparty: BO })]);
    expect(decision).toMatchObject({
      kind: "accepted",
      legs: [
        { ...where, accountId: ADA, side: targetSide, amount: 50_000_000n },
        { ...where, accountId: BO, side: counterpartySide, amount: 50_000_000n },
      ],
    });
  });
});

describe("golden vectors", () => {
  test("deposit, withdrawal, transfer: committed, pending in, pending out, available", () => {
    const view = newView();
    decide(view, [deposit("500.00")]);
    expect(shows(view, ADA)).toBe("500.00 0.00 0.00 500.00");
    expect(shows(view, CASH)).toBe("500.00 0.00 0.00 500.00"); // an asset: debits count
    decide(view, [withdraw("120.00"), transfer("80.00")]);
    expect(shows(view, ADA)).toBe("300.00 0.00 0.00 300.00");
    expect(shows(view, BO)).toBe("80.00 0.00 0.00 80.00");
    expect(shows(view, CASH)).toBe("380.00 0.00 0.00 380.00");
  });

  test("PI-2: a hold lowers available, money on its way in does not raise it", () => {
    const at = (phase: "COMMITTED" | "PENDING_IN" | "PENDING_OUT") =>
      coordinateKey({ address: "DEFAULT", asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase });
    const totals = new Map<string, Totals>([
      [at("COMMITTED"), { totalDebit: 0n as Amount, totalCredit: money("500.00").amount }],
      [at("PENDING_OUT"), { totalDebit: money("100.00").amount, totalCredit: 0n as Amount }],
      [at("PENDING_IN"), { totalDebit: 0n as Amount, totalCredit: money("200.00").amount }],
    ]);
    const view = newView({ totals, accountSeq: 3n });
    expect(shows(view, ADA)).toBe("500.00 200.00 -100.00 400.00");
    expect(codesOf(decide(view, [withdraw("400.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    expect(decide(view, [withdraw("400.00")]).kind).toBe("accepted");
  });

  test("each leg carries its account's next sequence and the balance after it", () => {
    const view = newView();
    const decision = decide(view, [deposit("10.00"), transfer("4.00"), transfer("1.00")]);
    const legs = decision.kind === "accepted" ? decision.legs : [];
    expect(
      legs
        .filter((leg) => leg.accountId === ADA)
        .map((leg) => [leg.ordinal, leg.accountSeq, formatMinor(leg.after.committed, USD)]),
    ).toEqual([
      [0, 1n, "10.00"],
      [1, 2n, "6.00"],
      [2, 3n, "5.00"],
    ]);
    expect(view.accounts.get(ADA)!.accountSeq).toBe(3n);
  });
});

describe("refusals, in order of precedence", () => {
  const closed = { status: "CLOSED" } as const;
  const euros = { denomination: EUR };
  test.each<[string, Partial<AccountState>, readonly Instruction[], readonly [string, number][]]>([
    ["zero", {}, [deposit("0.00")], [["AMOUNT_NOT_POSITIVE", 0]]],
    ["more digits than the currency", {}, [deposit("0.001")], [["AMOUNT_SCALE", 0]]],
    ["an unknown account", {}, [deposit("1.00", { target: NOBODY })], [["ACCOUNT_NOT_FOUND", 0]]],
    [
      "an account that a reference did not name",
      {},
      [deposit("1.00", { target: undefined })],
      [["ACCOUNT_NOT_FOUND", 0]],
    ],
    ["an unknown recipient", {}, [transfer("1.00", { counterparty: NOBODY })], [["RECIPIENT_NOT_FOUND", 0]]],
    ["a closed account", closed, [deposit("1.00")], [["ACCOUNT_NOT_OPEN", 0]]],
    ["an account that is not open yet", { status: "PENDING" }, [deposit("1.00")], [["ACCOUNT_NOT_OPEN", 0]]],
    ["the same account twice", {}, [transfer("1.00", { counterparty: ADA })], [["SAME_ACCOUNT", 0]]],
    ["another currency", euros, [deposit("1.00")], [["CURRENCY_MISMATCH", 0]]],
    [
      "all of one instruction at once",
      { ...closed, ...euros },
      [transfer("1.00", { counterparty: ADA })],
      [
        ["ACCOUNT_NOT_OPEN", 0],
        ["SAME_ACCOUNT", 0],
        ["CURRENCY_MISMATCH", 0],
      ],
    ],
    [
      "of several instructions, the gravest first",
      {},
      [withdraw("1.00"), transfer("1.00", { counterparty: ADA }), deposit("1.00", { target: NOBODY })],
      [
        ["ACCOUNT_NOT_FOUND", 2],
        ["SAME_ACCOUNT", 1],
        ["INSUFFICIENT_FUNDS", 0],
      ],
    ],
    [
      "a client transaction id twice in a batch",
      {},
      [deposit("1.00", { clientTransactionId: "a" }), deposit("1.00", { clientTransactionId: "a" })],
      [["CLIENT_TRANSACTION_CLOSED", 1]],
    ],
    [
      "an id that only the ledger makes",
      {},
      [deposit("1.00", { clientTransactionId: "op_1:0" })],
      [["CLIENT_TRANSACTION_RESERVED", 0]],
    ],
  ])("%s", (_what, ada, instructions, expected) => {
    const view = newView(ada);
    expect(codesOf(decide(view, instructions))).toEqual(expected);
    expect(view.accounts.get(ADA)!.accountSeq).toBe(0n); // nothing has moved
  });

  test("value times outside of [opening, booking] (T-2)", () => {
    const late = { valueAt: at(2_001n) };
    expect(codesOf(decide(newView(), [deposit("1.00")], late))).toEqual([["VALUE_IN_FUTURE", 0]]);
    const early = { valueAt: at(999n) };
    expect(codesOf(decide(newView(), [deposit("1.00")], early))).toEqual([["BEFORE_OPENING", 0]]);
    expect(decide(newView(), [deposit("1.00")], { valueAt: OPENED }).kind).toBe("accepted");
  });

  test("a client transaction id is used up by an accepted batch and not by a refused one", () => {
    const view = newView();
    const named = withdraw("5.00", { clientTransactionId: "order-1" });
    expect(codesOf(decide(view, [named]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    decide(view, [deposit("10.00")]);
    expect(decide(view, [named]).kind).toBe("accepted");
    expect(codesOf(decide(view, [named]))).toEqual([["CLIENT_TRANSACTION_CLOSED", 0]]);
    expect(view.clientTransactions.has(clientTransactionKey("client", "order-1"))).toBe(true);
  });

  test("each code has a sentence that ends and says what to do", () => {
    for (const code of refusalCodes) expect(refuse(code).message).toMatch(/^.+\. .+\.$|^.+\.$/);
  });
});

describe("products", () => {
  const plain = { code: "plain", name: "Plain", version: "1", tside: "LIABILITY", parameters: {} } as const;

  test("a wallet's later instruction may spend what an earlier one brought, not the other way round (PIB-2)", () => {
    expect(decide(newView(), [deposit("5.00"), transfer("5.00")]).kind).toBe("accepted");
    expect(codesOf(decide(newView(), [transfer("5.00"), deposit("5.00")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });

  test("a current account goes to its arranged overdraft and no further; a credit below it is taken (BAL-3)", () => {
    const view = newView({ product: currentAccount, parameters: { arrangedOverdraft: "50.00" } });
    expect(codesOf(decide(view, [withdraw("50.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
    expect(decide(view, [withdraw("50.00")]).kind).toBe("accepted");
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, parameters: { arrangedOverdraft: "0.00" } });
    expect(decide(view, [deposit("1.00")]).kind).toBe("accepted");
    expect(codesOf(decide(view, [withdraw("0.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });

  test("a hook is asked once a batch and sees all instructions of its account (PIB-2)", () => {
    const seen: number[][] = [];
    const curious = defineProduct({
      ...plain,
      hooks: (on) => ({
        prePosting: on.prePosting({}, ({ instructions }) => {
          seen.push(instructions.map(({ index }) => index));
          return [];
        }),
      }),
    });
    decide(newView({ product: curious }), [deposit("1.00"), deposit("0.00", { target: BO }), transfer("1.00")]);
    expect(seen).toEqual([[0, 2]]);
  });

  test("without a hook available may not fall below zero (BAL-1, fail closed)", () => {
    const bare: Product = { ...wallet, hooks: {} };
    expect(codesOf(decide(newView({ product: bare }), [withdraw("1.00")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  });

  test("an advice is noted and not refused for lack of funds; a rule of the product still refuses (PI-4)", () => {
    const advice = withdraw("5.00", { advice: true });
    expect(decide(newView(), [advice])).toMatchObject({
      kind: "accepted",
      acceptedDespite: [{ instructionIndex: 0, code: "INSUFFICIENT_FUNDS" }],
    });
    const strict = defineProduct({
      ...plain,
      hooks: (on) => ({
        prePosting: on.prePosting({}, () => [{ instructionIndex: 0, kind: "rule", ...refuse("CONTRACT_REJECTED") }]),
      }),
    });
    expect(codesOf(decide(newView({ product: strict }), [advice]))).toEqual([["CONTRACT_REJECTED", 0]]);
    expect(codesOf(decide(newView({ status: "CLOSED" }), [advice]))).toEqual([["ACCOUNT_NOT_OPEN", 0]]);
  });
});

describe("for any sequence of batches", () => {
  const instructions = fc
    .record({
      type: fc.constantFrom<MovementInstruction["type"][]>(
        "INBOUND_HARD_SETTLEMENT",
        "OUTBOUND_HARD_SETTLEMENT",
        "TRANSFER",
      ),
      from: fc.integer({ min: 0, max: 4 }),
      to: fc.integer({ min: 0, max: 4 }),
      cents: fc.bigInt({ min: 0n, max: 5_000n }),
      advice: fc.constant(false),
    })
    .map(({ type, from, to, cents, advice }): MovementInstruction => ({
      type,
      target: id(from + 1),
      counterparty: type === "TRANSFER" ? id(to + 1) : CASH,
      money: { amount: (cents * 100_000n) as Amount, currency: USD },
      advice,
    }));
  const sequences = fc.array(fc.array(instructions, { minLength: 1, maxLength: 4 }), { maxLength: 30 });

  // Four wallets; the fifth id is not there.
  const fourWallets = () =>
    viewOf(...[1, 2, 3, 4].map((n) => account(id(n))), account(CASH, { tside: "ASSET", product: undefined }));
  const run = (sequence: readonly (readonly Instruction[])[]) => {
    const view = fourWallets();
    const decisions = sequence.map((batch, index) =>
      decideBatch(view, {
        operationId: `op_${index}`,
        clientId: "c",
        valueAt: NOW,
        bookedAt: NOW,
        instructions: batch,
      }),
    );
    const legs = decisions.flatMap((decision) => (decision.kind === "accepted" ? decision.legs : []));
    return { view, decisions, legs };
  };

  test("debits equal credits per asset, denomination and phase (INV-1)", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        const sum = run(sequence).legs.reduce(
          (total, leg) => total + (leg.side === "DEBIT" ? leg.amount : -leg.amount),
          0n,
        );
        expect(sum).toBe(0n);
      }),
    );
  });

  test("balances are the fold of the legs, and sequences have no gap (INV-2, INV-4)", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        const { view, legs } = run(sequence);
        for (const state of view.accounts.values()) {
          const own = legs.filter((leg) => leg.accountId === state.accountId);
          expect(own.map((leg) => leg.accountSeq)).toEqual(own.map((_, index) => BigInt(index + 1)));
          expect(new Map(state.totals)).toEqual(fold(own));
          expect(own.at(-1)?.after ?? netsOf(state, new Map())).toEqual(netsOf(state, state.totals));
        }
      }),
    );
  });

  test("no wallet is below zero after any leg", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        for (const leg of run(sequence).legs) if (leg.accountId !== CASH) expect(leg.after.available >= 0n).toBe(true);
      }),
    );
  });

  test("the same batches give the same decisions, and a refused batch leaves no trace", () => {
    fc.assert(
      fc.property(sequences, (sequence) => {
        const first = run(sequence);
        expect(run(sequence).decisions).toEqual(first.decisions);
        const onlyAccepted = sequence.filter((_, index) => first.decisions[index]!.kind === "accepted");
        expect(run(onlyAccepted).view.accounts).toEqual(first.view.accounts);
      }),
    );
  });

  function fold(legs: readonly DecidedLeg[]): Map<string, Totals> {
    const totals = new Map<string, Totals>();
    for (const leg of legs) totals.set(coordinateKey(leg), addLeg(totals.get(coordinateKey(leg)) ?? NO_TOTALS, leg));
    return totals;
  }
});
