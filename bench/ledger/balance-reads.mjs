import { connectDatabase } from "@florin/db";
import { formatInstant, productLibrary } from "@florin/kernel";
import { createSeededRandom } from "../../chaos/seeded-random.ts";
import { balanceOfTotals } from "../../subgraphs/ledger/src/account-balance.ts";
import { createReaderSource } from "../../subgraphs/ledger/src/readers.ts";
import { createBookTemplate, CURRENCY, findFaults, FUNDS } from "./bench-book.ts";
import { describeSetting, startBenchCluster } from "./bench-cluster.ts";
import { EVERY_BENCH, parseSettings, readOptions } from "./bench-options.ts";
import { median, runClosedLoop } from "./closed-loop.ts";
import { formatTable, formatVerdicts, runBench, say, toLine } from "./report.ts";
import { startResourceMeter } from "./resource-meter.ts";
import { takeTurns } from "./take-turns.ts";

/**
 * L5, first half, of docs/performance.md: balances now, through the ledger's reader, which gathers across requests.
 *
 *   list       each caller is a request that asks for the balances of 20 accounts, as a page of accounts does        L5
 *   single     each caller is a request for one balance
 *   by hand    one connection, one prepared statement for each balance: what reading without gathering costs
 *
 * Every answer is checked: each wallet holds what it was funded with, as nobody writes meanwhile. The rate counts balances.
 */
const options = readOptions("bench/ledger/balance-reads.mjs: live balances through the reader that gathers", {
  ...EVERY_BENCH,
  seconds: 5,
  callers: 1_024,
  connections: 8,
  wallets: 10_000,
  list: 20,
});
const random = createSeededRandom(options.seed);
const LIVE = { at: undefined, knownAt: undefined };

function assertFunds(wallet, totals) {
  const account = { accountId: wallet, denomination: CURRENCY, tside: "LIABILITY" };
  const { available, asOf } = balanceOfTotals(account, totals ?? { accountSeq: 0n, asOf: 0n, coordinates: [] });
  if (available !== FUNDS) throw new Error(`a wallet holds ${available} as of ${formatInstant(asOf)}, not ${FUNDS}`);
}

const series = {
  list: (database, wallets) => {
    const source = createReaderSource(database);
    return async () => {
      const readers = source();
      const asked = Array.from({ length: options.list }, () => random.pick(wallets));
      const found = await Promise.all(asked.map((wallet) => readers.findTotals(wallet, LIVE)));
      asked.forEach((wallet, at) => assertFunds(wallet, found[at]));
      return options.list;
    };
  },
  single: (database, wallets) => {
    const source = createReaderSource(database);
    return async () => {
      const wallet = random.pick(wallets);
      assertFunds(wallet, await source().findTotals(wallet, LIVE));
      return 1;
    };
  },
  "by hand": ({ sql }, wallets) => {
    return async () => {
      const wallet = random.pick(wallets);
      const coordinates = await sql`
        select address, asset, denomination, phase, total_debit as "totalDebit", total_credit as "totalCredit"
        from ledger.balance where book_id = 1 and account_id = ${wallet}`;
      assertFunds(wallet, { accountSeq: 0n, asOf: 0n, coordinates });
      return 1;
    };
  },
};

/** Warms up, then measures; the rate in balances a second, the rest by balance. */
async function measure(cluster, ask, callers) {
  await runClosedLoop({ callers, seconds: Math.min(1, options.seconds) }, async () => void (await ask()));
  let balances = 0;
  const endMeter = await startResourceMeter(cluster);
  const loop = await runClosedLoop({ callers, seconds: options.seconds }, async () => {
    const count = await ask();
    balances += count; // after the wait: others add meanwhile
  });
  const used = await endMeter();
  return {
    perSecond: balances / loop.seconds,
    latency: loop.latency,
    nodeMicros: used.nodeMicros / balances,
    postgresMicros: used.postgresMicros / balances,
  };
}

runBench(async () => {
  const cluster = await startBenchCluster(parseSettings(options.set));
  try {
    const setting = await describeSetting(cluster);
    const template = { name: "reads_book", wallets: options.wallets, products: productLibrary };
    const { wallets, operations } = await createBookTemplate(cluster, template);
    const url = cluster.urlOf(template.name);
    await cluster.checkpoint();
    const { connections: maxConnections } = options;
    const database = connectDatabase({
      url,
      area: "ledger",
      applicationName: "florin-bench-reads",
      maxConnections,
      plans: "pages",
    });
    const runs = new Map(Object.keys(series).map((name) => [name, []]));
    await takeTurns(Object.entries(series), options.runs, async ([name, prepare]) => {
      const callers = name === "by hand" ? Math.min(options.callers, maxConnections * 4) : options.callers;
      runs.get(name).push(await measure(cluster, prepare(database, wallets), callers));
    });
    await database.stop();
    const faults = await findFaults(url, { operations: { completed: operations, rejected: 0 } });
    tell(runs, { setting, faults });
    return faults;
  } finally {
    await cluster.stop();
  }
});

function tell(runs, facts) {
  const middle = (own, pick) => median(own.map(pick));
  const summary = Object.fromEntries(
    [...runs].map(([name, own]) => [
      name,
      {
        perSecond: middle(own, (run) => run.perSecond),
        p50Ms: middle(own, (run) => run.latency.p50Ms),
        p99Ms: middle(own, (run) => run.latency.p99Ms),
        nodeMicros: middle(own, (run) => run.nodeMicros),
        postgresMicros: middle(own, (run) => run.postgresMicros),
      },
    ]),
  );
  const { perSecond } = summary.list;
  const verdicts = [
    {
      what: "L5 balances a second, gathered",
      target: "≥ 100 000",
      measured: perSecond,
      isReached: perSecond >= 100_000,
    },
  ];
  say(`ledger balance reads: ${facts.setting.versions.postgres}; ${options.wallets} wallets`);
  say(`\nmedians of ${options.runs} runs of ${options.seconds} s, ${options.callers} callers\n`);
  say(
    formatTable(
      Object.entries(summary).map(([name, row]) => ({
        read: name,
        "balances/s": row.perSecond,
        "p50 ms": row.p50Ms,
        "p99 ms": row.p99Ms,
        "Node µs": row.nodeMicros,
        "PostgreSQL µs": row.postgresMicros,
      })),
    ),
  );
  say(`\n${formatVerdicts(verdicts)}\n`);
  const ratio = perSecond / summary["by hand"].perSecond;
  say(toLine({ bench: "ledger/balance-reads", ratio, verdicts, series: summary, ...facts, options }));
}
