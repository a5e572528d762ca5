import { randomBytes } from "node:crypto";
import { checkInvariants, connectDatabase, describeFinding, migrate, type Database } from "@florin/db";
import { ensureProducts } from "@florin/db/ledger";
import {
  addMicros,
  parseDecimal,
  uuidV7,
  type Amount,
  type Clock,
  type CurrencyCode,
  type IdSource,
  type Product,
  type Uuid,
} from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { foldBalances } from "../../packages/testkit/src/fold-balances.js";
import type { LedgerWriter } from "../../subgraphs/ledger/src/writer/command.js";
import { createLedgerWriter, type LedgerWriterOptions } from "../../subgraphs/ledger/src/writer/ledger-writer.js";
import { LONG_MS, type BenchCluster } from "./bench-cluster.js";
import { depositCommand, expectCompleted, expectOpened, openCommand } from "./bench-commands.js";

/**
 * A book for benches: a database of its own, funded wallets, and the ledger's own writer in this process. Wallets are opened and funded
 * once, through the writer, in a template; each series then works on a clone, so that all of them begin with the same book.
 */
export interface BookTemplate {
  readonly database: string;
  readonly wallets: readonly Uuid[];
  /** Deposits and openings that it holds. */
  readonly operations: number;
}

export interface BenchBook {
  readonly url: string;
  readonly writer: LedgerWriter;
  readonly database: Database;
  /** Commits and records of the book so far: how large a commit is on average. */
  head(): Promise<{ readonly commits: bigint; readonly records: bigint }>;
  stop(): Promise<void>;
}

/** Far more than a bench moves, so that nothing is refused that was not meant to be. */
export const FUNDS = parseDecimal("100000000", 7) as Amount;
export const CURRENCY = "USD" as CurrencyCode;
const IN_FLIGHT = 1_000;
const STOP_MS = 30_000;

export type WriterSwitches = Partial<LedgerWriterOptions>;

export interface TemplateOptions {
  readonly name: string;
  readonly wallets: number;
  readonly products: readonly Product[];
  /** Default: the machine's. The ids that the writer makes follow it, so that later history has later ids. */
  readonly clock?: Clock;
}

/** So many days before now: for books whose history is preloaded after their wallets were opened. */
export function longAgo(days: number): Clock {
  return { now: () => addMicros(systemClock.now(), BigInt(-days) * 86_400_000_000n) };
}

function idsOf(clock: Clock): IdSource {
  return { next: () => uuidV7(Number(BigInt(clock.now()) / 1_000n), randomBytes(10)) };
}

export async function createBookTemplate(cluster: BenchCluster, options: TemplateOptions): Promise<BookTemplate> {
  const { name, products, clock = systemClock } = options;
  const url = await cluster.createDatabase(name);
  await migrate(url);
  const seeder = connectDatabase({ url, area: "ledger", applicationName: "florin-bench-seed", maxConnections: 1 });
  await ensureProducts(seeder, products, randomIds, clock);
  await seeder.stop();
  const [product] = products;
  if (product === undefined) throw new Error("a book needs a product");
  const book = openBook(url, { products, clock, ids: idsOf(clock) });
  try {
    const wallets = await inPieces(options.wallets, async () => {
      const command = openCommand(product.code, clock);
      expectOpened(await book.writer.submit(command));
      return command.accountId;
    });
    const funds = { amount: FUNDS, currency: CURRENCY };
    await inPieces(wallets.length, async (at) => {
      const wallet = wallets[at];
      if (wallet === undefined) return;
      expectCompleted(await book.writer.submit(depositCommand(wallet, funds, `${name}-fund-${at}`, clock)));
    });
    return { database: name, wallets, operations: wallets.length };
  } finally {
    await book.stop();
    const admin = connectAdmin(url);
    await admin.sql`vacuum analyze`;
    await admin.stop();
  }
}

export function connectAdmin(url: string): Database {
  return connectDatabase({ url, applicationName: "florin-bench-admin", maxConnections: 1, deadlineMs: LONG_MS });
}

/** A clone of the template, with a writer. */
export async function cloneBook(
  cluster: BenchCluster,
  template: BookTemplate,
  name: string,
  switches: WriterSwitches & { readonly products: readonly Product[] },
): Promise<BenchBook> {
  return openBook(await cluster.createDatabase(name, template.database), switches);
}

export function openBook(url: string, switches: WriterSwitches & { readonly products: readonly Product[] }): BenchBook {
  const database = connectDatabase({
    url,
    area: "ledger",
    applicationName: "florin-bench-writer",
    maxConnections: 4,
    plans: "probes",
  });
  const writer = createLedgerWriter({
    database,
    clock: systemClock,
    ids: randomIds,
    logger: createLogger({ name: "bench", level: "warn", destination: process.stderr }),
    metrics: createMetrics({ processMetrics: false }),
    holder: `bench-${randomIds.next()}`,
    queueLimit: 20_000,
    commandTimeoutMs: 60_000,
    ...switches,
  });
  return {
    url,
    writer,
    database,
    head: async () => {
      const [head] = await database.sql<{ commits: bigint; records: bigint }[]>`
        select batch as commits, seq as records from ledger.head where book_id = 1`;
      if (head === undefined) throw new Error("the book has no head");
      return head;
    },
    stop: async () => {
      await writer.stop(STOP_MS);
      await database.stop();
    },
  };
}

/** `count` pieces of work, at most a thousand under way; their results in order. */
async function inPieces<Result>(count: number, work: (at: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let first = 0; first < count; first += IN_FLIGHT) {
    const size = Math.min(IN_FLIGHT, count - first);
    results.push(...(await Promise.all(Array.from({ length: size }, (_, at) => work(first + at)))));
  }
  return results;
}

/** Which rules of docs/invariants.md a bench asks. */
export interface BookCheck {
  /** Operations that were answered COMPLETED or REJECTED: the book must hold exactly these. */
  readonly operations: { readonly completed: number; readonly rejected: number };
  /** What SQL preloaded has neither links of the audit chain nor all that the writer writes; then money and its order alone. */
  readonly isMoneyOnly?: boolean;
}

const MONEY = new Set(["I1", "I2", "I3", "I4", "I5", "I10"]);

/** What is wrong with a book that nobody writes to any more, in words. Every posting is folded again by a hand of its own. */
export async function findFaults(url: string, { operations, isMoneyOnly = false }: BookCheck): Promise<string[]> {
  const admin = connectAdmin(url);
  try {
    const { findings, unchecked } = await checkInvariants(admin, { areas: ["ledger"] });
    const isAsked = ({ invariant, sentence }: (typeof findings)[number]): boolean =>
      !isMoneyOnly || (MONEY.has(invariant) && !sentence.includes("AUD-"));
    const counted = findings.filter(isAsked);
    const folded = await admin.transaction(async (tx) => {
      await tx`set transaction isolation level repeatable read, read only`;
      return await foldBalances(tx);
    });
    const rows = await admin.sql<{ status: string; n: number }[]>`
      select status, count(*)::int as n from ledger.operation group by status`;
    const stored = (status: string): number => rows.find((row) => row.status === status)?.n ?? 0;
    return [
      ...counted.map(describeFinding),
      ...unchecked.map(({ sentence, reason }) => `not checked: ${sentence}: ${reason}`),
      ...folded,
      ...differ("completed", operations.completed, stored("COMPLETED")),
      ...differ("refused", operations.rejected, stored("REJECTED")),
    ];
  } finally {
    await admin.stop();
  }
}

function differ(what: string, answered: number, stored: number): string[] {
  return answered === stored ? [] : [`${answered} operations were answered as ${what}, ${stored} are stored`];
}
