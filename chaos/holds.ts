import { setTimeout as pause } from "node:timers/promises";
import { internalAccountId } from "@florin/db";
import { formatId } from "@florin/kernel";
import { checkIdempotentHistory, createHistory, eventually, type Anomaly, type History } from "@florin/testkit";
import postgres from "postgres";
import type { HoldAction, HoldState } from "./hold-model.js";
import { outstandingOf } from "./hold-model.js";
import { judgeHolds, type HoldValue, type PlacedBatch, type StoredHold } from "./judge-holds.js";
import { startNemesis, type Strike } from "./nemesis.js";
import { createSeededRandom, type SeededRandom } from "./seeded-random.js";
import { SECOND_FENCE_DOWN } from "./two-writers.js";
import { startWorkloadBench, type WorkloadBench } from "./workload-bench.js";

/**
 * Holds: many clients of one partner authorise, adjust, settle (in parts, finally, above), release and let expire the same few holds, while
 * ledgers are killed, frozen and cut off, also between a COMMIT and its answer. Whoever does not know asks again under its key.
 *
 * Oracle: the clients' history. For each hold there is one serial order (the book's) in which every answer is the one legal outcome, which
 * agrees with real time, and which comes to the hold's sums (chaos/judge-holds.ts over a model that shares nothing with the kernel);
 * nothing acknowledged is lost or doubled (I2); the wallets have to the cent what was settled; the books' own rules (INV-3).
 *
 * The control has the fence off, and ledgers that freeze: a writer wakes beside its heir and both write, which must be seen.
 */
export interface HoldsOptions {
  /** How many operations. */
  readonly rounds: number;
  readonly seed: number;
  /** No operation begins after so long. */
  readonly seconds?: number;
  readonly control?: boolean;
  readonly strikes?: readonly Strike[];
  readonly strikeEveryMs?: number;
  readonly onProgress?: (line: string) => void;
  /** Where the history goes when something is wrong with it. */
  readonly saveTo?: string;
}

export interface HoldsReport {
  readonly seed: number;
  readonly operations: number;
  readonly accepted: number;
  readonly refused: number;
  readonly unknown: number;
  readonly holds: number;
  readonly expired: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly struck: Readonly<Record<string, number>>;
  readonly met: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly violations: readonly string[];
}

const CLIENTS = 12;
const HOLDS_AT_ONCE = 4;
const WALLETS = 4;
const FUNDS = "5000000.00";
const MAX_CENTS = 5_000;
const FOLLOW_UPS = [
  "adjust",
  "adjust",
  "adjust",
  "replace",
  "replace",
  "settle",
  "settle",
  "settle",
  "all",
  "release",
] as const;
const KEY_PREFIX = "holds-";
const FINAL_WITHIN_MS = 60_000;
/** One hold in four ends by itself. */
const LIVES_SECONDS = [1, 2] as const;
/** Demo partner: may post batches (docs/running.md, "Demo identities"). */
const PARTNER_KEY = `florin_sk_${"demo_partner_0001".padEnd(43, "0")}`;
export const holdStrikes: readonly Strike[] = [
  "kill a ledger",
  "freeze a ledger",
  "stop a ledger in order",
  "kill a gateway",
  "cut between a commit and its answer",
  "reset the ledgers' database connections",
  "black hole before the database",
];

const FENCE_DOWN = { sql: SECOND_FENCE_DOWN, ledger: { FLORIN_UNSAFE_NO_FENCE: "1" } };

const POST = `mutation ($input: PostInstructionBatchInput!) {
  postInstructionBatch(input: $input) { batch { status rejections { code } } } }`;
const DEPOSIT = "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }";

export async function runHolds(options: HoldsOptions): Promise<HoldsReport> {
  const bench = await startWorkloadBench(options.control === true ? FENCE_DOWN : undefined);
  try {
    return await runOn(bench, options);
  } finally {
    await bench.stop();
  }
}

interface Run {
  readonly bench: WorkloadBench;
  readonly history: History<HoldValue>;
  readonly wallets: readonly string[];
  /** The holds that clients work on just now. */
  readonly names: string[];
  /** Those that somebody knows to have been authorised. */
  readonly open: Set<string>;
  readonly until: number;
  left: number;
  opened: number;
  finished: number;
}

async function runOn(bench: WorkloadBench, options: HoldsOptions): Promise<HoldsReport> {
  const random = createSeededRandom(options.seed);
  const wallets = await bench.openAccounts(WALLETS);
  await Promise.all(wallets.map((wallet) => fund(bench, wallet)));
  const startedAt = performance.now();
  const run: Run = {
    ...{ bench, wallets, history: createHistory<HoldValue>() },
    open: new Set(),
    names: Array.from({ length: HOLDS_AT_ONCE }, (_, index) => `hold-${index}`),
    until: startedAt + (options.seconds ?? Infinity) * 1_000,
    ...{ left: options.rounds, opened: HOLDS_AT_ONCE, finished: 0 },
  };
  const nemesis = startNemesis(
    { ...bench, random },
    {
      strikes: options.strikes ?? (options.control === true ? ["freeze a ledger"] : holdStrikes),
      everyMs: options.strikeEveryMs ?? (options.control === true ? 500 : 5_000),
      onStrike: (name) => options.onProgress?.(`${run.finished} operations on ${run.opened} holds: ${name}`),
    },
  );
  try {
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, at) => runClient(run, createSeededRandom(options.seed * 1_000 + at))),
    );
  } finally {
    await nemesis.stop();
  }
  return await judge(run, options, nemesis.struck, (performance.now() - startedAt) / 1_000);
}

async function runClient(run: Run, random: SeededRandom): Promise<void> {
  let process = run.history.newProcess();
  while (run.left-- > 0 && performance.now() < run.until) {
    const place = random.below(HOLDS_AT_ONCE);
    const hold = run.names[place] ?? "";
    const action = planAction(hold, run.open.has(hold), random);
    const key = `${KEY_PREFIX}${run.history.entries.length}`;
    const invocation = run.history.invoke(process, action.kind, { key, action });
    const answer = await perform(run, key, action).catch(() => undefined);
    if (answer === undefined) {
      invocation.info();
      process = run.history.newProcess();
    } else if (answer.code === null) {
      invocation.ok();
      run.open.add(hold);
    } else invocation.fail({ key, action, code: answer.code });
    run.finished++;
    // Closed holds are met a few more times before a new one takes their place.
    const isOver = answer?.code === "CLIENT_TRANSACTION_CLOSED" || answer?.code === "CLIENT_TRANSACTION_EXPIRED";
    if (isOver && random.below(2) === 0 && run.names[place] === hold) run.names[place] = `hold-${run.opened++}`;
  }
}

/** Before anybody has authorised it, and now and then afterwards, a client tries to. */
function planAction(hold: string, isOpen: boolean, random: SeededRandom): HoldAction {
  const cents = String(1 + random.below(MAX_CENTS));
  const isOpener = random.below(10) < (isOpen ? 1 : 7);
  const kind = isOpener ? "authorise" : random.pick(FOLLOW_UPS);
  switch (kind) {
    case "authorise":
      return {
        ...{ kind, hold, cents: String(5_000 + random.below(MAX_CENTS)) },
        direction: random.below(4) === 0 ? "INBOUND" : "OUTBOUND",
        lifeMicros: random.below(4) === 0 ? String(random.pick(LIVES_SECONDS) * 1_000_000) : undefined,
        converts: random.below(2) === 0,
        mayOverSettle: random.below(3) > 0,
      };
    case "adjust":
      return { kind, hold, by: random.below(2) === 0 ? cents : `-${cents}` };
    case "replace":
      return { kind, hold, cents };
    case "settle":
      return { kind, hold, cents, final: random.below(5) === 0 };
    case "all":
      return { kind: "settle", hold, final: false };
    default:
      return { kind: "release", hold };
  }
}

/** Asks under the same key until it is decided. Throws when it is not after a minute. */
async function perform(run: Run, key: string, action: HoldAction): Promise<{ readonly code: string | null }> {
  const { client } = run.bench;
  const deadline = performance.now() + FINAL_WITHIN_MS;
  const input = { instructions: [toInput(run, action)], idempotencyKey: key };
  for (;;) {
    const { postInstructionBatch } = await client.ask<{
      postInstructionBatch: { batch: { status: string; rejections: readonly { code: string }[] } };
    }>(POST, { input }, PARTNER_KEY);
    const { status, rejections } = postInstructionBatch.batch;
    if (status === "ACCEPTED") return { code: null };
    if (status === "REJECTED") return { code: rejections[0]?.code ?? "none" };
    if (performance.now() > deadline) throw new Error(`${key} is still ${status}`);
    await pause(20);
  }
}

function toInput(run: Run, action: HoldAction): Readonly<Record<string, unknown>> {
  const clientTransactionId = action.hold;
  switch (action.kind) {
    case "authorise": {
      const { direction, cents, lifeMicros, converts, mayOverSettle } = action;
      const isInbound = direction === "INBOUND";
      return {
        [isInbound ? "inboundAuthorisation" : "outboundAuthorisation"]: {
          clientTransactionId,
          targetAccountId: walletOf(run, action.hold),
          internalAccountId: formatId("account", internalAccountId(isInbound ? "CASH_IN" : "CARD_SETTLEMENT", "USD")),
          amount: { amount: fromCents(cents), currency: "USD" },
          allowOverSettlement: mayOverSettle,
          onExpired: converts ? "CONVERT_TO_HARD_SETTLEMENT" : "REJECT",
          ...(lifeMicros === undefined ? {} : { expiresAfter: `PT${BigInt(lifeMicros) / 1_000_000n}S` }),
        },
      };
    }
    case "adjust":
      return { authorisationAdjustment: { clientTransactionId, delta: fromCents(action.by) } };
    case "replace":
      return { authorisationAdjustment: { clientTransactionId, replaceTo: fromCents(action.cents) } };
    case "settle": {
      const { cents, final } = action;
      return {
        settlement: { clientTransactionId, final, ...(cents === undefined ? {} : { amount: fromCents(cents) }) },
      };
    }
    case "release":
      return { release: { clientTransactionId } };
  }
}

const numberOf = (hold: string): number => Number(hold.slice("hold-".length));

function walletOf({ wallets }: Pick<Run, "wallets">, hold: string): string {
  return wallets[numberOf(hold) % wallets.length] ?? "";
}

async function fund(bench: WorkloadBench, accountId: string): Promise<void> {
  const amount = { amount: FUNDS, currency: "USD" };
  const input = { accountId, amount, idempotencyKey: `fund-${accountId}`, waitMs: 10_000 };
  await bench.client.ask(DEPOSIT, { input }, await bench.owner());
}

async function judge(
  run: Run,
  options: HoldsOptions,
  struck: Readonly<Record<string, number>>,
  seconds: number,
): Promise<HoldsReport> {
  const { bench, history } = run;
  const sql = postgres(bench.databaseUrl, { max: 1, types: { bigint: postgres.BigInt }, onnotice: () => undefined });
  try {
    const isDrained = async () => (await sql`select from ledger.command limit 1`).length === 0;
    const left = await eventually(isDrained, FINAL_WITHIN_MS).then(
      () => [],
      () => ["not-final: commands still wait for the writer"],
    );
    const verdict = judgeHolds(history.entries, await listPlaced(sql), await listHolds(sql));
    const anomalies: readonly Anomaly[] = [
      ...checkIdempotentHistory(history.entries, await bench.listOperations(KEY_PREFIX)),
      ...verdict.anomalies,
      ...(await compareWallets(run, sql, verdict.states)),
    ];
    const violations = [
      ...left,
      ...anomalies.slice(0, 20).map(({ kind, what }) => `${kind}: ${what}`),
      ...(anomalies.length > 20 ? [`and ${anomalies.length - 20} more`] : []),
      ...(await bench.checkBooks()),
      ...(await bench.unexpected()),
    ];
    if (violations.length > 0 && options.saveTo !== undefined && options.control !== true)
      options.onProgress?.(`history kept in ${history.save(options.saveTo, "holds", options.seed)}`);
    const ends = history.entries.map(({ type }) => type);
    const count = (type: string): number => ends.filter((end) => end === type).length;
    return {
      ...{ seed: options.seed, operations: count("invoke"), accepted: count("ok"), refused: count("fail") },
      ...{ unknown: count("info"), holds: verdict.states.size },
      expired: [...verdict.states.values()].filter(({ closedBy }) => closedBy === "EXPIRED").length,
      ...{ outcomes: verdict.outcomes, struck, met: Object.fromEntries(bench.client.met) },
      ...{ seconds: Math.round(seconds), violations },
    };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

type Reader = postgres.Sql<{ bigint: bigint }>;

/** Every batch about a hold, where the book has it. What the system released has no key of ours. */
async function listPlaced(sql: Reader): Promise<PlacedBatch[]> {
  return await sql<PlacedBatch[]>`
    select case k.origin when 'CLIENT' then o.idempotency_key end as key,
      (select i.client_transaction_id from ledger.posting_instruction i
       where i.book_id = k.book_id and i.batch_id = k.batch_id and i.ordinal = 0) as hold,
      k.seq, (extract(epoch from k.booked_at) * 1000000)::bigint as "bookedAt", k.rejections->0->>'code' as code
    from ledger.posting_instruction_batch k join ledger.operation o using (book_id, batch_id)
    where starts_with(o.idempotency_key, ${KEY_PREFIX}) or (k.origin = 'EXPIRY' and k.status = 'ACCEPTED')
    order by k.seq`;
}

async function listHolds(sql: Reader): Promise<StoredHold[]> {
  const cents = (column: string) => sql`(${sql(column)} * 100)::bigint`;
  return await sql<StoredHold[]>`
    select client_transaction_id as hold, ${cents("authorised")} as authorised, ${cents("adjusted")} as adjusted,
      ${cents("settled")} as settled, ${cents("over_settled")} as "overSettled", ${cents("released")} as released, closed_by as "closedBy"
    from ledger.client_transaction where starts_with(client_transaction_id, 'hold-')`;
}

/** To the cent, from what the clients were told and the model made of it. */
async function compareWallets(run: Run, sql: Reader, states: ReadonlyMap<string, HoldState>): Promise<Anomaly[]> {
  const rows = await sql<{ accountId: string; phase: string; cents: bigint }[]>`
    select florin.border_id('acct', account_id) as "accountId", phase, ((total_credit - total_debit) * 100)::bigint as cents
    from ledger.balance`;
  const actual = new Map(rows.map(({ accountId, phase, cents }) => [`${accountId} ${phase}`, cents]));
  const expected = new Map(run.wallets.map((wallet) => [`${wallet} COMMITTED`, toCents(FUNDS)]));
  for (const [hold, state] of states) {
    const sign = state.direction === "INBOUND" ? 1n : -1n;
    const add = (phase: string, cents: bigint): void => {
      const name = `${walletOf(run, hold)} ${phase}`;
      expected.set(name, (expected.get(name) ?? 0n) + sign * cents);
    };
    add("COMMITTED", state.settled);
    add(state.direction === "INBOUND" ? "PENDING_IN" : "PENDING_OUT", outstandingOf(state));
  }
  return [...expected].flatMap(([name, cents]) =>
    (actual.get(name) ?? 0n) === cents
      ? []
      : [{ kind: "money", what: `${name} is ${actual.get(name) ?? 0n} cents; what was told comes to ${cents}` }],
  );
}

/** Text to text and integers, so that nothing is ever a float. */
function fromCents(cents: string): string {
  const sign = cents.startsWith("-") ? "-" : "";
  const digits = cents.slice(sign.length).padStart(3, "0");
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

function toCents(amount: string): bigint {
  return BigInt(amount.replace(".", ""));
}
