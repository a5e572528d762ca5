import { createOutboxStore, type OutboxStore } from "@florin/db";
import { formatId, formatMinor, productLibrary, type Amount, type EventEnvelope, type Json } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { foldBalances } from "../../packages/testkit/src/fold-balances.js";
import { connectAdmin, createBookTemplate, CURRENCY, findFaults, openBook, type BenchBook } from "./bench-book.js";
import { createTransferMix } from "./bench-commands.js";
import { describeSetting, startBenchCluster } from "./bench-cluster.js";
import { EVERY_BENCH, parseSettings, readOptions } from "./bench-options.js";
import { median } from "./closed-loop.js";
import { formatTable, formatVerdicts, runBench, say, toLine } from "./report.js";
import { startResourceMeter } from "./resource-meter.js";

/**
 * L7 of docs/performance.md: how fast what the ledger knows can be built again.
 *
 *   events     the ledger's stream from its first event, in pages as the relay reads it, folded into a projection: balance and last
 *              account_seq of every account, status of every operation. The next page is read while one is folded.
 *   postings   every posting read and added up in integers, held against the stored balances (INV-2)
 *
 * The book is made by the writer itself. What comes out of the events is compared with the tables, account by account.
 */
const { runs, seed, set } = EVERY_BENCH;
const options = readOptions(
  "bench/ledger/replay.ts: balances and operations built again from events, balances from postings",
  {
    ...{ runs, seed, set },
    wallets: 2_000,
    transfers: 100_000,
    callers: 1_024,
  },
);

const PAGE = 1_000;

interface Projection {
  readonly accounts: Map<string, { readonly accountSeq: bigint; readonly committed: string }>;
  readonly operations: Map<string, string>;
  events: number;
}

async function replayEvents(store: OutboxStore): Promise<Projection> {
  const projection: Projection = { accounts: new Map(), operations: new Map(), events: 0 };
  let page = await store.read(0n, PAGE);
  for (let after = 0n; page.length > 0;) {
    const last = page.at(-1)?.position ?? after;
    if (last !== after + BigInt(page.length)) throw new Error(`the stream has a gap after ${after}`);
    after = last;
    const next = store.read(after, PAGE);
    for (const event of page) apply(projection, event);
    page = await next;
  }
  return projection;
}

function apply(projection: Projection, { key, type, payload }: EventEnvelope): void {
  projection.events++;
  if (type === "operation.completed" || type === "operation.rejected") {
    projection.operations.set(key, type);
    return;
  }
  if (type !== "account.posted") return;
  const accountSeq = BigInt(textOf(payload, "accountSeq"));
  const known = projection.accounts.get(key);
  if (known !== undefined && known.accountSeq >= accountSeq) throw new Error(`${key} is told out of its order`);
  projection.accounts.set(key, { accountSeq, committed: textOf(fieldOf(payload, "balance"), "committed") });
}

function fieldOf(json: Json | undefined, name: string): Json | undefined {
  return typeof json === "object" && json !== null && !Array.isArray(json) && name in json
    ? (json as { readonly [field: string]: Json | undefined })[name]
    : undefined;
}

function textOf(json: Json | undefined, name: string): string {
  const value = fieldOf(json, name);
  if (typeof value !== "string") throw new Error(`an event has no ${name}: ${JSON.stringify(json)}`);
  return value;
}

/** The projection against the tables: every account that was posted to, every operation. */
async function compare(url: string, { accounts, operations }: Projection): Promise<readonly string[]> {
  const admin = connectAdmin(url);
  try {
    const rows = await admin.sql<{ accountId: Parameters<typeof formatId>[1]; accountSeq: bigint; cents: string }[]>`
      select b.account_id as "accountId", max(b.account_seq) as "accountSeq",
        (100 * sum(case a.tside when 'LIABILITY' then total_credit - total_debit else total_debit - total_credit end)
          filter (where address = 'DEFAULT' and phase = 'COMMITTED'))::bigint::text as cents
      from ledger.balance b join ledger.account a using (book_id, account_id) where b.book_id = 1 group by b.account_id`;
    const [stored] = await admin.sql<
      { operations: number }[]
    >`select count(*)::int as operations from ledger.operation`;
    const wrong = rows.flatMap(({ accountId, accountSeq, cents }) => {
      const key = formatId("account", accountId);
      const told = accounts.get(key);
      const committed = formatMinor((BigInt(cents) * 100_000n) as Amount, CURRENCY);
      return told?.accountSeq === accountSeq && told.committed === committed
        ? []
        : [`${key} is told as ${told?.committed} at ${told?.accountSeq}, stored as ${committed} at ${accountSeq}`];
    });
    if (stored?.operations !== operations.size)
      wrong.push(`${operations.size} operations are told, ${stored?.operations} are stored`);
    return wrong.slice(0, 5);
  } finally {
    await admin.stop();
  }
}

async function makeHistory(
  book: BenchBook,
  wallets: Awaited<ReturnType<typeof createBookTemplate>>["wallets"],
): Promise<{ readonly completed: number; readonly rejected: number }> {
  const { seed, transfers, callers } = options;
  const mix = createTransferMix({ wallets, name: "replay", seed, refusedPercent: 1, isHot: false, clock: systemClock });
  let left = transfers;
  const call = async (): Promise<void> => {
    while (left > 0) {
      left--;
      const { command, expect } = mix.next();
      expect(await book.writer.submit(command));
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return mix.counts();
}

async function timed<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly seconds: number }> {
  const begun = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - begun) / 1_000 };
}

/** Every posting, by a hand of its own; how many there were. */
async function replayPostings(url: string): Promise<{ readonly postings: number; readonly faults: readonly string[] }> {
  const admin = connectAdmin(url);
  try {
    return await admin.transaction(async (tx) => {
      const [counted] = await tx<{ postings: number }[]>`select count(*)::int as postings from ledger.posting`;
      return { postings: counted?.postings ?? 0, faults: await foldBalances(tx) };
    });
  } finally {
    await admin.stop();
  }
}

runBench(async () => {
  const cluster = await startBenchCluster(parseSettings(options.set));
  try {
    const setting = await describeSetting(cluster);
    const template = { name: "replay_book", wallets: options.wallets, products: productLibrary };
    const { wallets, operations } = await createBookTemplate(cluster, template);
    const url = cluster.urlOf(template.name);
    const book = openBook(url, { products: productLibrary });
    const { completed, rejected } = await makeHistory(book, wallets);
    const store = createOutboxStore(book.database, "ledger");
    say(
      `ledger replay: ${setting.versions["postgres"]}; ${await store.head()} events of ${options.transfers} transfers`,
    );
    const eventsPerSecond: number[] = [];
    const nodeMicros: number[] = [];
    const postgresMicros: number[] = [];
    const postingsPerSecond: number[] = [];
    const faults: string[] = [];
    for (let round = 0; round < options.runs; round++) {
      const readMeter = await startResourceMeter(cluster);
      const events = await timed(() => replayEvents(store));
      const used = await readMeter();
      nodeMicros.push(used.nodeMicros / events.result.events);
      postgresMicros.push(used.postgresMicros / events.result.events);
      eventsPerSecond.push(events.result.events / events.seconds);
      faults.push(...(await compare(url, events.result)));
      const postings = await timed(() => replayPostings(url));
      postingsPerSecond.push(postings.result.postings / postings.seconds);
      faults.push(...postings.result.faults);
      say(
        `  run ${round + 1}: ${Math.round(eventsPerSecond.at(-1) ?? 0)} events/s, ${Math.round(postingsPerSecond.at(-1) ?? 0)} postings/s`,
      );
    }
    await book.stop();
    faults.push(...(await findFaults(url, { operations: { completed: operations + completed, rejected } })));
    const cpuOfEvent = { nodeMicros: median(nodeMicros), postgresMicros: median(postgresMicros) };
    say(
      `\n  CPU of an event: Node ${cpuOfEvent.nodeMicros.toFixed(1)} µs, PostgreSQL ${cpuOfEvent.postgresMicros.toFixed(1)} µs`,
    );
    tell({ events: median(eventsPerSecond), postings: median(postingsPerSecond) }, { cpuOfEvent, setting, faults });
    return faults;
  } finally {
    await cluster.stop();
  }
});

function tell(
  perSecond: { readonly events: number; readonly postings: number },
  facts: Readonly<Record<string, unknown>>,
): void {
  const ratio = perSecond.events / 50_000;
  const verdicts = [
    { what: "L7 events per second", target: "≥ 50000", measured: perSecond.events, isReached: ratio >= 1 },
  ];
  say(`\nmedians of ${options.runs} runs\n`);
  say(
    formatTable([
      { replay: "events", "per second": perSecond.events },
      { replay: "postings", "per second": perSecond.postings },
    ]),
  );
  say(`\n${formatVerdicts(verdicts)}\n`);
  say(toLine({ bench: "ledger/replay", ratio, verdicts, perSecond, ...facts, options }));
}
