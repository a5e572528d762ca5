import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  createAccessLog,
  createTokenIssuer,
  createTokenVerifier,
  type JwkSet,
  type RotationPolicy,
  type Sealer,
  type TokenVerifier,
  type Viewer,
} from "@florin/auth";
import {
  classifyDatabaseError,
  connectDatabase,
  createOutboxStore,
  createReadRouter,
  listen,
  type Database,
  type Sql,
} from "@florin/db";
import { listSessionsRevokedSince } from "@florin/db/accounts";
import { createRelay, startReplayLoop, type Bus, type EventStream } from "@florin/events";
import { createSubgraph, type Subgraph, type SubgraphContext } from "@florin/graph";
import {
  addMicros,
  formatId,
  isUuid,
  temporarilyUnavailable,
  type Clock,
  type IdSource,
  type RequestError,
  type Instant,
} from "@florin/kernel";
import { createBulkhead, withDeadline } from "@florin/resilience";
import { newCorrelationId, type Logger, type Metrics } from "@florin/telemetry";
import { exchangeApiKey } from "./commands/exchange-api-key.js";
import { seedDemo, type DemoData } from "./commands/seed-demo.js";
import { bindCommands, createCatchUp, type AccountsContext } from "./context.js";
import { createKeyRing, KEY_REFRESH_MS } from "./key-ring.js";
import { createLedgerAnswers } from "./ledger-answers.js";
import { createLoginGuard } from "./login-guard.js";
import { createPasswordHasher } from "./passwords.js";
import { createLinkedReaders } from "./linked-readers.js";
import { startLinkedWorker, type LinkedOptions } from "./linked/start-linked-worker.js";
import type { LinkedWorker } from "./linked/linked-worker.js";
import { createReaders } from "./readers.js";
import { startRepeatingJob } from "./repeating-job.js";
import { resolvers } from "./resolvers/resolver-map.js";
import { createRevokedSessions, noteRevocation, TOKEN_LIFE_MICROS, type RevokedSessions } from "./revoked-sessions.js";
import { deriveKey } from "./secret-box.js";
import type { Services } from "./services.js";
import { createSessionTokens } from "./session-tokens.js";
import { ANSWER_CHANNEL } from "./tasks/apply-ledger-answer.js";
import { startInvariantChecks } from "./tasks/check-invariants.js";
import { FORGET_EVERY_MS, forgetExpired } from "./tasks/forget-expired.js";
import { createLedgerEventsConsumer, createReplayStore } from "./tasks/ledger-events.js";
import { createTransact } from "./transact.js";

export { ACCOUNTS_CONSUMER } from "./tasks/ledger-events.js";
export { rewrapTokens, type RewrapProgress } from "./linked/token-rotation.js";
export type { LinkedOptions } from "./linked/start-linked-worker.js";
export type { LinkedWorker } from "./linked/linked-worker.js";
export type { RevokedSessions } from "./revoked-sessions.js";
export { DEMO_PARTNER_KEY, DEMO_PASSWORD, demoLogins, type DemoData, type DemoIdentity } from "./commands/seed-demo.js";

export interface AccountsAreaOptions {
  /** Migrated; the area connects as its own role. */
  readonly databaseUrl: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** 32 random bytes, the same at every start: opens signing keys, peppers passwords. Each use has a key of its own derived from it. */
  readonly masterKey: Uint8Array;
  /** `iss` of access tokens. */
  readonly issuer: string;
  /** For cursors; shared by the areas. */
  readonly sealer: Sealer;
  /** Throws unless the token is a service's for `accounts`. */
  readonly verifyServiceToken: (token: string) => Promise<unknown>;
  /** Demo data may be loaded, and one address may load the platform. Never together with `isProduction`. */
  readonly demo?: boolean | undefined;
  readonly isProduction?: boolean | undefined;
  /** A replica of the same database, for queries; undefined: every read goes to the primary. */
  readonly replicaUrl?: string | undefined;
  /** With several hosts in the URL: remembers the primary's timeline across restarts, so that an old primary is refused. */
  readonly timelineFile?: string | undefined;
  /** Default 10. */
  readonly maxConnections?: number | undefined;
  /** Accounts at other institutions; undefined: none can be linked here, and what was linked is shown as it was read. */
  readonly linked?: LinkedOptions | undefined;
  /** How often the area checks its own invariants. Default 60 000; 0: never. */
  readonly checkInvariantsEveryMs?: number | undefined;
  readonly rotationPolicy?: RotationPolicy | undefined;
  /** Uniform in [0, 1); pauses between retries. Default Math.random. */
  readonly random?: (() => number) | undefined;
}

/** A session that is over, by border id (`ses_…`), while its access tokens may run until `until`. */
export interface EndedSession {
  readonly sessionId: string;
  readonly until: Instant;
}

export interface AccountsArea {
  readonly subgraph: Subgraph;
  /** What this area publishes, from PostgreSQL. */
  readonly stream: EventStream;
  jwks(): Promise<JwkSet>;
  /** Throws AuthError. */
  verifyViewer(token: string): Promise<Viewer>;
  /** undefined: the key opens nothing. `expiresIn` in seconds. */
  exchangeApiKey(key: string): Promise<{ readonly token: string; readonly expiresIn: number } | undefined>;
  /** By border id (`ses_…`), for verifiers elsewhere in this process. */
  readonly revokedSessions: RevokedSessions;
  /** The same from PostgreSQL, whichever process ended them: for verifiers in other processes. */
  listRevokedSessions(): Promise<readonly EndedSession[]>;
  /** Calls Plaid, takes its webhooks, turns its keys. undefined without `linked`. */
  readonly linkedWorker: LinkedWorker | undefined;
  /** Needs a running ledger for the wallets to open; waits at most 10 s for each. Throws without `demo`, and in production. */
  seedDemo(): Promise<DemoData>;
  health(): Promise<{ readonly ready: boolean; readonly detail: string }>;
  /** Stop the bus first. */
  stop(deadlineMs: number): Promise<void>;
}

const MASTER_KEY_BYTES = 32;
/** A consumer that stands still keeps the locks of its inbox rows no longer than this. */
const IDLE_IN_TRANSACTION_MS = 5_000;
const HASHING = { concurrency: 2, queue: 64, waitMs: 5_000 } as const;
const ATTEMPTS_PER_ADDRESS = { demo: 100_000, strict: 60 } as const;
const HEALTH_DEADLINE_MS = 1_000;
const REVOKED_REFRESH_MS = 5_000;

const RETRY_AFTER_MS = 500;

/**
 * The accounts area of one process: people, sessions, keys, ownership.
 *
 * Start, in order: connections → signing keys (made at the first start) → sessions that ended lately → consumer of the ledger's
 * events → relay of the own outbox → jobs. Resolves when it can serve; throws with a remedy when it cannot, nothing left running.
 */
export async function createAccountsArea(options: AccountsAreaOptions): Promise<AccountsArea> {
  if (options.masterKey.length !== MASTER_KEY_BYTES)
    throw new Error(`the master key has ${options.masterKey.length} bytes; give ${MASTER_KEY_BYTES} random ones`);
  const connect = (url: string, applicationName: string) =>
    connectDatabase({
      url,
      timelineFile: options.timelineFile,
      area: "accounts",
      applicationName,
      maxConnections: options.maxConnections ?? 10,
      idleInTransactionMs: IDLE_IN_TRANSACTION_MS,
    });
  const database = connect(options.databaseUrl, "florin-accounts");
  const replica = options.replicaUrl === undefined ? undefined : connect(options.replicaUrl, "florin-accounts-replica");
  const disconnect = async (): Promise<void> => {
    await Promise.all([database.stop(), replica?.stop()]);
  };
  try {
    return await start(options, { database, replica, disconnect });
  } catch (error) {
    await disconnect();
    throw error;
  }
}

interface Databases {
  readonly database: Database;
  readonly replica: Database | undefined;
  disconnect(): Promise<void>;
}

async function start(options: AccountsAreaOptions, databases: Databases): Promise<AccountsArea> {
  const { database } = databases;
  const { bus, clock, logger, metrics, masterKey } = options;
  const { sql } = database;
  const keyRing = createKeyRing({ database, clock, masterKey, logger, policy: options.rotationPolicy });
  await keyRing.refresh();
  const revokedSessions = createRevokedSessions(clock);
  const listRevokedSessions = async (): Promise<readonly EndedSession[]> => {
    const ended = await listSessionsRevokedSince(sql, addMicros(clock.now(), -TOKEN_LIFE_MICROS));
    return ended.map(({ sessionId, revokedAt }) => ({
      sessionId: formatId("session", sessionId),
      until: addMicros(revokedAt, TOKEN_LIFE_MICROS),
    }));
  };
  const rememberRevokedSessions = async (): Promise<void> => {
    for (const { sessionId, until } of await listRevokedSessions()) revokedSessions.add(sessionId, until);
  };
  await rememberRevokedSessions();

  const answers = createLedgerAnswers();
  const store = createOutboxStore(database, "accounts");
  const relay = createRelay({ store, bus, stream: "accounts", logger, metrics });
  const issuer = createTokenIssuer({ issuer: options.issuer, clock, activeKey: keyRing.activeKey });
  const verifier = createTokenVerifier({
    issuer: options.issuer,
    jwks: keyRing.jwks,
    clock,
    revokedSessions,
    maxAgeMs: KEY_REFRESH_MS,
  });
  const linkedWorker = await startLinkedWorker(options, () => relay.wake());
  const services = createServices(options, database, {
    issuer,
    answers,
    revokedSessions,
    linkOperations: linkedWorker?.linkOperations,
    wakeRelay: () => relay.wake(),
  });

  const listening = await listen(database, ANSWER_CHANNEL, (accountId) => {
    if (isUuid(accountId)) answers.settleAccount(accountId);
  });
  const sqlFor = createReadChoice(databases, logger);
  const subgraph = buildSubgraph(options, services, verifier, sqlFor, (position, deadlineMs) =>
    consumption.reached(position, deadlineMs),
  );

  // Nothing fails from here on: what runs by itself is begun last.
  const consumer = createLedgerEventsConsumer(database, answers, logger);
  const consumption = bus.consume(consumer);
  const replays = startReplayLoop({ group: consumer, store: createReplayStore(database), logger });
  const untap = bus.tap("accounts", (event) => {
    answers.settlePosition(event.eventId, event.position);
    noteRevocation(event, revokedSessions);
  });
  relay.start();
  const jobs = [
    startRepeatingJob("refresh-signing-keys", KEY_REFRESH_MS, keyRing.refresh, logger),
    // Log-outs in other processes come by event at once, and from the database while the bus is away.
    startRepeatingJob("refresh-revoked-sessions", REVOKED_REFRESH_MS, rememberRevokedSessions, logger),
    startRepeatingJob("forget-expired", FORGET_EVERY_MS, () => forgetExpired(sql, clock), logger),
    startInvariantChecks({ ...options, everyMs: options.checkInvariantsEveryMs }),
  ];

  return {
    subgraph,
    stream: store,
    jwks: keyRing.jwks,
    verifyViewer: verifier.verify,
    exchangeApiKey: (key) => exchangeApiKey({ sql, clock, issuer }, key),
    revokedSessions,
    listRevokedSessions,
    linkedWorker,
    seedDemo: async () => {
      if (options.isProduction === true || options.demo !== true)
        throw new Error("demo identities have published passwords; start with demo data on, and never in production");
      return seedDemo(services, newCorrelationId(), options.linked?.obtainDemoToken);
    },
    health: () => checkHealth(database),
    stop: async (deadlineMs) => {
      answers.stop();
      untap();
      await Promise.all([...jobs.map((job) => job.stop()), replays.stop(deadlineMs), relay.stop(deadlineMs)]);
      await Promise.all([listening.stop(), linkedWorker?.stop(deadlineMs)]);
      await databases.disconnect();
    },
  };
}

function buildSubgraph(
  options: AccountsAreaOptions,
  services: Services,
  verifier: TokenVerifier,
  sqlFor: (base: SubgraphContext) => Promise<Sql>,
  reached: (position: bigint, deadlineMs: number) => Promise<boolean>,
): Subgraph {
  const { logger, clock, sealer } = options;
  const accessLog = createAccessLog({
    clock,
    write: ({ at, ...entry }) => logger.info({ access: { ...entry, at: at.toString() } }, "access decision"),
  });
  return createSubgraph<AccountsContext>({
    name: "accounts",
    typeDefs: readFileSync(new URL("../schema.graphql", import.meta.url), "utf8"),
    resolvers,
    verifyServiceToken: options.verifyServiceToken,
    verifyViewer: verifier.verify,
    buildContext: async (base) => {
      const caughtUp = createCatchUp(base, reached);
      const read = { sql: await sqlFor(base), primarySql: services.sql };
      const about = { ...read, viewer: base.viewer, sealer, accessLog, logger };
      const readers = createReaders({ ...about, caughtUp });
      return { ...base, readers, linked: createLinkedReaders(about), commands: bindCommands(services, base) };
    },
    toRequestError,
    logger,
  });
}

/** A database that is away for a moment, or a connection that died under a read: ask again, under the same key. */
function toRequestError(error: unknown): RequestError | undefined {
  return classifyDatabaseError(error) === "refused" ? undefined : temporarilyUnavailable(RETRY_AFTER_MS);
}

/**
 * A replica for queries that it can answer. A mutation and what comes after one, and whoever has seen the ledger go on (which is a
 * matter of this process's consumer, and of no position of ours), read the primary.
 */
function createReadChoice({ database, replica }: Databases, logger: Logger): (base: SubgraphContext) => Promise<Sql> {
  if (replica === undefined) return () => Promise.resolve(database.sql);
  const onAside = (reason: string) => logger.warn({ reason }, "the accounts' replica is left aside for a while");
  const router = createReadRouter({ primary: database, replica, area: "accounts", onAside });
  return async (base) => {
    if (base.mustReadPrimary || base.consistency.has("ledger")) return database.sql;
    const position = base.consistency.get("accounts");
    return (await router.forReading(position === undefined ? undefined : { area: "accounts", position })).sql;
  };
}

function createServices(
  options: AccountsAreaOptions,
  database: Database,
  parts: Pick<Services, "answers" | "linkOperations" | "revokedSessions" | "wakeRelay"> & {
    readonly issuer: Parameters<typeof createSessionTokens>[0]["issuer"];
  },
): Services {
  const { clock, ids, logger, masterKey } = options;
  const { issuer, answers, linkOperations, revokedSessions, wakeRelay } = parts;
  return {
    sql: database.sql,
    transact: createTransact(database, options.random ?? Math.random),
    clock,
    ids,
    logger,
    passwords: createPasswordHasher(deriveKey(masterKey, "password-pepper"), createBulkhead(HASHING)),
    guard: createLoginGuard({
      sql: database.sql,
      clock,
      subjectKey: deriveKey(masterKey, "login-subject"),
      attemptsPerAddress: options.demo === true ? ATTEMPTS_PER_ADDRESS.demo : ATTEMPTS_PER_ADDRESS.strict,
    }),
    tokens: createSessionTokens({
      issuer,
      clock,
      ids,
      randomBytes,
      successorSecret: deriveKey(masterKey, "refresh-successor"),
    }),
    revokedSessions,
    answers,
    linkOperations,
    wakeRelay,
  };
}

async function checkHealth(database: Database): Promise<{ readonly ready: boolean; readonly detail: string }> {
  try {
    await withDeadline(Promise.resolve(database.sql`select 1`), HEALTH_DEADLINE_MS, "asking the accounts database");
    return { ready: true, detail: "accounts: database answers" };
  } catch {
    return { ready: false, detail: "accounts: the database does not answer" };
  }
}
