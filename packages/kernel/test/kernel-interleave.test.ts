import fc from "fast-check";
import {
  clientTransactionKey,
  decideBatch,
  type Amount,
  type BatchDecision,
  type BookView,
  type ClientTransactionState,
  type DecidedLeg,
  type Instruction,
} from "../src/index.js";
import {
  ADA,
  adjust,
  at,
  authorise,
  codesOf,
  decide,
  deposit,
  newView,
  NOW,
  release,
  settle,
  settleFinally,
  TXN,
} from "./book-fixture.js";

/**
 * kernel.interleave: two to eight callers act on one client transaction at once. A seeded scheduler decides who takes the next step;
 * each caller's steps are lock, read, decide and write, unlock. With the lock (CT-3) the outcome is that of the one serial order in which
 * the callers took it, and no other. Without it, the same scheduler finds the double settlement: the control.
 */
const runs = Number(process.env["KERNEL_MODEL_RUNS"] ?? 800);
const seed = Number(process.env["KERNEL_MODEL_SEED"] ?? Date.now() % 2 ** 31);

interface Act {
  readonly name: string;
  readonly instruction: Instruction;
  readonly isExpiry?: true;
}

const EXPIRES = 10n;
const acts: readonly Act[] = [
  { name: "authorise", instruction: authorise("100.00", { expiresAfterMicros: EXPIRES, onExpired: "REJECT" }) },
  {
    name: "authorise, converting",
    instruction: authorise("100.00", { expiresAfterMicros: EXPIRES, onExpired: "CONVERT_TO_HARD_SETTLEMENT" }),
  },
  { name: "adjust up", instruction: adjust("20.00") },
  { name: "adjust down", instruction: adjust("-60.00") },
  { name: "settle part", instruction: settle("50.00") },
  { name: "settle finally", instruction: settleFinally("90.00") },
  { name: "settle all", instruction: settle() },
  { name: "release", instruction: release() },
  { name: "expire", instruction: release(), isExpiry: true },
];

/** The book that all share: what was read is a copy, what is written replaces. */
class SharedBook {
  view: BookView = newView();
  readonly legs: DecidedLeg[] = [];
  readonly outcomes: { readonly caller: number; readonly act: Act; readonly decision: BatchDecision }[] = [];
  holder: number | undefined;

  constructor() {
    decide(this.view, [deposit("500.00")]);
  }

  read(): BookView {
    const { accounts, clientTransactions } = this.view;
    return { accounts: new Map(accounts), clientTransactions: new Map(clientTransactions) };
  }

  transaction(): ClientTransactionState | undefined {
    return this.view.clientTransactions.get(clientTransactionKey("client", TXN));
  }
}

function decideAct(view: BookView, act: Act, clock: bigint, operationId: string): BatchDecision {
  const now = at(clock);
  return decideBatch(view, {
    operationId,
    clientId: "client",
    valueAt: now,
    bookedAt: now,
    instructions: [act.instruction],
    origin: act.isExpiry ? "EXPIRY" : "CLIENT",
  });
}

/** One caller. Each `yield` is a place where another may go on; `true` says that it waits for the lock. */
function* call(book: SharedBook, caller: number, act: Act, clock: bigint, isLocked: boolean): Generator<boolean> {
  while (isLocked && book.holder !== undefined) yield true;
  if (isLocked) book.holder = caller;
  yield false;
  const read = book.read();
  yield false;
  const decision = decideAct(read, act, clock, `op_${caller}`);
  yield false;
  if (decision.kind === "accepted") {
    for (const leg of decision.legs) {
      book.legs.push(leg);
      book.view.accounts.set(leg.accountId, read.accounts.get(leg.accountId)!);
    }
    for (const state of decision.clientTransactions)
      book.view.clientTransactions.set(clientTransactionKey(state.clientId, state.clientTransactionId), state);
  }
  book.outcomes.push({ caller, act, decision });
  if (isLocked) book.holder = undefined;
}

interface Scene {
  readonly acts: readonly Act[];
  /** Micros after NOW at which each caller books. */
  readonly clocks: readonly bigint[];
  /** Whose turn: any numbers, taken modulo who is left. */
  readonly turns: readonly number[];
}

function play({ acts: chosen, clocks, turns }: Scene, isLocked: boolean): SharedBook {
  const book = new SharedBook();
  const callers = chosen.map((act, caller) => call(book, caller, act, NOW + clocks[caller]!, isLocked));
  for (let turn = 0; callers.length > 0; turn += 1) {
    const place = (turns[turn % turns.length]! + turn) % callers.length;
    if (callers[place]!.next().done === true) callers.splice(place, 1);
  }
  return book;
}

/** INV-3: what is outstanding is what the transaction's postings have in the pending phase, and nothing once it is closed. */
function faultsOf(book: SharedBook): readonly string[] {
  const state = book.transaction();
  let pending = 0n;
  let committed = 0n;
  for (const { accountId, phase, side, amount } of book.legs) {
    if (accountId !== ADA) continue;
    const signed = side === "DEBIT" ? amount : -amount;
    if (phase === "PENDING_OUT") pending += signed;
    else committed += signed;
  }
  const faults: string[] = [];
  if (pending !== (state?.outstanding ?? 0n)) faults.push(`outstanding ${state?.outstanding}, postings ${pending}`);
  if (committed !== (state?.settled ?? (0n as Amount))) faults.push(`settled ${state?.settled}, postings ${committed}`);
  if (state?.isFinal === true && pending !== 0n) faults.push("closed with a hold");
  return faults;
}

const scenes: fc.Arbitrary<Scene> = fc.array(fc.constantFrom(...acts), { minLength: 2, maxLength: 8 }).chain((chosen) =>
  fc.record({
    acts: fc.constant(chosen),
    clocks: fc.array(fc.bigInt({ min: 0n, max: 2n * EXPIRES }), {
      minLength: chosen.length,
      maxLength: chosen.length,
    }),
    turns: fc.array(fc.nat(100), { minLength: 1, maxLength: 40 }),
  }),
);

test(`kernel.interleave: every interleaving has the outcome of one serial order (CT-3), ${runs} scenes, seed ${seed}`, () => {
  fc.assert(
    fc.property(scenes, (scene) => {
      const book = play(scene, true);
      expect(faultsOf(book)).toEqual([]);
      const serial = new SharedBook();
      for (const { caller, act, decision } of book.outcomes) {
        const again = decideAct(serial.view, act, NOW + scene.clocks[caller]!, `op_${caller}`);
        expect(again).toEqual(decision);
      }
      expect(serial.view.accounts).toEqual(book.view.accounts);
      expect(serial.transaction()).toEqual(book.transaction());
      const closings = book.outcomes.filter(
        ({ decision }) => decision.kind === "accepted" && decision.effects[0]!.change.closedBy !== undefined,
      );
      expect(closings.length).toBe(book.transaction()?.isFinal === true ? 1 : 0);
    }),
    { numRuns: runs, seed },
  );
}, 3_600_000);

test("without the lock the same scheduler doubles a settlement or loses a hold", () => {
  const found = fc.check(
    fc.property(scenes, (scene) => {
      expect(faultsOf(play(scene, false))).toEqual([]);
    }),
    { numRuns: 500, seed: 1 },
  );
  expect(found.failed).toBe(true);
});

describe("every pair on an open authorisation, in both orders", () => {
  const followUps = acts.filter(({ name }) => !name.startsWith("authorise"));
  const closes = new Set(["settle finally", "settle all", "release"]);
  const pairs = followUps.flatMap((first) =>
    followUps.map((second) => [first.name, second.name, first, second] as const),
  );

  test.each(pairs)("%s, then %s", (_first, _second, first, second) => {
    const book = new SharedBook();
    decideAct(book.view, acts[0]!, NOW, "op_0");
    const one = decideAct(book.view, first, NOW + 1n, "op_1");
    const two = decideAct(book.view, second, NOW + 2n, "op_2");
    if (first.isExpiry) expect(codesOf(one)).toEqual([["CLIENT_TRANSACTION_NOT_EXPIRED", 0]]);
    else expect(one.kind).toBe("accepted");
    if (closes.has(first.name)) expect(codesOf(two)).toEqual([["CLIENT_TRANSACTION_CLOSED", 0]]);
    else if (second.isExpiry) expect(codesOf(two)).toEqual([["CLIENT_TRANSACTION_NOT_EXPIRED", 0]]);
    else if (first.name === "adjust down" && second.name === "adjust down")
      expect(codesOf(two)).toEqual([["ADJUSTMENT_BELOW_ZERO", 0]]);
    else if (first.name === "settle part" && second.name === "adjust down")
      expect(codesOf(two)).toEqual([["ADJUSTMENT_BELOW_ZERO", 0]]);
    else expect(two.kind).toBe("accepted");
  });

  test.each(followUps.map((act) => [act.name, act] as const))("after its expiry is booked: %s", (_name, act) => {
    const book = new SharedBook();
    decideAct(book.view, acts[1]!, NOW, "op_0");
    expect(decideAct(book.view, acts.at(-1)!, NOW + EXPIRES, "op_1").kind).toBe("accepted");
    expect(codesOf(decideAct(book.view, act, NOW + EXPIRES, "op_2"))).toEqual([["CLIENT_TRANSACTION_CLOSED", 0]]);
  });
});
