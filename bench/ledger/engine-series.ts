import type { Product } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import type { BenchCluster } from "./bench-cluster.js";
import { cloneBook, findFaults, type BenchBook, type BookTemplate, type WriterSwitches } from "./bench-book.js";
import { createTransferMix } from "./bench-commands.js";
import { runClosedLoop, type LoopResult } from "./closed-loop.js";
import { startResourceMeter } from "./resource-meter.js";

/** One way of running the ledger's engine, on a book of its own that lives through all runs. */
export interface EngineSeries {
  readonly name: string;
  /** Warms up, then measures. */
  run(round: number, load: EngineLoad): Promise<EngineRun>;
  /** Ends the writer and looks at the whole book. */
  findFaults(): Promise<readonly string[]>;
}

export interface EngineLoad {
  readonly seconds: number;
  readonly warmupSeconds: number;
}

export interface EngineOptions {
  readonly name: string;
  readonly callers: number;
  readonly seed: number;
  readonly refusedPercent: number;
  readonly isHot: boolean;
  readonly products: readonly Product[];
  readonly switches?: WriterSwitches;
  /** Of a preloaded book money and its order alone are checked. */
  readonly isMoneyOnly?: boolean;
}

/** What one transfer took, beside its time. */
export interface EngineRun extends LoopResult {
  readonly nodeMicros: number;
  readonly postgresMicros: number;
  readonly walBytes: number;
  readonly syncsPerSecond: number;
  readonly recordsPerCommit: number;
}

export async function prepareEngine(
  cluster: BenchCluster,
  template: BookTemplate,
  options: EngineOptions,
): Promise<EngineSeries> {
  const { name, products, switches, callers, isMoneyOnly = false } = options;
  const book = await cloneBook(cluster, template, `book_${name.replaceAll("-", "_")}`, { ...switches, products });
  const answered = { completed: template.operations, rejected: 0 };
  const load = async (part: string, seconds: number): Promise<LoopResult> => {
    const mix = createTransferMix({
      ...options,
      wallets: template.wallets,
      name: `${name}-${part}`,
      clock: systemClock,
    });
    const result = await runClosedLoop({ callers, seconds }, () => {
      const { command, expect } = mix.next();
      return book.writer.submit(command).then(expect);
    });
    const { completed, rejected } = mix.counts();
    answered.completed += completed;
    answered.rejected += rejected;
    return result;
  };
  return {
    name,
    run: async (round, { seconds, warmupSeconds }) => {
      await load(`${round}-warm`, warmupSeconds);
      await cluster.checkpoint();
      return await measured(cluster, book, () => load(`${round}`, seconds));
    },
    findFaults: async () => {
      await book.stop();
      const faults = await findFaults(book.url, { operations: answered, isMoneyOnly });
      return faults.map((fault) => `${name}: ${fault}`);
    },
  };
}

async function measured(cluster: BenchCluster, book: BenchBook, load: () => Promise<LoopResult>): Promise<EngineRun> {
  const before = await book.head();
  const readMeter = await startResourceMeter(cluster);
  const result = await load();
  const used = await readMeter();
  const after = await book.head();
  const commits = Number(after.commits - before.commits);
  return {
    ...result,
    nodeMicros: used.nodeMicros / result.answers,
    postgresMicros: used.postgresMicros / result.answers,
    walBytes: used.walBytes / result.answers,
    syncsPerSecond: used.walSyncs / result.seconds,
    recordsPerCommit: Number(after.records - before.records) / commits,
  };
}
