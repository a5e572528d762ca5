import {
  account,
  ADA,
  at,
  codesOf,
  decide,
  deposit,
  EUR,
  id,
  money,
  newView,
  NOBODY,
  NOW,
  shows,
  transfer,
  withdraw,
} from "../test/book-fixture.js";
import { decideBatch } from "./batch.js";
import type { ProposedBatch } from "./book-view.js";
import { formatId } from "./ids.js";
import type { Instruction } from "./instruction.js";
import { refuse } from "./refusal.js";
import { planSuspense } from "./suspense.js";

const SUSPENSE = id(30);

function path(instructions: readonly Instruction[], ada = {}) {
  const view = newView(ada);
  view.accounts.set(SUSPENSE, account(SUSPENSE, { product: undefined }));
  const batch: ProposedBatch = { operationId: "op_1", clientId: "client", valueAt: NOW, bookedAt: NOW, instructions };
  const decision = decideBatch(view, batch);
  if (decision.kind === "accepted") throw new Error("nothing was refused");
  return { view, planned: planSuspense(batch, decision, (currency) => (currency === EUR ? undefined : SUSPENSE)) };
}

describe("PI-4: what happened outside and has no account goes to suspense", () => {
  test.each([
    [
      "an account that is not there",
      deposit("5.00", { advice: true, target: NOBODY }),
      {},
      "ACCOUNT_NOT_FOUND",
      NOBODY,
    ],
    ["a closed account", deposit("5.00", { advice: true }), { status: "CLOSED" }, "ACCOUNT_NOT_OPEN", ADA],
    [
      "a reference that named none",
      deposit("5.00", { advice: true, target: undefined }),
      {},
      "ACCOUNT_NOT_FOUND",
      undefined,
    ],
  ])("%s", (_what, advice, ada, code, whose) => {
    const { view, planned } = path([{ ...advice, details: { note: "x" } }], ada);
    const suspended = { account: whose === undefined ? null : formatId("account", whose), codes: [code] };
    expect(planned!.instructions[0]).toMatchObject({ target: SUSPENSE, details: { note: "x", suspended } });
    expect(decideBatch(view, planned!).kind).toBe("accepted");
    expect(shows(view, SUSPENSE)).toBe("5.00 0.00 0.00 5.00");
  });

  test("the rest of the batch stays as it is, and so do details that are no object", () => {
    const lost = withdraw("1.00", { advice: true, target: NOBODY, details: "wire 7" });
    const { view, planned } = path([deposit("2.00"), lost]);
    expect(planned!.instructions).toMatchObject([
      { target: ADA },
      { target: SUSPENSE, details: { details: "wire 7" } },
    ]);
    expect(decideBatch(view, planned!).kind).toBe("accepted");
  });

  test.each<[string, readonly Instruction[]]>([
    ["it is no advice", [deposit("5.00", { target: NOBODY })]],
    ["it moves between customers", [transfer("5.00", { advice: true, target: NOBODY })]],
    ["something else is wrong too", [deposit("0.00", { advice: true, target: NOBODY })]],
    [
      "there is no suspense account of its currency",
      [deposit("5.00", { advice: true, target: NOBODY, money: money("5.00", EUR) })],
    ],
    ["it is a lack of funds", [withdraw("5.00")]],
  ])("not when %s", (_what, instructions) => {
    expect(path(instructions).planned).toBeUndefined();
  });

  test("what suspense itself cannot take is not sent there again", () => {
    const view = newView();
    view.accounts.set(SUSPENSE, account(SUSPENSE, { product: undefined, status: "CLOSED" }));
    const batch = {
      operationId: "op_1",
      clientId: "c",
      valueAt: NOW,
      bookedAt: NOW,
      instructions: [deposit("1.00", { advice: true, target: SUSPENSE })],
    };
    const decision = decideBatch(view, batch);
    expect(decision.kind === "rejected" && planSuspense(batch, decision, () => SUSPENSE)).toBeUndefined();
    expect(codesOf(decide(view, batch.instructions))).toEqual([["ACCOUNT_NOT_OPEN", 0]]);
  });
});

describe("PI-4: what keeps money from an account, and what only looks so", () => {
  test.each<[string, object, string]>([
    ["an account of another currency", { denomination: EUR }, "CURRENCY_MISMATCH"],
    ["a value time before the account", { openedAt: at(NOW + 1n) }, "BEFORE_OPENING"],
  ])("%s", (_what, ada, code) => {
    const { view, planned } = path([withdraw("5.00", { advice: true })], ada);
    expect(planned!.instructions[0]!.details).toEqual({
      suspended: { account: formatId("account", ADA), codes: [code] },
    });
    expect(decideBatch(view, planned!).kind).toBe("accepted");
  });

  test("all that is wrong with one account is told", () => {
    const { planned } = path([deposit("5.00", { advice: true })], { denomination: EUR, status: "CLOSED" });
    expect(planned!.instructions[0]).toMatchObject({
      details: { suspended: { codes: ["ACCOUNT_NOT_OPEN", "CURRENCY_MISMATCH"] } },
    });
  });

  test("details that are nothing, a list or a text are kept beside what is added", () => {
    const detailsOf = (details: Instruction["details"]) =>
      path([deposit("5.00", { advice: true, target: NOBODY, details })]).planned!.instructions[0]!.details;
    const suspended = { account: formatId("account", NOBODY), codes: ["ACCOUNT_NOT_FOUND"] };
    expect([undefined, null, ["a"], "b", { c: 1 }].map(detailsOf)).toEqual([
      { suspended },
      { suspended },
      { details: ["a"], suspended },
      { details: "b", suspended },
      { c: 1, suspended },
    ]);
  });

  test("a fault of the whole batch is no fault of an account", () => {
    const batch: ProposedBatch = {
      operationId: "op_1",
      clientId: "client",
      valueAt: NOW,
      bookedAt: NOW,
      instructions: [deposit("1.00", { advice: true })],
    };
    const violations = [refuse("ACCOUNT_NOT_OPEN")];
    expect(planSuspense(batch, { kind: "rejected", violations }, () => SUSPENSE)).toBeUndefined();
  });
});
