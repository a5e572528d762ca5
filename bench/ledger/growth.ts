import { productLibrary } from "@florin/kernel";
import { connectAdmin, createBookTemplate, longAgo } from "./bench-book.js";
import { describeSetting, startBenchCluster, type BenchCluster } from "./bench-cluster.js";
import { EVERY_BENCH, parseSettings, readOptions } from "./bench-options.js";
import { median } from "./closed-loop.js";
import { prepareEngine, type EngineRun, type EngineSeries } from "./engine-series.js";
import { growthOnPaper, listIndexSizes, type IndexGrowth } from "./index-growth.js";
import { preload } from "./preload.js";
import { formatTable, formatVerdicts, runBench, say, toLine } from "./report.js";
import { takeTurns } from "./take-turns.js";

/**
 * L9 of docs/performance.md: does the ledger slow down as it grows? Books of the same wallets with 0, 1 and 10 million postings stand on one
 * cluster; the engine's closed loop takes turns on them, and ratios are taken within a run against the empty one. What 100 million
 * would be is told on paper: how deep each index of the write path then is, from the sizes that it has here.
 */
const options = readOptions("bench/ledger/growth.ts: throughput by how much the book already holds", {
  ...EVERY_BENCH,
  callers: 1_024,
  wallets: 10_000,
  warmup: 2,
  postings: "0,1000000,10000000",
  paper: 100_000_000,
});

const DAYS = 60;

interface Grown {
  readonly postings: number;
  readonly preloadSeconds: number;
  readonly indexes: readonly IndexGrowth[];
  readonly series: EngineSeries;
  readonly runs: EngineRun[];
}

async function growBook(
  cluster: BenchCluster,
  base: Awaited<ReturnType<typeof createBookTemplate>>,
  postings: number,
): Promise<Grown> {
  const name = `grown_${postings}`;
  const url = await cluster.createDatabase(`${name}_template`, base.database);
  const begun = performance.now();
  const { wallets } = base;
  const long = Math.floor(postings / wallets.length);
  const loaded = await preload(url, { wallets, postings, longPostings: long, days: DAYS, seed: options.seed });
  const preloadSeconds = (performance.now() - begun) / 1_000;
  const admin = connectAdmin(url);
  const sizes = await listIndexSizes(admin).finally(() => admin.stop());
  const template = { database: `${name}_template`, wallets, operations: base.operations + loaded.transfers };
  const series = await prepareEngine(cluster, template, {
    name,
    callers: options.callers,
    seed: options.seed,
    refusedPercent: 0,
    isHot: false,
    products: productLibrary,
    isMoneyOnly: true,
  });
  await cluster.admin.sql.unsafe(`drop database ${name}_template`);
  if (postings > 0) say(`  ${postings} postings in ${Math.round(preloadSeconds)} s`);
  return { postings, preloadSeconds, indexes: growthOnPaper(sizes, postings, options.paper), series, runs: [] };
}

function parseCounts(text: string): readonly number[] {
  const counts = text.split(",").map(Number);
  if (counts.some((count) => !Number.isInteger(count) || count < 0))
    throw new Error(`--postings is a list of counts, not "${text}".`);
  return counts;
}

runBench(async () => {
  const counts = parseCounts(options.postings);
  const cluster = await startBenchCluster(parseSettings(options.set));
  try {
    const setting = await describeSetting(cluster);
    say(`ledger growth: ${setting.versions["postgres"]}; ${options.wallets} wallets`);
    const base = await createBookTemplate(cluster, {
      name: "empty_book",
      wallets: options.wallets,
      products: productLibrary,
      clock: longAgo(DAYS + 10),
    });
    const books: Grown[] = [];
    for (const count of counts) books.push(await growBook(cluster, base, count));
    const load = { seconds: options.seconds, warmupSeconds: options.warmup };
    await takeTurns(books, options.runs, async ({ series, runs }, run) => {
      runs.push(await series.run(run, load));
    });
    const faults: string[] = [];
    for (const { series } of books) faults.push(...(await series.findFaults()));
    tell(books, { setting, faults });
    return faults;
  } finally {
    await cluster.stop();
  }
});

function tell(books: readonly Grown[], facts: Readonly<Record<string, unknown>>): void {
  const [smallest] = books;
  if (smallest === undefined) return;
  const rows = books.map(({ postings, runs }) => ({
    postings,
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    ratio: median(runs.map(({ perSecond }, run) => perSecond / (smallest.runs[run]?.perSecond ?? Number.NaN))),
    p50Ms: median(runs.map(({ latency }) => latency.p50Ms)),
    p99Ms: median(runs.map(({ latency }) => latency.p99Ms)),
    nodeMicros: median(runs.map(({ nodeMicros }) => nodeMicros)),
    postgresMicros: median(runs.map(({ postgresMicros }) => postgresMicros)),
    walBytes: median(runs.map(({ walBytes }) => walBytes)),
  }));
  const largest = books.at(-1) ?? smallest;
  const ratio = rows.at(-1)?.ratio ?? Number.NaN;
  const what = `L9 ${largest.postings} postings / ${smallest.postings}`;
  const verdicts = [{ what, target: "≥ 0.8", measured: ratio, isReached: ratio >= 0.8 }];
  say(`\nmedians of ${options.runs} runs of ${options.seconds} s, ${options.callers} callers\n`);
  say(
    formatTable(
      rows.map((row) => ({
        postings: row.postings,
        "per second": row.perSecond,
        ratio: row.ratio,
        "p50 ms": row.p50Ms,
        "p99 ms": row.p99Ms,
        "Node µs": row.nodeMicros,
        "PG µs": row.postgresMicros,
        "WAL bytes": row.walBytes,
      })),
    ),
  );
  say(`\nindexes of the write path at ${largest.postings} postings, and what they would be at ${options.paper}\n`);
  say(formatTable(largest.indexes.map((index) => ({ ...index }))));
  say(`\n${formatVerdicts(verdicts)}\n`);
  say(toLine({ bench: "ledger/growth", ratio, verdicts, series: rows, indexes: largest.indexes, ...facts, options }));
}
