import { setTimeout as pause } from "node:timers/promises";
import { checkBank, checkIdempotentHistory, createHistory, type Anomaly, type History } from "@florin/testkit";
import { allStrikes, startNemesis, type Strike } from "./nemesis.js";
import { createSeededRandom, type SeededRandom } from "./seeded-random.js";
import { startWorkloadBench, type WorkloadBench } from "./workload-bench.js";

/**
 * The bank: money moves between eight accounts while everything around it is struck down, and every read of all eight, in one query, adds
 * up to what was paid in.
 *
 * Sixteen clients; half of what they do is transfers of random amounts, some of them more than is there, half is reads. A client that
 * does not know asks again under its key. Oracle: the clients' history. A read that does not add up, an account below zero, a balance that
 * is missing; an acknowledged transfer that is not there, a refused one that is, one that is there twice (I2); the books' own rules.
 *
 * The control reads the accounts one by one: eight true balances of eight different moments, and the sum must be seen to be wrong.
 */
export interface BankOptions {
  /** How many reads. */
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

export interface BankReport {
  readonly seed: number;
  readonly reads: number;
  readonly transfers: number;
  readonly refused: number;
  readonly unknown: number;
  readonly struck: Readonly<Record<string, number>>;
  readonly met: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly violations: readonly string[];
}

interface BankValue {
  readonly key: string;
  readonly balances?: Readonly<Record<string, string | null>>;
  readonly from?: string;
  readonly to?: string;
  /** Minor units. */
  readonly amount?: string;
}

const ACCOUNTS = 8;
const CLIENTS = 16;
const START_CENTS = 10_000n;
const MAX_CENTS = 6_000;
const KEY_PREFIX = "bank-";
const FINAL_WITHIN_MS = 60_000;

const TRANSFER = `mutation ($input: BookTransferInput!) {
  bookTransfer(input: $input) { operation { status } } }`;
const READ = "query ($ids: [ID!]) { balances(accountIds: $ids) { account { id } committed { amount } } }";

export async function runBank(options: BankOptions): Promise<BankReport> {
  const bench = await startWorkloadBench();
  try {
    return await runOn(bench, options);
  } finally {
    await bench.stop();
  }
}

async function runOn(bench: WorkloadBench, options: BankOptions): Promise<BankReport> {
  const random = createSeededRandom(options.seed);
  const accounts = await bench.openAccounts(ACCOUNTS);
  await Promise.all(accounts.map((account) => fund(bench, account)));
  const history = createHistory<BankValue>();
  const startedAt = performance.now();
  const nemesis = startNemesis(
    { ...bench, random },
    {
      strikes: options.strikes ?? (options.control === true ? [] : allStrikes),
      everyMs: options.strikeEveryMs ?? 5_000,
      onStrike: (name) => options.onProgress?.(`${state.reads} reads, ${state.transfers} transfers: ${name}`),
    },
  );
  const state: Run = {
    bench,
    history,
    accounts,
    isControl: options.control === true,
    left: options.rounds,
    until: startedAt + (options.seconds ?? Infinity) * 1_000,
    reads: 0,
    transfers: 0,
  };
  try {
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, at) => runClient(state, createSeededRandom(options.seed * 1_000 + at))),
    );
  } finally {
    await nemesis.stop();
  }
  await read({ ...state, isControl: false }, history.newProcess());
  return judge(state, options, nemesis.struck, (performance.now() - startedAt) / 1_000);
}

interface Run {
  readonly bench: WorkloadBench;
  readonly history: History<BankValue>;
  readonly accounts: readonly string[];
  readonly isControl: boolean;
  readonly until: number;
  left: number;
  reads: number;
  transfers: number;
}

async function runClient(run: Run, random: SeededRandom): Promise<void> {
  let process = run.history.newProcess();
  while (run.left > 0 && performance.now() < run.until) {
    const isRead = random.below(2) === 0;
    if (isRead) run.left--;
    const isKnown = isRead ? await read(run, process) : await transfer(run, process, random);
    if (!isKnown) process = run.history.newProcess();
  }
}

async function read(run: Run, process: number): Promise<boolean> {
  const invocation = run.history.invoke(process, "read", { key: "" });
  try {
    const groups = run.isControl ? run.accounts.map((account) => [account]) : [run.accounts];
    const balances = Object.assign(
      {},
      ...(await Promise.all(groups.map((ids) => readBalances(run.bench, ids)))),
    ) as Record<string, string>;
    invocation.ok({ key: "", balances });
    run.reads++;
    return true;
  } catch {
    invocation.info();
    return false;
  }
}

async function readBalances(bench: WorkloadBench, ids: readonly string[]): Promise<Record<string, string>> {
  const { balances } = await bench.client.ask<{
    balances: readonly { account: { id: string }; committed: { amount: string } }[];
  }>(READ, { ids }, await bench.owner());
  return Object.fromEntries(balances.map(({ account, committed }) => [account.id, toCents(committed.amount)]));
}

async function transfer(run: Run, process: number, random: SeededRandom): Promise<boolean> {
  const [from = "", to = ""] = random.some(run.accounts, 2);
  const amount = String(1 + random.below(MAX_CENTS));
  const key = `${KEY_PREFIX}${run.history.entries.length}`;
  const invocation = run.history.invoke(process, "transfer", { key, from, to, amount });
  const input = {
    fromAccountId: from,
    toAccountId: to,
    amount: { amount: fromCents(amount), currency: "USD" },
    idempotencyKey: key,
    ...(random.below(8) === 0 ? { waitMs: 0 } : {}),
  };
  const status = await finalStatus(run.bench, input).catch(() => "PENDING");
  if (status === "COMPLETED") invocation.ok();
  else if (status === "REJECTED") invocation.fail();
  else invocation.info();
  run.transfers++;
  return status !== "PENDING";
}

/** Asks under the same key until it is decided; PENDING when a minute was not enough. */
async function finalStatus(bench: WorkloadBench, input: unknown): Promise<string> {
  const deadline = performance.now() + FINAL_WITHIN_MS;
  for (;;) {
    const { bookTransfer } = await bench.client.ask<{ bookTransfer: { operation: { status: string } } }>(
      TRANSFER,
      { input },
      await bench.owner(),
    );
    const { status } = bookTransfer.operation;
    if (status !== "PENDING" || performance.now() > deadline) return status;
    await pause(20);
  }
}

async function fund(bench: WorkloadBench, accountId: string): Promise<void> {
  const amount = { amount: fromCents(String(START_CENTS)), currency: "USD" };
  await bench.client.ask(
    "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }",
    { input: { accountId, amount, idempotencyKey: `fund-${accountId}`, waitMs: 10_000 } },
    await bench.owner(),
  );
}

async function judge(
  run: Run,
  options: BankOptions,
  struck: Readonly<Record<string, number>>,
  seconds: number,
): Promise<BankReport> {
  const { entries } = run.history;
  const bank = checkBank(entries, { accounts: run.accounts, total: START_CENTS * BigInt(ACCOUNTS) });
  const transfers = entries.filter(({ f }) => f === "transfer");
  const stored = await run.bench.listOperations(KEY_PREFIX);
  const anomalies: readonly Anomaly[] = [...bank.anomalies, ...checkIdempotentHistory(transfers, stored)];
  const violations = [
    ...anomalies.slice(0, 20).map(({ kind, what }) => `${kind}: ${what}`),
    ...(anomalies.length > 20 ? [`and ${anomalies.length - 20} more`] : []),
    ...(await run.bench.checkBooks()),
    ...(await run.bench.unexpected()),
  ];
  if (violations.length > 0 && options.saveTo !== undefined && options.control !== true)
    options.onProgress?.(`history kept in ${run.history.save(options.saveTo, "bank", options.seed)}`);
  return {
    seed: options.seed,
    reads: bank.reads,
    transfers: transfers.filter(({ type }) => type === "ok").length,
    refused: transfers.filter(({ type }) => type === "fail").length,
    unknown: transfers.filter(({ type }) => type === "info").length,
    struck,
    met: Object.fromEntries(run.bench.client.met),
    seconds: Math.round(seconds),
    violations,
  };
}

/** "12.34" is "1234": text to text, so that nothing is ever a float. */
function toCents(amount: string): string {
  const [units = "0", cents = ""] = amount.split(".");
  return BigInt(`${units}${cents.padEnd(2, "0")}`).toString();
}

function fromCents(cents: string): string {
  const digits = cents.padStart(3, "0");
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
