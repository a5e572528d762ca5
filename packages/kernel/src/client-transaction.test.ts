import {
  ADA,
  adjust,
  at,
  authorise,
  BO,
  CASH,
  codesOf,
  decide,
  deposit,
  dollars,
  EUR,
  expectIn,
  money,
  newView,
  NOW,
  release,
  replaceTo,
  settle,
  settleFinally,
  shows,
  transfer,
  TXN,
  withdraw,
} from "../test/book-fixture.js";
import { netsOf, type BookView } from "./book-view.js";
import { clientTransactionKey, type ClientTransactionState } from "./client-transaction.js";
import { planExpiries, viewClientTransaction, type ClientTransactionRecord } from "./client-transaction-view.js";
import { formatMinor } from "./money.js";
import type { Instruction } from "./instruction.js";

const DAY = 86_400_000_000n;
const transactionOf = (view: BookView, name = TXN): ClientTransactionState =>
  view.clientTransactions.get(clientTransactionKey("client", name))!;

function funded(amount = "500.00"): BookView {
  const view = newView();
  decide(view, [deposit(amount)]);
  return view;
}

/** What the account shows after each instruction, each in a batch of its own. */
function run(view: BookView, instructions: readonly Instruction[]): readonly string[] {
  return instructions.map((instruction) => {
    const decision = decide(view, [instruction]);
    return decision.kind === "accepted" ? shows(view) : codesOf(decision).flat()[0]!.toString();
  });
}

const opening = [authorise("100.00"), adjust("20.00"), settle("50.00")];
const opened = ["500.00 0.00 -100.00 400.00", "500.00 0.00 -120.00 380.00", "450.00 0.00 -70.00 380.00"];

describe("GV-2: a hold of 100 on 500.00; committed, pending in, pending out, available", () => {
  test.each<[string, Instruction, string, Partial<Record<keyof ClientTransactionState, unknown>>]>([
    [
      "(i) settled above what is left",
      settleFinally("90.00"),
      "360.00 0.00 0.00 360.00",
      { settled: dollars("140.00"), overSettled: dollars("20.00"), released: 0n, closedBy: "SETTLED" },
    ],
    [
      "(ii) settled below it, finally",
      settleFinally("30.00"),
      "420.00 0.00 0.00 420.00",
      { settled: dollars("80.00"), overSettled: 0n, released: dollars("40.00"), closedBy: "SETTLED" },
    ],
    [
      "(iii) released",
      release(),
      "450.00 0.00 0.00 450.00",
      { settled: dollars("50.00"), released: dollars("70.00"), closedBy: "RELEASED" },
    ],
  ])("%s", (_what, last, shown, state) => {
    const view = funded();
    expect(run(view, [...opening, last])).toEqual([...opened, shown]);
    const common = { authorised: dollars("100.00"), adjusted: dollars("20.00"), outstanding: 0n };
    expect(transactionOf(view)).toMatchObject({ ...common, status: "CLOSED", isFinal: true, ...state });
    for (const further of [
      adjust("1.00"),
      settle("1.00"),
      settle(),
      release(),
      authorise("1.00"),
      withdraw("1.00", { clientTransactionId: TXN }),
    ])
      expect(codesOf(decide(view, [further]))).toEqual([["CLIENT_TRANSACTION_CLOSED", 0]]);
  });

  test("inbound: expected money never counts as available, settled money does", () => {
    expect(run(funded(), [expectIn("200.00"), settle()])).toEqual([
      "500.00 200.00 0.00 500.00",
      "700.00 0.00 0.00 700.00",
    ]);
  });

  test("both sides of each leg (§2.3): the counterparty gets the mirror", () => {
    const view = funded();
    run(view, [...opening, settleFinally("30.00")]);
    const cash = view.accounts.get(CASH)!;
    const { committed, pendingOut } = netsOf(cash, cash.totals);
    expect([committed, pendingOut].map((amount) => formatMinor(amount, cash.denomination))).toEqual(["420.00", "0.00"]);
  });
});

describe("the legs of each follow-up (§2.3), outbound and inbound", () => {
  const legsOf = (opener: Instruction, follow: Instruction) => {
    const view = funded();
    decide(view, [opener]);
    const decision = decide(view, [follow]);
    if (decision.kind === "rejected") throw new Error(JSON.stringify(codesOf(decision)));
    return decision.legs.map(({ accountId, phase, side, amount }) =>
      [accountId === ADA ? "T" : "I", phase, side, formatMinor(amount, money("1.00").currency)].join(" "),
    );
  };
  const out = authorise("100.00");
  const into = expectIn("100.00");
  test.each<[string, Instruction, Instruction, readonly string[]]>([
    ["more held", out, adjust("5.00"), ["T PENDING_OUT DEBIT 5.00", "I PENDING_OUT CREDIT 5.00"]],
    ["less held", out, adjust("-5.00"), ["T PENDING_OUT CREDIT 5.00", "I PENDING_OUT DEBIT 5.00"]],
    ["replaced by more", out, replaceTo("130.00"), ["T PENDING_OUT DEBIT 30.00", "I PENDING_OUT CREDIT 30.00"]],
    ["replaced by nothing", out, replaceTo("0.00"), ["T PENDING_OUT CREDIT 100.00", "I PENDING_OUT DEBIT 100.00"]],
    ["more expected", into, adjust("5.00"), ["T PENDING_IN CREDIT 5.00", "I PENDING_IN DEBIT 5.00"]],
    ["less expected", into, adjust("-5.00"), ["T PENDING_IN DEBIT 5.00", "I PENDING_IN CREDIT 5.00"]],
    ["released", out, release(), ["T PENDING_OUT CREDIT 100.00", "I PENDING_OUT DEBIT 100.00"]],
    ["not expected any more", into, release(), ["T PENDING_IN DEBIT 100.00", "I PENDING_IN CREDIT 100.00"]],
    [
      "settled in part, finally",
      out,
      settleFinally("40.00"),
      [
        "T PENDING_OUT CREDIT 40.00",
        "I PENDING_OUT DEBIT 40.00",
        "T COMMITTED DEBIT 40.00",
        "I COMMITTED CREDIT 40.00",
        "T PENDING_OUT CREDIT 60.00",
        "I PENDING_OUT DEBIT 60.00",
      ],
    ],
    [
      "settled above",
      into,
      settle("120.00"),
      [
        "T PENDING_IN DEBIT 100.00",
        "I PENDING_IN CREDIT 100.00",
        "T COMMITTED CREDIT 120.00",
        "I COMMITTED DEBIT 120.00",
      ],
    ],
  ])("%s", (_what, opener, follow, legs) => {
    expect(legsOf(opener, follow)).toEqual(legs);
  });
});

test("a hold lies between a customer and an internal account: its mirror would be money that another customer can spend", () => {
  for (const instruction of [authorise("1.00", { counterparty: BO }), expectIn("1.00", { counterparty: BO })])
    expect(codesOf(decide(funded(), [instruction]))).toEqual([["COUNTERPARTY_NOT_INTERNAL", 0]]);
});

test("PI-1: a hard settlement leaves the same committed balances as authorise and settle", () => {
  const [hard, soft] = [funded(), funded()];
  decide(hard, [withdraw("70.00")]);
  decide(soft, [authorise("70.00"), settle()]);
  expect(shows(hard)).toBe(shows(soft));
  expect(shows(hard, CASH)).toBe(shows(soft, CASH));
});

test("PI-3: over-settlement is allowed unless the authorisation says no, and is shown", () => {
  const view = funded();
  const decision = decide(view, [authorise("10.00"), settle("15.00")]);
  expect(decision).toMatchObject({ effects: [{}, { change: { overSettled: dollars("5.00") } }] });
  const strict = funded();
  decide(strict, [authorise("10.00", { allowOverSettlement: false })]);
  expect(codesOf(decide(strict, [settle("10.01")]))).toEqual([["SETTLEMENT_EXCEEDS_AUTHORISATION", 0]]);
  expect(decide(strict, [settle("10.00")]).kind).toBe("accepted");
});

test("PI-4: an advice of a hold or of a settlement goes through without funds; an adjustment is no advice", () => {
  const view = funded("10.00");
  expect(codesOf(decide(view, [authorise("20.00")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  expect(decide(view, [authorise("20.00", { advice: true })])).toMatchObject({
    acceptedDespite: [{ instructionIndex: 0, code: "INSUFFICIENT_FUNDS" }],
  });
  expect(codesOf(decide(view, [settle("30.00")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  expect(decide(view, [settle("30.00", { advice: true })]).kind).toBe("accepted");
  const other = funded("10.00");
  decide(other, [authorise("10.00")]);
  const { delta } = adjust("1.00") as { delta: ReturnType<typeof money> };
  expect(
    codesOf(decide(other, [{ type: "AUTHORISATION_ADJUSTMENT", clientTransactionId: TXN, delta, advice: true }])),
  ).toEqual([["INSUFFICIENT_FUNDS", 0]]);
});

test("PI-5: what comes in, and what lowers a hold, needs no funds", () => {
  const stingy = newView({ product: undefined, guards: { minAvailable: dollars("1000.00") } });
  expect(decide(stingy, [expectIn("5.00")]).kind).toBe("accepted");
  expect(decide(stingy, [settle("2.00")]).kind).toBe("accepted");
  expect(decide(stingy, [release()]).kind).toBe("accepted");
});

test.each([
  ["delta", adjust("0.00"), "AMOUNT_NOT_POSITIVE"],
  ["the same sum", replaceTo("100.00"), "AMOUNT_NOT_POSITIVE"],
  ["settlement", settle("0.00"), "AMOUNT_NOT_POSITIVE"],
  ["negative settlement", settle("-1.00"), "AMOUNT_NOT_POSITIVE"],
  ["more digits", settle("1.001"), "AMOUNT_SCALE"],
  ["more digits in a delta", adjust("-0.001"), "AMOUNT_SCALE"],
])("PI-6: %s", (_what, instruction, code) => {
  const view = funded();
  decide(view, [authorise("100.00")]);
  expect(codesOf(decide(view, [instruction]))).toEqual([[code, 0]]);
});

test("an adjustment increases only as far as funds go, and takes back no more than is outstanding (§2.3)", () => {
  const view = funded();
  decide(view, [authorise("100.00"), settle("60.00")]);
  expect(codesOf(decide(view, [adjust("400.01")]))).toEqual([["INSUFFICIENT_FUNDS", 0]]);
  expect(codesOf(decide(view, [adjust("-40.01")]))).toEqual([["ADJUSTMENT_BELOW_ZERO", 0]]);
  expect(codesOf(decide(view, [replaceTo("59.99")]))).toEqual([["ADJUSTMENT_BELOW_ZERO", 0]]);
  expect(decide(view, [replaceTo("60.00")]).kind).toBe("accepted");
  expect(transactionOf(view)).toMatchObject({ outstanding: 0n, status: "PARTIALLY_SETTLED" });
});

describe("the life of a client transaction (§2.4)", () => {
  test("CT-1: an id is used once, for ever, by each client", () => {
    const view = funded();
    decide(view, [authorise("1.00")]);
    expect(codesOf(decide(view, [authorise("1.00")]))).toEqual([["CLIENT_TRANSACTION_EXISTS", 0]]);
    expect(codesOf(decide(view, [transfer("1.00", { clientTransactionId: TXN })]))).toEqual([
      ["CLIENT_TRANSACTION_EXISTS", 0],
    ]);
    expect(decide(view, [authorise("1.00")], { clientId: "another" }).kind).toBe("accepted");
    for (const reserved of ["op_made-here:0", "hook_made-here:0"])
      expect(codesOf(decide(view, [authorise("1.00", { clientTransactionId: reserved })]))).toEqual([
        ["CLIENT_TRANSACTION_RESERVED", 0],
      ]);
  });

  test("CT-1: a hold that was opened without an id is followed up by the one it got", () => {
    const view = funded();
    const opener = decide(view, [authorise("1.00", { clientTransactionId: undefined })]);
    if (opener.kind === "rejected") throw new Error("refused");
    const [clientTransactionId] = opener.clientTransactionIds;
    expect(clientTransactionId).toMatch(/^op_\d+:0$/);
    expect(opener.effects).toMatchObject([{ clientTransactionId, isConverted: false }]);
    expect(decide(view, [settle(undefined, { clientTransactionId })]).kind).toBe("accepted");
  });

  test.each([
    ["the same again", { target: ADA, counterparty: CASH, asset: "COMMERCIAL_BANK_MONEY" }, []],
    ["another target", { target: BO }, [["CLIENT_TRANSACTION_MISMATCH", 0]]],
    ["another counterparty", { counterparty: BO }, [["CLIENT_TRANSACTION_MISMATCH", 0]]],
    ["another asset", { asset: "GOLD" }, [["CLIENT_TRANSACTION_MISMATCH", 0]]],
    ["another currency", { money: money("1.00", EUR) }, [["CLIENT_TRANSACTION_MISMATCH", 0]]],
  ])("CT-2: a follow-up says nothing or the same: %s", (_what, more, codes) => {
    const view = funded();
    decide(view, [authorise("10.00")]);
    expect(codesOf(decide(view, [settle("1.00", more)]))).toEqual(codes);
  });

  test("CT-4: a settlement of all that is not final leaves it open, for more, and its release has no postings", () => {
    const view = funded();
    decide(view, [authorise("10.00"), settle("10.00")]);
    expect(transactionOf(view)).toMatchObject({ status: "PARTIALLY_SETTLED", outstanding: 0n, isFinal: false });
    expect(codesOf(decide(view, [settle()]))).toEqual([["AMOUNT_NOT_POSITIVE", 0]]);
    decide(view, [settle("3.00")]);
    expect(transactionOf(view)).toMatchObject({ overSettled: dollars("3.00"), status: "PARTIALLY_SETTLED" });
    expect(decide(view, [release()])).toMatchObject({ kind: "accepted", legs: [] });
    expect(transactionOf(view)).toMatchObject({ status: "CLOSED", closedBy: "RELEASED", released: 0n });
  });

  test("CT-5: late clearing is a new hard settlement that names the closed one, and reopens nothing", () => {
    const view = funded();
    decide(view, [authorise("10.00"), release()]);
    const late = withdraw("10.00", { relatedClientTransactionId: TXN, advice: true });
    expect(decide(view, [late]).kind).toBe("accepted");
    expect(transactionOf(view)).toMatchObject({ status: "CLOSED", closedBy: "RELEASED", settled: 0n });
  });

  test("CT-7: opener and follow-ups of one batch apply in the order of its list", () => {
    const view = funded();
    expect(decide(view, [...opening, settleFinally("90.00")]).kind).toBe("accepted");
    expect(shows(view)).toBe("360.00 0.00 0.00 360.00");
    expect(codesOf(decide(funded(), [settle("50.00"), authorise("100.00")]))).toEqual([
      ["CLIENT_TRANSACTION_NOT_FOUND", 0],
    ]);
  });

  test("what follows a refused opener of the same batch is not accused of having none", () => {
    expect(codesOf(decide(funded(), [authorise("0.00"), settle("1.00"), release()]))).toEqual([
      ["AMOUNT_NOT_POSITIVE", 0],
    ]);
  });

  test("CT-8: a follow-up of nothing", () => {
    for (const instruction of [adjust("1.00"), settle("1.00"), settle(), release()])
      expect(codesOf(decide(funded(), [instruction]))).toEqual([["CLIENT_TRANSACTION_NOT_FOUND", 0]]);
  });
});

describe("CT-6: expiry", () => {
  const expiring = (onExpired?: "REJECT" | "CONVERT_TO_HARD_SETTLEMENT") => {
    const view = funded();
    decide(view, [authorise("100.00", { expiresAfterMicros: DAY, onExpired })]);
    return view;
  };
  const due = { bookedAt: at(NOW + DAY), valueAt: at(NOW + DAY) };
  const early = { bookedAt: at(NOW + DAY - 1n), valueAt: NOW };
  const byExpiry = { ...due, origin: "EXPIRY" as const };

  test("none by default", () => {
    const view = funded();
    decide(view, [authorise("1.00")]);
    expect(transactionOf(view).expiresAt).toBeUndefined();
    expect(planExpiries(view.clientTransactions.values(), at(NOW + 1000n * DAY))).toEqual([]);
  });

  test("at its time, not a microsecond before, the system releases it; nobody may object", () => {
    const view = expiring();
    expect(planExpiries(view.clientTransactions.values(), early.bookedAt)).toEqual([]);
    expect(planExpiries(view.clientTransactions.values(), due.bookedAt)).toHaveLength(1);
    expect(codesOf(decide(view, [release()], { ...early, origin: "EXPIRY" }))).toEqual([
      ["CLIENT_TRANSACTION_NOT_EXPIRED", 0],
    ]);
    expect(decide(view, [release()], byExpiry).kind).toBe("accepted");
    expect(transactionOf(view)).toMatchObject({ status: "CLOSED", closedBy: "EXPIRED", released: dollars("100.00") });
    expect(codesOf(decide(view, [release()], byExpiry))).toEqual([["CLIENT_TRANSACTION_CLOSED", 0]]);
  });

  test.each([adjust("1.00"), settle("1.00"), settle(), release()])(
    "REJECT: after its time nothing follows: %o",
    (late) => {
      const view = expiring();
      expect(codesOf(decide(view, [late], due))).toEqual([["CLIENT_TRANSACTION_EXPIRED", 0]]);
      expect(decide(view, [late], early).kind).toBe("accepted");
    },
  );

  test("CONVERT_TO_HARD_SETTLEMENT: a settlement before the release is booked is a hard one, and closes", () => {
    const view = expiring("CONVERT_TO_HARD_SETTLEMENT");
    const decision = decide(view, [settle("30.00")], due);
    expect(decision).toMatchObject({ kind: "accepted", effects: [{ isConverted: true }] });
    expect(shows(view)).toBe("470.00 0.00 0.00 470.00");
    expect(transactionOf(view)).toMatchObject({ status: "CLOSED", closedBy: "SETTLED", released: dollars("70.00") });
    expect(codesOf(decide(view, [release()], byExpiry))).toEqual([["CLIENT_TRANSACTION_CLOSED", 0]]);
    expect(codesOf(decide(expiring("CONVERT_TO_HARD_SETTLEMENT"), [adjust("1.00")], due))).toEqual([
      ["CLIENT_TRANSACTION_EXPIRED", 0],
    ]);
  });

  test("what is due comes in order of expiry, and what is closed or not due does not come", () => {
    const view = funded();
    const lasts: Record<string, bigint> = { c: 3n, d: 2n, a: 2n, e: 2n, b: 2n, later: DAY, closed: 1n };
    decide(
      view,
      Object.entries(lasts).map(([clientTransactionId, expiresAfterMicros]) =>
        authorise("1.00", { clientTransactionId, expiresAfterMicros }),
      ),
    );
    decide(view, [authorise("1.00", { expiresAfterMicros: 2n })], { clientId: "another" });
    decide(view, [release({ clientTransactionId: "closed" })]);
    const found = planExpiries(view.clientTransactions.values(), at(NOW + 10n));
    expect(found.map(({ instruction }) => instruction.clientTransactionId)).toEqual([TXN, "a", "b", "d", "e", "c"]);
    for (const { clientId, instruction } of found) {
      const times = { bookedAt: at(NOW + 10n), valueAt: NOW };
      expect(decide(view, [instruction], { ...times, clientId, origin: "EXPIRY" }).kind).toBe("accepted");
    }
    expect(shows(view)).toBe("500.00 0.00 -1.00 499.00");
  });

  test("an account on its way to closing ends what is pending, and opens nothing", () => {
    const view = expiring();
    view.accounts.set(ADA, { ...view.accounts.get(ADA)!, status: "PENDING_CLOSURE" });
    expect(codesOf(decide(view, [deposit("1.00")]))).toEqual([["ACCOUNT_NOT_OPEN", 0]]);
    expect(codesOf(decide(view, [adjust("1.00")]))).toEqual([["ACCOUNT_NOT_OPEN", 0]]);
    expect(decide(view, [settle("1.00")]).kind).toBe("accepted");
    expect(decide(view, [release()]).kind).toBe("accepted");
    expect(shows(view)).toBe("499.00 0.00 0.00 499.00");
  });
});

describe("CT-9: a client transaction at a value time and a known time", () => {
  const lived = () => {
    const view = funded();
    const records: ClientTransactionRecord[] = [];
    [authorise("100.00"), adjust("20.00"), settle("50.00"), settleFinally("90.00")].forEach((instruction, place) => {
      const decision = decide(view, [instruction]);
      if (decision.kind === "rejected") throw new Error("refused");
      records.push({
        instruction: { batchId: ADA, ordinal: place },
        type: instruction.type,
        change: decision.effects[0]!.change,
        valueAt: at(place === 3 ? 5n : BigInt(10 * (place + 1))), // the last is backdated before the first
        knownAt: at(BigInt(100 * (place + 1))),
      });
    });
    const state = transactionOf(view);
    const seen = (valueAt: bigint, knownAt: bigint) =>
      viewClientTransaction(state, records, { valueAt: at(valueAt), knownAt: at(knownAt) });
    return { state, seen };
  };

  test("live it is what the book holds", () => {
    const { state, seen } = lived();
    const { effectiveWindow, instructions, ...shown } = seen(1_000n, 1_000n)!;
    expect(shown).toEqual(state);
    expect(effectiveWindow).toEqual({ from: 5n, to: 30n });
    expect(instructions).toHaveLength(4);
  });

  test("before anything was known there was none, and later instructions change no earlier knowledge", () => {
    const { seen } = lived();
    expect(seen(1_000n, 99n)).toBeUndefined();
    expect(seen(1_000n, 100n)).toMatchObject({ outstanding: dollars("100.00"), status: "AUTHORISED" });
    expect(seen(20n, 300n)).toMatchObject({ outstanding: dollars("120.00"), status: "AUTHORISED" });
    expect(seen(30n, 399n)).toMatchObject({ outstanding: dollars("70.00"), status: "PARTIALLY_SETTLED" });
    expect(seen(30n, 400n)).toMatchObject({ outstanding: 0n, status: "CLOSED" });
  });
});
