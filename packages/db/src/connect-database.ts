import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import postgres from "postgres";
import { formatInstant, instantFromMicros, parseInstant, type Area, type Instant } from "@florin/kernel";
import { OutcomeUnknownError } from "./database-errors.js";
import { parseDatabaseUrl } from "./database-url.js";
import { createListener, type Listen } from "./listener.js";
import { createPipeline, type Pipeline } from "./pipeline.js";
import { acquirePrimaryFinder, type Primary, type PrimaryFinder } from "./primary-finder.js";
import { boundQueries } from "./query-gate.js";
import type { Sql, Transaction } from "./sql.js";
import { createGate } from "./transaction-gate.js";
import { connectWatchedSocket, connectWatchedSocketLater } from "./watched-socket.js";

export type { JsonValue, Sql, Transaction } from "./sql.js";

export interface DatabaseOptions {
  /** May name several hosts (`postgres://user:password@h1:5432,h2:5432/db`): connections then go to the one that is the primary. */
  readonly url: string;
  /** With several hosts: remembers the highest timeline in use across restarts, so that an old primary is refused then too. */
  readonly timelineFile?: string | undefined;
  /** With several hosts: called when the first primary is found and for each change. */
  readonly onPrimary?: ((primary: Primary) => void) | undefined;
  /** Narrower than the area's own role: the worker of accounts that calls Plaid, which alone may read tokens. Only with `area`. */
  readonly role?: "florin_linked_worker" | undefined;
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
  /**
   * What this pool's statements are. "probes": they look up rows by key and must never scan, whatever the planner knew of the tables when
   * they were prepared. "pages": prepared once for any parameters, as planning them costs more than running them. Default: neither is known.
   */
  readonly plans?: "probes" | "pages" | undefined;
  /** Warnings of the server: a wait for a synchronous replica that was given up arrives here and nowhere else. */
  readonly onNotice?: ((notice: { readonly code: string; readonly message: string }) => void) | undefined;
}

export interface Database {
  /**
   * Single statements. What belongs together goes through `transaction`. A bounded number may be under way, each for a bounded time;
   * one more is TEMPORARILY_UNAVAILABLE, and nothing has happened.
   */
  readonly sql: Sql;
  /**
   * Runs `work` in one READ COMMITTED transaction. At most `maxConnections` run, a bounded number wait, each for a bounded time;
   * beyond that RequestError TEMPORARILY_UNAVAILABLE, and nothing has happened.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Opens a connection of its own for transactions of one statement each, one behind the other. Stopped with the rest, or by itself. */
  openPipeline(): Pipeline;
  /** See `listen`. */
  readonly listen: Listen;
  /** Lets running queries end (at most `deadlineMs`), then closes every connection. */
  stop(): Promise<void>;
}

const DEFAULT_DEADLINE_MS = 5_000;
const MAX_WAITING_TRANSACTIONS = 1_000;
const MAX_OUTSTANDING_QUERIES = 5_000;
/** A transaction that its process has forgotten must not hold locks for ever. */
const IDLE_IN_TRANSACTION_MS = 30_000;

const plans = {
  probes: {
    enable_seqscan: "off",
    enable_hashjoin: "off",
    enable_mergejoin: "off",
    plan_cache_mode: "force_generic_plan",
  },
  pages: { plan_cache_mode: "force_generic_plan" },
} as const;

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
  const hosts = openHosts(options, deadlineMs);
  const connection = connectionOptions(options, deadlineMs, hosts, onNotice);
  const driver: Sql = postgres(hosts.url, connection);
  const sql = boundQueries(driver, MAX_OUTSTANDING_QUERIES, deadlineMs);
  const gate = createGate(options.maxConnections, MAX_WAITING_TRANSACTIONS, deadlineMs);
  const inTransaction = async <T>(work: (tx: Transaction) => Promise<T>): Promise<T> => {
    const before = abandonedSyncWaits;
    const begun: Promise<unknown> = driver.begin("isolation level read committed", (tx) => work(tx));
    const result = (await begun) as T; // the driver's type unwraps arrays of promises, which `work` does not give
    // The notice does not say whose COMMIT it was, so it counts for all that were under way: each is read again by its key.
    if (abandonedSyncWaits !== before) throw new OutcomeUnknownError();
    return result;
  };
  const listener = createListener((hooks) =>
    postgres(hosts.url, { ...connection, ...hooks, max: 1, idle_timeout: 0, max_lifetime: null, fetch_types: false }),
  );
  const pipelines = new Set<Pipeline>();
  const openPipeline = (): Pipeline => {
    const own: Sql = postgres(hosts.url, {
      ...connection,
      // A client that is frozen before its statement runs holds no lock here, and afterwards its transaction is idle: no need for a short bound.
      connection: { ...connection.connection, ...plans.probes, statement_timeout: deadlineMs },
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
    });
    const pipeline = createPipeline(own, () => abandonedSyncWaits, deadlineMs);
    const stop = async () => {
      pipelines.delete(opened);
      await pipeline.stop();
    };
    const opened: Pipeline = { commit: pipeline.commit, stop };
    pipelines.add(opened);
    return opened;
  };
  return {
    sql,
    openPipeline,
    transaction: (work) => gate.run(() => inTransaction(work)),
    listen: listener.listen,
    stop: async () => {
      await Promise.all([
        listener.stop(),
        driver.end({ timeout: deadlineMs / 1000 }),
        ...[...pipelines].map((pipeline) => pipeline.stop()),
      ]);
      hosts.release();
    },
  };
}

interface Hosts {
  /** Of one host: what the driver reads login and database from. */
  readonly url: string;
  /** A slow wait between attempts serves nobody when the search for the primary paces them. */
  readonly maxBackoffSeconds: number;
  connect(): Socket;
  release(): void;
}

function openHosts(options: DatabaseOptions, deadlineMs: number): Hosts {
  const { hosts, urlOf } = parseDatabaseUrl(options.url);
  const [first, ...others] = hosts;
  if (first === undefined) throw new Error("The database URL names no host.");
  const url = urlOf(first);
  if (others.length === 0) {
    const connect = () => connectWatchedSocket(first.host, first.port, deadlineMs);
    return { url, maxBackoffSeconds: 1, connect, release: () => undefined };
  }
  const finder = acquirePrimaryFinder(options.url, options.timelineFile);
  const dropListener = options.onPrimary === undefined ? () => undefined : finder.onPrimary(options.onPrimary);
  return {
    url,
    maxBackoffSeconds: 0.1,
    connect: () => connectToPrimary(finder, deadlineMs),
    release: () => {
      dropListener();
      finder.release();
    },
  };
}

/** The search gets most of the deadline, so that its own error comes before the socket's, which would say *unknown*. */
const SEARCH_SHARE = 0.9;
const READ_ONLY = "25006";

function connectToPrimary(finder: PrimaryFinder, deadlineMs: number): Socket {
  let doubt = (): void => undefined;
  const choose = async () => {
    const host = await finder.find(deadlineMs * SEARCH_SHARE);
    if (!socket.destroyed) finder.adopt(socket, host);
    doubt = () => finder.suspect(host);
    return host;
  };
  const onServerError = (state: string): void => {
    if (state === READ_ONLY) doubt(); // a server that ends, or starts, also ends the connection, which is doubt enough
  };
  const socket = connectWatchedSocketLater({ choose, onServerError }, deadlineMs);
  return socket;
}

function connectionOptions(
  options: DatabaseOptions,
  deadlineMs: number,
  hosts: Hosts,
  onNotice: (notice: postgres.Notice) => void,
) {
  return {
    max: options.maxConnections,
    ssl: false,
    connect_timeout: deadlineMs / 1000,
    backoff: (attempt: number) => Math.min(0.02 * 2 ** attempt, hosts.maxBackoffSeconds),
    onnotice: onNotice,
    // Not connected yet: the driver handles a socket that fails to connect, but leaks a slot of its pool when this throws.
    socket: hosts.connect,
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      ...lockBounds(options.idleInTransactionMs),
      ...(options.plans === undefined ? {} : plans[options.plans]),
      ...(options.area === undefined
        ? {}
        : { role: options.role ?? `florin_${options.area}`, synchronous_commit: commitLevel(options.url) }),
    },
    types: { bigint: postgres.BigInt, instant: instantType },
  };
}

/**
 * What an area commits is durable when it is acknowledged, whatever the server's default: on the standby too when the server names a
 * synchronous one. The URL may ask for more (`?synchronous_commit=remote_apply`) and not for less.
 */
function commitLevel(url: string): string {
  const asked = /[?&]synchronous_commit=([^&]*)/.exec(url)?.[1] ?? "on";
  if (asked === "on" || asked === "remote_apply") return asked;
  throw new Error(
    `The database URL asks for synchronous_commit=${asked}, with which acknowledged money can be lost. Leave it out, or ask for remote_apply.`,
  );
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
