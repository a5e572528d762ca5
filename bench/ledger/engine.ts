import { productLibrary } from "@florin/kernel";
import { connectAdmin, createBookTemplate, type BookTemplate } from "./bench-book.js";
import { describeSetting, startBenchCluster, type BenchCluster } from "./bench-cluster.js";
import { EVERY_BENCH, parseSettings, readOptions } from "./bench-options.js";
import { median, type LoopResult } from "./closed-loop.js";
import { prepareEngine, type EngineOptions } from "./engine-series.js";
import { preparePgbench } from "./pgbench-yardstick.js";
import { formatTable, formatVerdicts, runBench, say, toLine, type Verdict } from "./report.js";
import { startResourceMeter } from "./resource-meter.js";
import { prepareSingleTransactions } from "./single-transactions.js";
import { takeTurns } from "./take-turns.js";

/**
 * L1 … L4 of docs/performance.md: the commit engine against the database's own yardstick, on one cluster, taking turns.
 *
 *   pgbench     TPC-B-like, 16 clients, prepared: the yardstick
 *   single      one transaction per transfer, eight statements, 16 callers
 *   engine      batches of one TRANSFER each between wallets, many callers, full kernel, wallet's hook, audit chain        L1
 *   unaudited   the same commands without the audit chain                                                                L3
 *   few         the same as engine with few callers                                                                      L2
 *   hot         every transfer from or to one account                                                                    L4
 *
 * Each run measures all series once; the order turns by one from run to run, so that drift of the machine meets all of them. Ratios are
 * taken within a run, and the median of the runs is told. Callers are a closed loop in the writer's own process: percentiles are those
 * at saturation. Every answer is checked, every book is checked at the end, and what was answered is counted against what is stored.
 */
const options = readOptions(
  "bench/ledger/engine.ts: the commit engine against pgbench and one transaction per transfer",
  {
    ...EVERY_BENCH,
    callers: 1_024,
    "few-callers": 64,
    wallets: 10_000,
    refused: 0,
    warmup: 1,
    scale: 50,
    pgbench: "",
    series: "pgbench,single,engine,unaudited,few,hot",
  },
);

interface Series {
  readonly name: string;
  readonly run: (round: number) => Promise<Measured>;
  readonly findFaults: () => Promise<readonly string[]>;
}

interface Measured extends LoopResult {
  readonly nodeMicros: number;
  readonly postgresMicros: number;
  readonly walBytes: number;
  readonly syncsPerSecond: number;
  readonly recordsPerCommit?: number;
}

async function prepareSeries(cluster: BenchCluster, wanted: ReadonlySet<string>): Promise<readonly Series[]> {
  const { seed, wallets, callers, scale, pgbench, seconds, warmup } = options;
  const prepared: Series[] = [];
  if (wanted.has("pgbench")) {
    const yardstick = await preparePgbench(await cluster.createDatabase("yardstick"), { scale, pgbench });
    say(`  ${yardstick.version}, scale ${scale}`);
    prepared.push({ name: "pgbench", run: () => metered(cluster, yardstick.run), findFaults: yardstick.findFaults });
  }
  if (wanted.has("single")) {
    const single = await prepareSingleTransactions(await cluster.createDatabase("single"), { accounts: wallets, seed });
    const findFaults = async () => single.findFaults().finally(() => single.stop());
    prepared.push({ name: "single", run: () => metered(cluster, single.run), findFaults });
  }
  const template = await createBookTemplate(cluster, { name: "template_book", wallets, products: productLibrary });
  const addEngine = async (name: string, own: Partial<EngineOptions>): Promise<void> => {
    if (!wanted.has(name)) return;
    const common = { name, callers, seed, refusedPercent: options.refused, isHot: false, products: productLibrary };
    const engine = await prepareEngine(cluster, template, { ...common, ...own });
    const load = { seconds, warmupSeconds: warmup };
    prepared.push({
      name,
      run: (round) => engine.run(round, load),
      findFaults: () => engineFaults(cluster, engine, template),
    });
  };
  await addEngine("engine", {});
  await addEngine("unaudited", { switches: { isAudited: false } });
  await addEngine("few", { callers: options["few-callers"] });
  await addEngine("hot", { isHot: true });
  return prepared;
}

/** Whether the series' own records are in the audit chain, once its book is at rest. */
const isChained = new Map<string, boolean>();

async function engineFaults(
  cluster: BenchCluster,
  engine: Awaited<ReturnType<typeof prepareEngine>>,
  template: BookTemplate,
): Promise<readonly string[]> {
  const faults = await engine.findFaults();
  const admin = connectAdmin(cluster.urlOf(`book_${engine.name}`));
  try {
    const [row] = await admin.sql<{ linked: number; records: number }[]>`
      select count(link)::int as linked, count(*)::int as records from (
        select link from ledger.posting_instruction_batch order by book_id desc, seq desc
        limit (select greatest(1, count(*) - ${template.operations}::int) from ledger.posting_instruction_batch)) own`;
    isChained.set(engine.name, row !== undefined && row.records > 0 && row.linked === row.records);
  } finally {
    await admin.stop();
  }
  // The control has no chain on purpose, so rules about the chain say nothing of it.
  return engine.name === "unaudited" ? faults.filter((fault) => !fault.includes("AUD-")) : faults;
}

async function metered(cluster: BenchCluster, run: (seconds: number) => Promise<LoopResult>): Promise<Measured> {
  await run(options.warmup);
  await cluster.checkpoint();
  const readMeter = await startResourceMeter(cluster);
  const result = await run(options.seconds);
  const used = await readMeter();
  const each = 1 / result.answers;
  return {
    ...result,
    nodeMicros: used.nodeMicros * each,
    postgresMicros: used.postgresMicros * each,
    walBytes: used.walBytes * each,
    syncsPerSecond: used.walSyncs / result.seconds,
  };
}

/** Medians of the runs. */
function summarizeRuns(runs: readonly Measured[]) {
  const mid = (pick: (run: Measured) => number): number => median(runs.map(pick));
  return {
    perSecond: mid((run) => run.perSecond),
    p50Ms: mid((run) => run.latency.p50Ms),
    p99Ms: mid((run) => run.latency.p99Ms),
    p9999Ms: mid((run) => run.latency.p9999Ms),
    nodeMicros: mid((run) => run.nodeMicros),
    postgresMicros: mid((run) => run.postgresMicros),
    walBytes: mid((run) => run.walBytes),
    syncsPerSecond: mid((run) => run.syncsPerSecond),
    recordsPerCommit: mid((run) => run.recordsPerCommit ?? Number.NaN),
  };
}

function toRow(series: string, figures: ReturnType<typeof summarizeRuns>) {
  return {
    series,
    "per second": figures.perSecond,
    "p50 ms": figures.p50Ms,
    "p99 ms": figures.p99Ms,
    "p99.99 ms": figures.p9999Ms,
    "Node µs": figures.nodeMicros,
    "PG µs": figures.postgresMicros,
    "WAL bytes": figures.walBytes,
    "syncs/s": figures.syncsPerSecond,
    "records/commit": figures.recordsPerCommit,
  };
}

/** Of the targets, those whose series were run. */
function judge(runs: ReadonlyMap<string, readonly Measured[]>): {
  readonly verdicts: readonly Verdict[];
  readonly ratios: Readonly<Record<string, number>>;
} {
  const per = (name: string, pick: (run: Measured) => number): readonly number[] => (runs.get(name) ?? []).map(pick);
  const speed = (run: Measured): number => run.perSecond;
  const ratio = (above: string, below: string): number => {
    const divisors = per(below, speed);
    return median(
      per(above, speed).flatMap((figure, run) => (divisors[run] === undefined ? [] : figure / divisors[run])),
    );
  };
  const auditMs = median(
    per("engine", (run) => run.latency.p50Ms).flatMap((figure, run) => {
      const bare = per("unaudited", ({ latency }) => latency.p50Ms)[run];
      return bare === undefined ? [] : figure - bare;
    }),
  );
  const canCompareAudit = isChained.get("engine") === true && isChained.get("unaudited") === false;
  const auditShare = canCompareAudit ? 1 - ratio("engine", "unaudited") : Number.NaN;
  const ratios = {
    engineToPgbench: ratio("engine", "pgbench"),
    engineToSingle: ratio("engine", "single"),
    hotToEngine: ratio("hot", "engine"),
    auditShare,
    auditMs: canCompareAudit ? auditMs : Number.NaN,
  };
  const few = (pick: (run: Measured) => number): number => median(per("few", pick));
  const all: readonly Verdict[] = [
    atLeast("L1 engine / pgbench", ratios.engineToPgbench, 5),
    atLeast("L1 engine, per second", median(per("engine", speed)), 25_000),
    below(
      "L2 few callers, p50 ms",
      few((run) => run.latency.p50Ms),
      6,
    ),
    below(
      "L2 few callers, p99 ms",
      few((run) => run.latency.p99Ms),
      20,
    ),
    below("L3 audit, share of throughput", auditShare, 0.03),
    below("L3 audit, ms at p50", ratios.auditMs, 2),
    atLeast("L4 hot / engine", ratios.hotToEngine, 0.9),
  ];
  return { verdicts: all.filter(({ measured }) => !Number.isNaN(measured)), ratios };
}

const atLeast = (what: string, measured: number, bound: number): Verdict => ({
  ...{ what, measured, target: `≥ ${bound}`, isReached: measured >= bound },
});
const below = (what: string, measured: number, bound: number): Verdict => ({
  ...{ what, measured, target: `≤ ${bound}`, isReached: measured <= bound },
});

function tellAudit(): string {
  const [audited, bare] = [isChained.get("engine"), isChained.get("unaudited")];
  if (audited === undefined || bare === undefined) return "not compared";
  if (!audited) return "the writer chains no records: nothing to compare";
  return bare ? "the writer heeds no isAudited: both were chained" : "compared";
}

runBench(async () => {
  const cluster = await startBenchCluster(parseSettings(options.set));
  try {
    const setting = await describeSetting(cluster);
    say(`ledger engine: ${setting.versions["postgres"]}, Node ${setting.versions["node"]}; ${options.wallets} wallets`);
    const series = await prepareSeries(cluster, new Set(options.series.split(",")));
    const runs = new Map<string, Measured[]>(series.map(({ name }) => [name, []]));
    await takeTurns(series, options.runs, async (one, run) => {
      const result = await one.run(run);
      runs.get(one.name)?.push(result);
      say(`  run ${run + 1}: ${one.name} ${Math.round(result.perSecond)}/s`);
    });
    const faults = (await collect(series, (one) => one.findFaults())).flat();
    const { verdicts, ratios } = judge(runs);
    say(`\nmedians of ${options.runs} runs of ${options.seconds} s each\n`);
    say(formatTable([...runs].map(([name, own]) => toRow(name, summarizeRuns(own)))));
    if (verdicts.length > 0) say(`\n${formatVerdicts(verdicts)}`);
    say(`\n  audit: ${tellAudit()}\n`);
    const results = Object.fromEntries([...runs].map(([name, own]) => [name, { ...summarizeRuns(own), runs: own }]));
    const report = { ratio: ratios.engineToPgbench, ratios, verdicts, audit: tellAudit(), faults, series: results };
    say(toLine({ bench: "ledger/engine", ...report, options, setting }));
    return faults;
  } finally {
    await cluster.stop();
  }
});

/** One after the other. */
async function collect<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
