import { wallet, type Product } from "@florin/kernel";
import { openProductSandbox } from "@florin/product-sandbox";
import { builtInSource } from "../../packages/product-sandbox/test/built-in-source.js";
import { createBookTemplate } from "./bench-book.js";
import { describeSetting, startBenchCluster } from "./bench-cluster.js";
import { EVERY_BENCH, parseSettings, readOptions } from "./bench-options.js";
import { median } from "./closed-loop.js";
import { prepareEngine, type EngineRun, type EngineSeries } from "./engine-series.js";
import { formatTable, formatVerdicts, runBench, say, toLine } from "./report.js";
import { takeTurns } from "./take-turns.js";

/**
 * L8 of docs/performance.md: what a product's code costs. The engine's closed loop with one and the same product, `wallet`, in three forms:
 *
 *   none       its hook left out: the kernel's own guard stands in its place (BAL-1)
 *   built-in   its prePosting as part of the program
 *   uploaded   the same source, run in the sandbox
 *
 * A transfer calls prePosting twice, once for each account. Forms take turns in each run; the ratio is of CPU per transfer, Node and
 * PostgreSQL together, which is what a commit costs wherever it waits.
 */
const options = readOptions("bench/ledger/hooks.ts: no hook, a built-in one, the same one uploaded", {
  ...EVERY_BENCH,
  callers: 1_024,
  wallets: 10_000,
  refused: 1,
  warmup: 2,
});

interface Form {
  readonly name: string;
  readonly series: EngineSeries;
  readonly runs: EngineRun[];
}

const cpuOf = ({ nodeMicros, postgresMicros }: EngineRun): number => nodeMicros + postgresMicros;

runBench(async () => {
  const cluster = await startBenchCluster(parseSettings(options.set));
  try {
    const setting = await describeSetting(cluster);
    say(`ledger hooks: ${setting.versions["postgres"]}; ${options.wallets} wallets`);
    const sandbox = await openProductSandbox();
    const uploaded = sandbox.loadProduct(await builtInSource("wallet.ts", "wallet"));
    const template = await createBookTemplate(cluster, {
      name: "hook_book",
      wallets: options.wallets,
      products: [wallet],
    });
    const products: Readonly<Record<string, Product>> = {
      none: { ...wallet, hooks: undefined },
      "built-in": wallet,
      uploaded,
    };
    const forms: Form[] = [];
    for (const [name, product] of Object.entries(products)) {
      const { callers, seed, refused: refusedPercent } = options;
      const given = { name, callers, seed, refusedPercent, isHot: false, products: [product] };
      forms.push({ name, series: await prepareEngine(cluster, template, given), runs: [] });
    }
    const load = { seconds: options.seconds, warmupSeconds: options.warmup };
    await takeTurns(forms, options.runs, async ({ series, runs }, run) => {
      runs.push(await series.run(run, load));
    });
    const faults: string[] = [];
    for (const { series } of forms) faults.push(...(await series.findFaults()));
    uploaded.dispose();
    tell(forms, { setting, faults });
    return faults;
  } finally {
    await cluster.stop();
  }
});

function tell(forms: readonly Form[], facts: Readonly<Record<string, unknown>>): void {
  const runsOf = (name: string): readonly EngineRun[] => forms.find((form) => form.name === name)?.runs ?? [];
  const builtIn = runsOf("built-in");
  const against = (pick: (run: EngineRun) => number, name: string): number =>
    median(
      runsOf(name).flatMap((run, round) => (builtIn[round] === undefined ? [] : pick(run) / pick(builtIn[round]))),
    );
  const rows = forms.map(({ name, runs }) => ({
    form: name,
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    p50Ms: median(runs.map(({ latency }) => latency.p50Ms)),
    p99Ms: median(runs.map(({ latency }) => latency.p99Ms)),
    nodeMicros: median(runs.map(({ nodeMicros }) => nodeMicros)),
    postgresMicros: median(runs.map(({ postgresMicros }) => postgresMicros)),
    costToBuiltIn: against(cpuOf, name),
    throughputToBuiltIn: against(({ perSecond }) => perSecond, name),
  }));
  const ratio = against(cpuOf, "uploaded");
  const verdicts = [
    { what: "L8 CPU of a transfer, uploaded / built-in", target: "≤ 2", measured: ratio, isReached: ratio <= 2 },
  ];
  say(`\nmedians of ${options.runs} runs of ${options.seconds} s, ${options.callers} callers\n`);
  say(
    formatTable(
      rows.map((row) => ({
        hook: row.form,
        "per second": row.perSecond,
        "p50 ms": row.p50Ms,
        "p99 ms": row.p99Ms,
        "Node µs": row.nodeMicros,
        "PG µs": row.postgresMicros,
        "CPU / built-in": row.costToBuiltIn,
        "throughput / built-in": row.throughputToBuiltIn,
      })),
    ),
  );
  say(`\n${formatVerdicts(verdicts)}\n`);
  say(toLine({ bench: "ledger/hooks", ratio, verdicts, series: rows, ...facts, options }));
}
