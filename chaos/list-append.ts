import { setTimeout as pause } from "node:timers/promises";
import {
  checkListAppend,
  createHistory,
  type History,
  type ListOperation,
  type ListTransaction,
} from "@florin/testkit";
import { runPlainLists } from "./plain-lists.js";
import { allStrikes, startNemesis, type Strike } from "./nemesis.js";
import { createSeededRandom, type SeededRandom } from "./seeded-random.js";
import { startWorkloadBench, type WorkloadBench } from "./workload-bench.js";

/**
 * List-append: an account is a list, a posting adds an element to its end. A transaction is a batch of up to four settlements over up to
 * three accounts, all or none of it; or a read of up to three statements as of one moment. Whatever is struck down meanwhile, the
 * history must be strictly serializable.
 *
 * How several statements are read as of one moment, by the public graph alone: `balances` answers for all accounts from one snapshot
 * and says how many postings each has; a statement never changes, so what it shows up to that number is the list of that moment. A
 * statement that is behind (it was read elsewhere) is asked for again.
 *
 * Some batches take more than there is from an account that has nothing and must leave no trace (G1a). Lists only grow; a read looks at
 * the end of one, and at the very end every list is read whole, so that nothing that was acknowledged can hide.
 *
 * The control does the same on a plain table at READ COMMITTED, with lists read, changed and written back: plain-lists.ts.
 */
export interface ListAppendOptions {
  /** How many transactions. */
  readonly rounds: number;
  readonly seed: number;
  /** No transaction begins after so long. */
  readonly seconds?: number;
  readonly control?: boolean;
  readonly strikes?: readonly Strike[];
  readonly strikeEveryMs?: number;
  readonly onProgress?: (line: string) => void;
  /** Where the history goes when something is wrong with it. */
  readonly saveTo?: string;
}

export interface ListAppendRun {
  readonly seed: number;
  readonly transactions: number;
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  readonly dependencies: number;
  readonly checkedInMs: number;
  readonly struck: Readonly<Record<string, number>>;
  readonly met: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly violations: readonly string[];
}

const LISTS = 12;
const CLIENTS = 16;
/** How much of the end of a list a read looks at; more would cost the graph's budget for one query. */
const WINDOW = 12;
const PAGE = 100;
const PARTNER_KEY = `florin_sk_${"demo_partner_0001".padEnd(43, "0")}`;
const FINAL_WITHIN_MS = 60_000;

const APPEND = `mutation ($input: PostInstructionBatchInput!) {
  postInstructionBatch(input: $input) { batch { status } } }`;
const READ = `query ($ids: [ID!], $first: Int!) {
  balances(accountIds: $ids) { accountSeq account { id transactions(first: $first) {
    edges { node { accountSeq description } } } } } }`;
const WHOLE = `query ($id: ID!, $after: Cursor) {
  account(id: $id) { transactions(first: ${PAGE}, after: $after) {
    pageInfo { hasNextPage endCursor } edges { node { accountSeq description } } } } }`;

interface Line {
  readonly accountSeq: string;
  readonly description: string | null;
}

interface Run {
  readonly bench: WorkloadBench;
  readonly history: History<ListTransaction>;
  readonly lists: readonly string[];
  readonly cashIn: string;
  readonly cashOut: string;
  readonly until: number;
  left: number;
  elements: number;
}

export async function runListAppend(options: ListAppendOptions): Promise<ListAppendRun> {
  if (options.control === true) {
    const startedAt = performance.now();
    const history = await runPlainLists({ transactions: options.rounds, seed: options.seed });
    return judge(history, options, { struck: {}, met: {}, startedAt, faults: [] });
  }
  const bench = await startWorkloadBench();
  try {
    return await runOn(bench, options);
  } finally {
    await bench.stop();
  }
}

async function runOn(bench: WorkloadBench, options: ListAppendOptions): Promise<ListAppendRun> {
  const random = createSeededRandom(options.seed);
  const history = createHistory<ListTransaction>();
  const startedAt = performance.now();
  const run: Run = {
    bench,
    history,
    lists: await bench.openAccounts(LISTS),
    cashIn: await findInternal(bench, "CASH_IN"),
    cashOut: await findInternal(bench, "CASH_OUT"),
    left: options.rounds,
    until: startedAt + (options.seconds ?? Infinity) * 1_000,
    elements: 0,
  };
  const nemesis = startNemesis(
    { ...bench, random },
    {
      strikes: options.strikes ?? allStrikes,
      everyMs: options.strikeEveryMs ?? 5_000,
      onStrike: (name) => options.onProgress?.(`${options.rounds - run.left} transactions: ${name}`),
    },
  );
  try {
    const clients = Array.from({ length: CLIENTS }, (_, at) => createSeededRandom(options.seed * 1_000 + at));
    await Promise.all(clients.map((own) => runClient(run, own)));
  } finally {
    await nemesis.stop();
  }
  const last = history.invoke(
    history.newProcess(),
    "txn",
    run.lists.map((list) => ["r", list, null]),
  );
  last.ok(await Promise.all(run.lists.map((list) => readWhole(run, list))));
  const faults = [...(await bench.checkBooks()), ...(await bench.unexpected())];
  return judge(history, options, {
    struck: nemesis.struck,
    met: Object.fromEntries(bench.client.met),
    startedAt,
    faults,
  });
}

async function runClient(run: Run, random: SeededRandom): Promise<void> {
  let process = run.history.newProcess();
  while (run.left-- > 0 && performance.now() < run.until) {
    const lists = random.some(run.lists, 1 + random.below(3));
    const isKnown = random.below(2) === 0 ? await read(run, process, lists) : await append(run, process, lists, random);
    if (!isKnown) process = run.history.newProcess();
  }
}

async function append(run: Run, process: number, lists: readonly string[], random: SeededRandom): Promise<boolean> {
  // Now and then twice to the same list: nobody may see it between the two.
  const targets = random.below(4) === 0 ? [...lists, ...lists.slice(0, 1)] : lists;
  const ops = targets.map((list): ListOperation => ["append", list, `e${++run.elements}`]);
  const invocation = run.history.invoke(process, "txn", ops);
  const instructions = [
    ...ops.map(([, list, element]) => settlement("inboundHardSettlement", list, run.cashIn, "0.01", element)),
    // More than anybody has: the whole batch is refused, and the elements before it must never be seen.
    ...(random.below(6) === 0
      ? [settlement("outboundHardSettlement", random.pick(lists), run.cashOut, "90000000.00", "never")]
      : []),
  ];
  const idempotencyKey = `list-${run.elements}-${process}`;
  const status = await finalStatus(run.bench, { instructions, idempotencyKey }).catch(() => "PENDING");
  if (status === "ACCEPTED") invocation.ok();
  else if (status === "REJECTED") invocation.fail();
  else invocation.info();
  return status !== "PENDING";
}

function settlement(
  kind: string,
  targetAccountId: string,
  internalAccountId: string,
  amount: string,
  reference: unknown,
) {
  const money = { amount, currency: "USD" };
  return { [kind]: { targetAccountId, internalAccountId, amount: money, details: { reference } } };
}

async function finalStatus(bench: WorkloadBench, input: unknown): Promise<string> {
  const deadline = performance.now() + FINAL_WITHIN_MS;
  for (;;) {
    const { postInstructionBatch } = await bench.client.ask<{ postInstructionBatch: { batch: { status: string } } }>(
      APPEND,
      { input },
      PARTNER_KEY,
    );
    const { status } = postInstructionBatch.batch;
    if (status !== "PENDING" || performance.now() > deadline) return status;
    await pause(20);
  }
}

async function read(run: Run, process: number, lists: readonly string[]): Promise<boolean> {
  const invocation = run.history.invoke(
    process,
    "txn",
    lists.map((list) => ["r", list, null]),
  );
  const views = await readTogether(run.bench, lists).catch(() => undefined);
  if (views === undefined) invocation.info();
  else invocation.ok(views);
  return views !== undefined;
}

/** The ends of the lists as of one moment; see above. */
async function readTogether(bench: WorkloadBench, lists: readonly string[]): Promise<ListTransaction | undefined> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const { balances } = await bench.client.ask<{
      balances: readonly {
        readonly accountSeq: string;
        readonly account: {
          readonly id: string;
          readonly transactions: { readonly edges: readonly { readonly node: Line }[] };
        };
      }[];
    }>(READ, { ids: lists, first: WINDOW }, await bench.owner());
    const views = balances.map(({ accountSeq, account }) =>
      toView(
        account.id,
        BigInt(accountSeq),
        account.transactions.edges.map(({ node }) => node),
      ),
    );
    if (views.length === lists.length && views.every((view) => view !== undefined)) return views;
  }
  return undefined;
}

/** What of the statement was there at the moment of `version`; undefined when the statement does not reach it. */
function toView(list: string, version: bigint, newestFirst: readonly Line[]): ListOperation | undefined {
  if (version === 0n) return ["r", list, { from: 1, elements: [] }];
  const lines = newestFirst.filter(({ accountSeq }) => BigInt(accountSeq) <= version).reverse();
  if (lines.length === 0 || lines.at(-1)?.accountSeq !== String(version)) return undefined;
  return ["r", list, { from: Number(lines[0]?.accountSeq), elements: lines.map(toElement) }];
}

function toElement({ accountSeq, description }: Line): string {
  return description ?? `nothing at ${accountSeq}`;
}

interface StatementPage {
  readonly account: {
    readonly transactions: {
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
      readonly edges: readonly { readonly node: Line }[];
    };
  };
}

async function readWhole(run: Run, list: string): Promise<ListOperation> {
  const lines: Line[] = [];
  let after: string | null = null;
  for (let hasNext = true; hasNext;) {
    const page: StatementPage = await run.bench.client.ask(WHOLE, { id: list, after }, await run.bench.owner());
    const { pageInfo, edges } = page.account.transactions;
    lines.push(...edges.map(({ node }) => node));
    after = pageInfo.endCursor;
    hasNext = pageInfo.hasNextPage;
  }
  return ["r", list, { from: 1, elements: lines.reverse().map(toElement) }];
}

async function findInternal(bench: WorkloadBench, code: string): Promise<string> {
  const { internalAccount } = await bench.client.ask<{ internalAccount: { id: string } }>(
    `query ($code: String!) { internalAccount(code: $code, currency: "USD") { id } }`,
    { code },
    await bench.auditor(),
  );
  return internalAccount.id;
}

function judge(
  history: History<ListTransaction>,
  options: ListAppendOptions,
  run: {
    readonly struck: Readonly<Record<string, number>>;
    readonly met: Readonly<Record<string, number>>;
    readonly startedAt: number;
    readonly faults: readonly string[];
  },
): ListAppendRun {
  const { entries } = history;
  const seconds = Math.round((performance.now() - run.startedAt) / 1_000);
  const checkStartedAt = performance.now();
  const report = checkListAppend(entries);
  const counted = Object.entries(report.counts).map(([kind, count]) => {
    const first = report.anomalies.find((anomaly) => anomaly.kind === kind);
    return `${kind}: ${count}, the first: ${first?.what}`;
  });
  const violations = [...counted, ...run.faults];
  if (violations.length > 0 && options.saveTo !== undefined && options.control !== true)
    options.onProgress?.(`history kept in ${history.save(options.saveTo, "list-append", options.seed)}`);
  const count = (type: string): number => entries.filter((entry) => entry.type === type).length;
  return {
    seed: options.seed,
    transactions: report.transactions,
    ok: count("ok"),
    failed: count("fail"),
    unknown: count("info"),
    dependencies: report.edges,
    checkedInMs: Math.round(performance.now() - checkStartedAt),
    struck: run.struck,
    met: run.met,
    seconds,
    violations,
  };
}
