import fc from "fast-check";
import {
  addLeg,
  clientTransactionKey,
  coordinateKey,
  decideBatch,
  instantFromMicros,
  netsOf,
  NO_TOTALS,
  type Amount,
  type BookView,
  type DecidedLeg,
  type Instruction,
  type Totals,
} from "../src/index.js";
import { account, CASH, id, USD, viewOf } from "./book-fixture.js";
import { ReferenceModel, type ModelInstruction } from "./reference-model.js";

/**
 * kernel.model: random lives of a small book, each batch judged by the kernel and by the reference model. The long run:
 * KERNEL_MODEL_RUNS=100000. A failing run prints its seed and path; KERNEL_MODEL_SEED runs one again.
 */
const runs = Number(process.env["KERNEL_MODEL_RUNS"] ?? 2_000);
const seed = Number(process.env["KERNEL_MODEL_SEED"] ?? Date.now() % 2 ** 31);
const CLIENT = "client";

interface Real {
  readonly view: BookView;
  readonly legs: DecidedLeg[];
  batches: number;
}

const cent = 100_000n;
const money = (cents: bigint) => ({ amount: (cents * cent) as Amount, currency: USD });

function toInstruction(given: ModelInstruction): Instruction {
  const advice = "advice" in given && given.advice;
  const clientTransactionId = "id" in given ? given.id : undefined;
  const opener = (who: number, cents: bigint) => ({
    target: id(who),
    counterparty: CASH,
    money: money(cents),
    advice,
    clientTransactionId,
  });
  const follow = { clientTransactionId: clientTransactionId ?? "", advice };
  switch (given.does) {
    case "in":
      return { type: "INBOUND_HARD_SETTLEMENT", ...opener(given.who, given.cents) };
    case "out":
      return { type: "OUTBOUND_HARD_SETTLEMENT", ...opener(given.who, given.cents) };
    case "transfer":
      return { type: "TRANSFER", ...opener(given.who, given.cents), counterparty: id(given.to) };
    case "authIn":
    case "authOut":
      return {
        type: given.does === "authIn" ? "INBOUND_AUTHORISATION" : "OUTBOUND_AUTHORISATION",
        ...opener(given.who, given.cents),
        expiresAfterMicros: given.lasts,
        onExpired: given.converts ? "CONVERT_TO_HARD_SETTLEMENT" : "REJECT",
        allowOverSettlement: given.mayExceed,
      };
    case "adjust":
      return { type: "AUTHORISATION_ADJUSTMENT", ...follow, delta: money(given.cents) };
    case "replace":
      return { type: "AUTHORISATION_ADJUSTMENT", ...follow, replaceTo: money(given.cents) };
    case "settle":
      return {
        type: "SETTLEMENT",
        ...follow,
        final: given.final,
        money: given.cents === undefined ? undefined : money(given.cents),
      };
    case "release":
      return { type: "RELEASE", ...follow };
    case "custom":
      return {
        type: "CUSTOM_INSTRUCTION",
        advice,
        clientTransactionId,
        legs: [
          { account: id(given.who), side: "DEBIT", money: money(given.cents) },
          { account: id(given.to), side: "CREDIT", money: money(given.cents) },
        ],
      };
  }
}

/** A batch of one instruction or more: both accept it, or both refuse it for the same reasons. */
class Post implements fc.Command<ReferenceModel, Real> {
  readonly instructions: readonly ModelInstruction[];
  constructor(instructions: readonly ModelInstruction[]) {
    this.instructions = instructions;
  }
  check = () => true;
  run(model: ReferenceModel, real: Real): void {
    const now = instantFromMicros(model.clock);
    const decision = decideBatch(real.view, {
      operationId: `op_${++real.batches}`,
      clientId: CLIENT,
      valueAt: now,
      bookedAt: now,
      instructions: this.instructions.map(toInstruction),
    });
    const attempt = model.copy();
    const faults = this.instructions.map((instruction) => attempt.perform(instruction));
    expect(decision.kind).toBe(faults.flat().length === 0 ? "accepted" : "rejected");
    if (decision.kind === "accepted") {
      model.become(attempt);
      real.legs.push(...decision.legs);
    } else if (this.instructions.length === 1) {
      expect(decision.violations.map(({ code }) => code)).toEqual(faults[0]);
    }
    assertAgree(model, real);
  }
  toString = () =>
    `post ${JSON.stringify(this.instructions, (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value))}`;
}

class Wait implements fc.Command<ReferenceModel, Real> {
  readonly micros: bigint;
  constructor(micros: bigint) {
    this.micros = micros;
  }
  check = () => true;
  run(model: ReferenceModel): void {
    model.clock += this.micros;
  }
  toString = () => `wait ${this.micros}`;
}

class Expire implements fc.Command<ReferenceModel, Real> {
  readonly id: string;
  constructor(name: string) {
    this.id = name;
  }
  check = (model: Readonly<ReferenceModel>) => model.holds.has(this.id);
  run(model: ReferenceModel, real: Real): void {
    const now = instantFromMicros(model.clock);
    const decision = decideBatch(real.view, {
      operationId: `op_${++real.batches}`,
      clientId: CLIENT,
      valueAt: now,
      bookedAt: now,
      origin: "EXPIRY",
      instructions: [{ type: "RELEASE", clientTransactionId: this.id, advice: false }],
    });
    const faults = model.expire(this.id);
    expect(decision.kind === "accepted" ? [] : decision.violations.map(({ code }) => code)).toEqual(faults);
    if (decision.kind === "accepted") real.legs.push(...decision.legs);
    assertAgree(model, real);
  }
  toString = () => `expire ${this.id}`;
}

/** Balances and holds are the model's. */
function assertAgree(model: ReferenceModel, { view }: Real): void {
  for (const who of [1, 2, 3]) {
    const state = view.accounts.get(id(who))!;
    const { committed, pendingIn, pendingOut, available } = netsOf(state, state.totals);
    expect([committed, pendingIn, pendingOut, available]).toEqual([
      (model.owns.get(who) ?? 0n) * cent,
      (model.expects.get(who) ?? 0n) * cent,
      -(model.held.get(who) ?? 0n) * cent,
      model.free(who) * cent,
    ]);
  }
  for (const [name, hold] of model.holds) {
    const state = view.clientTransactions.get(clientTransactionKey(CLIENT, name))!;
    expect([state.authorised + state.adjusted, state.settled, state.outstanding]).toEqual([
      hold.promised * cent,
      hold.settled * cent,
      hold.left * cent, // INV-3: the sum of what it has in its pending phase
    ]);
    expect(state.closedBy ?? "").toBe(hold.end);
    if (state.isFinal) expect(state.outstanding).toBe(0n);
  }
}

/** At a life's end: debits are credits in each phase, balances are the fold of what was booked, sequences have no gap. */
function assertBooked({ view, legs }: Real): void {
  const sums = new Map<string, bigint>();
  for (const { phase, side, amount } of legs)
    sums.set(phase, (sums.get(phase) ?? 0n) + (side === "DEBIT" ? amount : -amount));
  for (const [phase, sum] of sums) expect([phase, sum]).toEqual([phase, 0n]); // INV-1
  for (const state of view.accounts.values()) {
    const own = legs.filter((leg) => leg.accountId === state.accountId);
    expect(own.map(({ accountSeq }) => accountSeq)).toEqual(own.map((_, place) => BigInt(place + 1))); // INV-4
    expect(new Map(state.totals)).toEqual(fold(own)); // INV-2
  }
}

function fold(legs: readonly DecidedLeg[]): Map<string, Totals> {
  const totals = new Map<string, Totals>();
  for (const leg of legs) totals.set(coordinateKey(leg), addLeg(totals.get(coordinateKey(leg)) ?? NO_TOTALS, leg));
  return totals;
}

const who = fc.integer({ min: 1, max: 3 });
const names = fc.constantFrom("a", "b", "c");
const cents = fc.bigInt({ min: 0n, max: 50n });
const rarely = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
const maybeNamed = fc.option(names, { nil: undefined, freq: 3 });
const instruction: fc.Arbitrary<ModelInstruction> = fc.oneof(
  fc.record({ does: fc.constantFrom("in" as const, "out" as const), who, cents, id: maybeNamed, advice: rarely }),
  fc.record({ does: fc.constant("transfer" as const), who, to: who, cents, advice: rarely }),
  fc.record({ does: fc.constant("custom" as const), who, to: who, cents, id: maybeNamed }),
  fc.record({
    does: fc.constantFrom("authIn" as const, "authOut" as const),
    who,
    cents,
    id: names,
    advice: rarely,
    lasts: fc.option(fc.bigInt({ min: 1n, max: 20n }), { nil: undefined }),
    converts: fc.boolean(),
    mayExceed: fc.boolean(),
  }),
  fc.record({ does: fc.constant("adjust" as const), id: names, cents: fc.bigInt({ min: -30n, max: 30n }) }),
  fc.record({ does: fc.constant("replace" as const), id: names, cents }),
  fc.record({
    does: fc.constant("settle" as const),
    id: names,
    cents: fc.option(cents, { nil: undefined }),
    final: fc.boolean(),
    advice: rarely,
  }),
  fc.record({ does: fc.constant("release" as const), id: names }),
);
const commands = fc.commands(
  [
    fc.array(instruction, { minLength: 1, maxLength: 1 }).map((list) => new Post(list)),
    fc.array(instruction, { minLength: 2, maxLength: 4 }).map((list) => new Post(list)),
    fc.bigInt({ min: 1n, max: 15n }).map((micros) => new Wait(micros)),
    names.map((name) => new Expire(name)),
  ],
  { maxCommands: 25 },
);

test(`kernel.model: ${runs} lives, seed ${seed}`, () => {
  fc.assert(
    fc.property(commands, (sequence) => {
      const view = viewOf(
        ...[1, 2, 3].map((n) => account(id(n))),
        account(CASH, { tside: "ASSET", product: undefined }),
      );
      const real: Real = { view, legs: [], batches: 0 };
      fc.modelRun(() => ({ model: new ReferenceModel(), real }), sequence);
      assertBooked(real);
    }),
    { numRuns: runs, seed },
  );
}, 3_600_000);

test("kernel.model notices a kernel that is wrong by a cent, at once", () => {
  const view = viewOf(account(id(1)), account(id(2)), account(id(3)), account(CASH, { product: undefined }));
  const real: Real = { view, legs: [], batches: 0 };
  const model = new ReferenceModel();
  new Post([{ does: "in", who: 1, cents: 10n, advice: false }]).run(model, real);
  model.owns.set(1, 11n);
  expect(() => assertAgree(model, real)).toThrow();
});
