import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import postgres from "postgres";
import { formatInstant, instantFromMicros, parseInstant, type Area, type Instant } from "@florin/kernel";
import { OutcomeUnknownError } from "./database-errors.js";
import { createGate } from "./transaction-gate.js";
import { connectWatchedSocket } from "./watched-socket.js";

/** What a query takes and gives beyond the plain values: int8 is a bigint, timestamptz an Instant, numeric a string. */
interface ExtraTypes extends Record<string, unknown> {
  bigint: bigint;
  instant: Instant;
}
export type Sql = postgres.Sql<ExtraTypes>;
/** Runs inside one transaction; a function that takes one joins the caller's. */
export type Transaction = postgres.TransactionSql<ExtraTypes>;
export type JsonValue = postgres.JSONValue;

export interface DatabaseOptions {
  readonly url: string;
  /** Connects as the role of this area, which may touch this area's tables and no other. */
  readonly area?: Area | undefined;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly maxConnections: number;
  /** A call that gets no byte from the server for so long fails, outcome unknown. Default 5000. */
  readonly deadlineMs?: number | undefined;
  /**
   * How long the server lets a process that is frozen or cut off keep its transaction, and with it its locks: the bound of an idle
   * transaction, of one statement, and of bytes that nobody takes. Default: 30 s for the first, none for the others.
   */
  readonly idleInTransactionMs?: number | undefined;
  /** Warnings of the server: a wait for a synchronous replica that was given up arrives here and nowhere else. */
  readonly onNotice?: ((notice: { readonly code: string; readonly message: string }) => void) | undefined;
}

export interface Database {
  /** Single statements. What belongs together goes through `transaction`. */
  readonly sql: Sql;
  /**
   * Runs `work` in one READ COMMITTED transaction. At most `maxConnections` run, a bounded number wait, each for a bounded time;
   * beyond that RequestError TEMPORARILY_UNAVAILABLE, and nothing has happened.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Lets running queries end (at most `deadlineMs`), then closes every connection. */
  stop(): Promise<void>;
}

const DEFAULT_DEADLINE_MS = 5_000;
const MAX_WAITING_TRANSACTIONS = 1_000;
/** A transaction that its process has forgotten must not hold locks for ever. */
const IDLE_IN_TRANSACTION_MS = 30_000;

/** What PostgreSQL's -infinity and infinity become: the ends of its own 64-bit range. They do not format as a date. */
export const DISTANT_PAST = instantFromMicros(-(2n ** 63n));
export const DISTANT_FUTURE = instantFromMicros(2n ** 63n - 1n);

/** Opens nothing yet: connections are made when first needed. Throws when the URL is no PostgreSQL URL. */
export function connectDatabase(options: DatabaseOptions): Database {
  assertDriverIsGuarded();
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  let abandonedSyncWaits = 0;
  const onNotice = (notice: postgres.Notice): void => {
    const message = notice["message"] ?? "";
    if (message.includes("wait for synchronous replication")) abandonedSyncWaits++;
    options.onNotice?.({ code: notice["code"] ?? "", message });
  };
  const sql: Sql = postgres(options.url, connectionOptions(options, deadlineMs, onNotice));
  const gate = createGate(options.maxConnections, MAX_WAITING_TRANSACTIONS, deadlineMs);
  const inTransaction = async <T>(work: (tx: Transaction) => Promise<T>): Promise<T> => {
    const before = abandonedSyncWaits;
    const begun: Promise<unknown> = sql.begin("isolation level read committed", (tx) => work(tx));
    const result = (await begun) as T; // the driver's type unwraps arrays of promises, which `work` does not give
    // The notice does not say whose COMMIT it was, so it counts for all that were under way: each is read again by its key.
    if (abandonedSyncWaits !== before) throw new OutcomeUnknownError();
    return result;
  };
  return {
    sql,
    transaction: (work) => gate.run(() => inTransaction(work)),
    stop: () => sql.end({ timeout: deadlineMs / 1000 }),
  };
}

function connectionOptions(options: DatabaseOptions, deadlineMs: number, onNotice: (notice: postgres.Notice) => void) {
  const { hostname, port } = parseDatabaseUrl(options.url);
  return {
    max: options.maxConnections,
    ssl: false,
    connect_timeout: deadlineMs / 1000,
    backoff: (attempt: number) => Math.min(0.02 * 2 ** attempt, 1),
    onnotice: onNotice,
    // Not connected yet: the driver handles a socket that fails to connect, but leaks a slot of its pool when this throws.
    socket: () => connectWatchedSocket(hostname, Number(port || 5432), deadlineMs),
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      ...lockBounds(options.idleInTransactionMs),
      ...(options.area === undefined ? {} : { role: `florin_${options.area}` }),
    },
    types: { bigint: postgres.BigInt, instant: instantType },
  };
}

/**
 * `statement_timeout` is for a client that stops between Parse and Bind, where no transaction counts as idle; it ends before COMMIT
 * begins, so it never cancels one. `tcp_user_timeout` is for a client that is gone while the server still writes to it.
 */
function lockBounds(idleMs: number | undefined) {
  if (idleMs === undefined) return { idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS };
  return { idle_in_transaction_session_timeout: idleMs, statement_timeout: idleMs, tcp_user_timeout: idleMs };
}

const instantType = {
  to: 1184,
  from: [1184],
  serialize: (value: Instant | string) => (typeof value === "bigint" ? formatInstant(value) : value),
  parse: (text: string): Instant => {
    if (text === "-infinity") return DISTANT_PAST;
    if (text === "infinity") return DISTANT_FUTURE;
    const instant = parseInstant(text);
    if (instant === undefined) throw new Error(`not an instant that we keep: ${text}`);
    return instant;
  },
};

function parseDatabaseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.hostname === "") {
    throw new Error("The database URL must look like postgres://user:password@host:5432/database.");
  }
  return parsed;
}

let isGuarded = false;
/** The unpatched driver ends the whole process when a connection dies inside a transaction (patches/postgres+3.4.9.patch). */
function assertDriverIsGuarded(): void {
  if (isGuarded) return;
  const entry = createRequire(import.meta.url).resolve("postgres"); // …/postgres/cjs/src/index.js
  isGuarded = readFileSync(entry.replace(/cjs(?=[\\/]src[\\/]index\.js$)/, "."), "utf8").includes("florin-guard");
  if (isGuarded) return;
  throw new Error(
    'The postgres driver lacks our patch. Run "npx patch-package" (npm ci --ignore-scripts leaves it out).',
  );
}
