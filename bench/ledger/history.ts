import type { Database } from "@florin/db";
import { connectDatabase } from "@florin/db";
import { addMicros, amountFromNumeric, formatInstant, productLibrary, type Instant, type Uuid } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { createSeededRandom } from "../../chaos/seeded-random.js";
import { createReaderSource, type AccountTotals, type Observation } from "../../subgraphs/ledger/src/readers.js";
import { createBookTemplate, CURRENCY, findFaults, longAgo } from "./bench-book.js";
import { describeSetting, startBenchCluster } from "./bench-cluster.js";
import { EVERY_BENCH, parseSettings, readOptions } from "./bench-options.js";
import { median, runClosedLoop, type LoopResult } from "./closed-loop.js";
import { preload } from "./preload.js";
import { formatTable, formatVerdicts, runBench, say, toLine } from "./report.js";
import { takeTurns } from "./take-turns.js";

/**
 * L5, second half, and L6 of docs/performance.md: reads of history on a book of millions of postings.
 *
 *   page       20 lines of a statement from anywhere in an account, through the ledger's reader            L6
 *   page-sql   the same lines by the shortest SQL that one would write by hand, on the same driver         L6
 *   balance    an account's balance at (V, K), both about ten days back, 100 000 postings                  L5
 *   totals     the same by every coordinate
 *
 * page and page-sql take turns in each run, on equal numbers of connections; answers of both, and of the balance against a sum over all
 * postings, are compared before anything is measured. The book is preloaded by SQL through its real tables and checked at the end.
 */
const options = readOptions("bench/ledger/history.ts: pages and balances at (V, K) over millions of postings", {
  ...EVERY_BENCH,
  seconds: 5,
  callers: 8,
  connections: 8,
  wallets: 10_000,
  postings: 5_000_000,
  "long-postings": 100_000,
});

const DAYS = 60;
const PAGE = 20;
const DAY_MICROS = 86_400_000_000n;
const COMPARED = 20;
const random = createSeededRandom(options.seed);

interface Page {
  readonly accountId: Uuid;
  readonly beforeSeq: bigint;
}

/** A line as both ways of asking give it. */
interface Line {
  readonly accountSeq: bigint;
  readonly amount: string;
  readonly committedAfter: string;
  readonly reference: string | null;
  readonly otherAccountId: string | null;
}

const linesByHand = (database: Database, { accountId, beforeSeq }: Page): Promise<readonly Line[]> => database.sql<
  Line[]
>`
  select p.account_seq as "accountSeq", p.batch_id as "batchId", i.type as "instructionType", p.side, a.tside, p.denomination,
    p.amount::text as amount, p.committed_after::text as "committedAfter",
    coalesce(i.details ->> 'reference', k.details ->> 'reference') as reference, p.value_at as "valueAt", p.booked_at as "bookedAt",
    o.account_id as "otherAccountId", oa.code as "otherName"
  from ledger.posting p
  join ledger.account a on a.book_id = 1 and a.account_id = p.account_id
  join ledger.posting_instruction_batch k on k.book_id = 1 and k.batch_id = p.batch_id
  join ledger.posting_instruction i on i.book_id = 1 and i.batch_id = p.batch_id and i.ordinal = p.ordinal
  left join lateral (
    select found.account_id from ledger.posting found
    where found.book_id = 1 and found.seq = p.seq and found.batch_id = p.batch_id and found.ordinal = p.ordinal
      and found.account_id <> p.account_id
    order by found.account_seq limit 1) o on true
  left join ledger.account oa on oa.book_id = 1 and oa.account_id = o.account_id
  where p.book_id = 1 and p.account_id = ${accountId} and p.address = 'DEFAULT' and p.phase = 'COMMITTED'
    and p.account_seq < ${beforeSeq}
  order by p.account_seq desc limit ${PAGE}`;

async function linesByReader(source: ReturnType<typeof createReaderSource>, page: Page): Promise<readonly Line[]> {
  return await source().listTransactions(page.accountId, { beforeSeq: page.beforeSeq, limit: PAGE }, {});
}

const toText = (lines: readonly Line[]): string =>
  JSON.stringify(
    lines.map((line) => [
      line.accountSeq.toString(),
      line.amount,
      line.committedAfter,
      line.reference,
      line.otherAccountId,
    ]),
  );

/** Net at DEFAULT of a liability, by the one way that cannot be wrong: all postings of the account, added up. */
async function sumByHand(database: Database, account: Uuid, { at, knownAt }: Observation): Promise<string> {
  const until = (instant: Instant | undefined) => (instant === undefined ? "infinity" : formatInstant(instant));
  const [row] = await database.sql<{ net: string }[]>`
    select coalesce(sum(case p.side when 'CREDIT' then p.amount else -p.amount end), 0)::text as net
    from ledger.posting p join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id
    where p.book_id = 1 and p.account_id = ${account} and p.value_at <= ${until(at)}::timestamptz
      and k.known_at <= ${until(knownAt)}::timestamptz`;
  return row?.net ?? "0";
}

function netOf(totals: AccountTotals | undefined): bigint {
  return (totals?.coordinates ?? []).reduce(
    (net, { totalCredit, totalDebit }) =>
      net + amountFromNumeric(totalCredit, CURRENCY) - amountFromNumeric(totalDebit, CURRENCY),
    0n,
  );
}

/** Ten days back, give or take one; the known time the same, or the newest. */
function drawObservation(now: Instant): Observation {
  const back = (days: bigint) => addMicros(now, -days * DAY_MICROS + BigInt(random.below(86_400)) * 1_000_000n);
  return { at: back(10n), knownAt: random.below(2) === 0 ? undefined : back(10n) };
}

async function compareAnswers(database: Database, wallets: readonly Uuid[], now: Instant): Promise<readonly string[]> {
  const source = createReaderSource(database);
  const faults: string[] = [];
  const [long] = wallets;
  if (long === undefined) return ["there is no wallet"];
  for (let at = 0; at < COMPARED; at++) {
    const page = await drawPage(database, wallets, at % 2 === 0);
    const [mine, hand] = [toText(await linesByReader(source, page)), toText(await linesByHand(database, page))];
    if (mine !== hand) faults.push(`a page differs: ${mine} and by hand ${hand}`);
    const observation = drawObservation(now);
    const net = netOf(await source().findTotals(long, observation));
    const balance = (await source().findObservedBalance(long, observation))?.committed ?? "0";
    const sum = amountFromNumeric(await sumByHand(database, long, observation), CURRENCY);
    if (net !== sum || amountFromNumeric(balance, CURRENCY) !== sum)
      faults.push(`at (V, K) the totals are ${net} and the balance is ${balance}, the postings add up to ${sum}`);
  }
  return faults;
}

let seqByWallet: ReadonlyMap<Uuid, bigint> = new Map();

/** Of the long account, or of any. */
async function drawPage(database: Database, wallets: readonly Uuid[], isLong: boolean): Promise<Page> {
  if (seqByWallet.size === 0) {
    const rows = await database.sql<{ accountId: Uuid; accountSeq: bigint }[]>`
      select account_id as "accountId", max(account_seq) as "accountSeq" from ledger.balance where book_id = 1 group by account_id`;
    seqByWallet = new Map(rows.map(({ accountId, accountSeq }) => [accountId, accountSeq]));
  }
  const accountId = isLong ? wallets[0] : random.pick(wallets);
  if (accountId === undefined) throw new Error("there is no wallet");
  const last = Number(seqByWallet.get(accountId) ?? 1n);
  return { accountId, beforeSeq: BigInt(2 + random.below(last)) };
}

type Ask = () => Promise<unknown>;

async function measureAll(asks: Readonly<Record<string, Ask>>): Promise<ReadonlyMap<string, LoopResult[]>> {
  const { callers, seconds } = options;
  const runs = new Map<string, LoopResult[]>(Object.keys(asks).map((name) => [name, []]));
  await takeTurns(Object.entries(asks), options.runs, async ([name, ask]) => {
    await runClosedLoop({ callers, seconds: Math.min(1, seconds) }, async () => void (await ask())); // plans and caches
    runs.get(name)?.push(await runClosedLoop({ callers, seconds }, async () => void (await ask())));
  });
  return runs;
}

runBench(async () => {
  const cluster = await startBenchCluster(parseSettings(options.set));
  try {
    const setting = await describeSetting(cluster);
    const { wallets: count, postings, seed } = options;
    const template = {
      name: "history_book",
      wallets: count,
      products: productLibrary,
      clock: longAgo(DAYS + 10),
    };
    const { wallets, operations } = await createBookTemplate(cluster, template);
    const url = cluster.urlOf(template.name);
    const begun = performance.now();
    const longPostings = Math.min(options["long-postings"], Math.floor(postings / 2));
    const loaded = await preload(url, { wallets, postings, longPostings, days: DAYS, seed });
    const preloadSeconds = (performance.now() - begun) / 1_000;
    say(`ledger history: ${setting.versions["postgres"]}; ${postings} postings in ${Math.round(preloadSeconds)} s`);
    await cluster.checkpoint();

    const database = connectDatabase({
      url,
      area: "ledger",
      applicationName: "florin-bench-reads",
      plans: "pages",
      maxConnections: options.connections,
    });
    const now = systemClock.now();
    const wrong = await compareAnswers(database, wallets, now);
    const source = createReaderSource(database);
    const [long] = wallets;
    if (long === undefined) throw new Error("there is no wallet");
    const runs = await measureAll({
      page: async () => linesByReader(source, await drawPage(database, wallets, false)),
      "page-sql": async () => linesByHand(database, await drawPage(database, wallets, false)),
      balance: () => source().findObservedBalance(long, drawObservation(now)),
      totals: () => source().findObservedBalance(long, drawObservation(now)),
    });
    const alone = await runClosedLoop({ callers: 1, seconds: options.seconds }, async () => {
      await source().findObservedBalance(long, drawObservation(now));
    });
    await database.stop();
    const stored = { completed: operations + loaded.transfers, rejected: 0 };
    const faults = [...wrong, ...(await findFaults(url, { operations: stored, isMoneyOnly: true }))];
    tell(runs, alone, { setting, faults, preloadSeconds, longPostings: loaded.longPostings });
    return faults;
  } finally {
    await cluster.stop();
  }
});

function tell(
  runs: ReadonlyMap<string, readonly LoopResult[]>,
  alone: LoopResult,
  facts: Readonly<Record<string, unknown>>,
) {
  const of = (name: string) => runs.get(name) ?? [];
  const byHand = of("page-sql");
  const ratio = median(of("page").map(({ perSecond }, run) => perSecond / (byHand[run]?.perSecond ?? Number.NaN)));
  const p99 = median(of("balance").map(({ latency }) => latency.p99Ms));
  const summary = Object.fromEntries(
    [...[...runs].map(([name, own]) => [name, own] as const), ["balance, 1 caller", [alone]] as const].map(
      ([name, own]) => [
        name,
        {
          perSecond: median(own.map(({ perSecond }) => perSecond)),
          p50Ms: median(own.map(({ latency }) => latency.p50Ms)),
          p99Ms: median(own.map(({ latency }) => latency.p99Ms)),
          p9999Ms: median(own.map(({ latency }) => latency.p9999Ms)),
        },
      ],
    ),
  );
  const verdicts = [
    { what: "L6 page / SQL by hand", target: "≥ 0.9", measured: ratio, isReached: ratio >= 0.9 },
    {
      what: "L5 balance at (V, K), p99 ms, 1 caller",
      target: "≤ 5",
      measured: alone.latency.p99Ms,
      isReached: alone.latency.p99Ms < 5,
    },
    { what: `L5 the same, ${options.callers} callers`, target: "≤ 5", measured: p99, isReached: p99 < 5 },
  ];
  say(
    `\nmedians of ${options.runs} runs of ${options.seconds} s, ${options.callers} callers, ${options.connections} connections\n`,
  );
  say(
    formatTable(
      Object.entries(summary).map(([name, row]) => ({
        read: name,
        "per second": row.perSecond,
        "p50 ms": row.p50Ms,
        "p99 ms": row.p99Ms,
        "p99.99 ms": row.p9999Ms,
      })),
    ),
  );
  say(`\n${formatVerdicts(verdicts)}\n`);
  say(toLine({ bench: "ledger/history", ratio, verdicts, series: summary, ...facts, options }));
}
