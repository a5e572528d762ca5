import { readFile } from "node:fs/promises";
import { createAccessLog, type Sealer, type Viewer } from "@florin/auth";
import {
  classifyDatabaseError,
  connectDatabase,
  createOutboxStore,
  createReadRouter,
  type Database,
  type Sql,
} from "@florin/db";
import {
  createRelay,
  startReplayLoop,
  type Bus,
  type ConsumerGroup,
  type Consumption,
  type EventStream,
} from "@florin/events";
import { createSubgraph, type Subgraph, type SubgraphContext } from "@florin/graph";
import {
  formatInstant,
  instantFromMicros,
  temporarilyUnavailable,
  type Clock,
  type IdSource,
  type RequestError,
} from "@florin/kernel";
import { withDeadline } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import type { PortfolioContext } from "./context.js";
import { createReaders } from "./readers.js";
import { startRepeatingJob } from "./repeating-job.js";
import { resolvers } from "./resolvers/resolver-map.js";
import { createPortfolioMeters } from "./services.js";
import { startInvariantChecks } from "./tasks/check-invariants.js";
import { createBalancesConsumer, createLinkedConsumer, createReplayStore } from "./tasks/consumers.js";
import { readHistory } from "./tasks/read-history.js";
import { WATCH_EVERY_MS, watchSnapshots } from "./tasks/watch-snapshots.js";

export { PORTFOLIO_BALANCES_CONSUMER, PORTFOLIO_LINKED_CONSUMER } from "./tasks/consumers.js";

export interface PortfolioAreaOptions {
  /** Migrated; the area connects as its own role. */
  readonly databaseUrl: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For cursors; shared by the areas. */
  readonly sealer: Sealer;
  /** 32 bytes, the same as accounts': opens what it seals of institutions' answers. */
  readonly snapshotKey: Uint8Array;
  /** Throws unless the token is a service's for `portfolio`. */
  readonly verifyServiceToken: (token: string) => Promise<unknown>;
  /** Throws when the token is not a viewer's. */
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  /** The streams of accounts and of the ledger as their areas keep them: what was told before this area was there is read from them, once. */
  readonly history?: readonly EventStream[] | undefined;
  /** A replica of the same database, for queries; undefined: every read goes to the primary. */
  readonly replicaUrl?: string | undefined;
  /** With several hosts in the URL: remembers the primary's timeline across restarts, so that an old primary is refused. */
  readonly timelineFile?: string | undefined;
  /** Default 10. */
  readonly maxConnections?: number | undefined;
  /** How often the area checks its own invariants. Default 60 000; 0: never. */
  readonly checkInvariantsEveryMs?: number | undefined;
}

export interface PortfolioArea {
  readonly subgraph: Subgraph;
  /** What this area publishes, from PostgreSQL. */
  readonly stream: EventStream;
  health(): Promise<{ readonly ready: boolean; readonly detail: string }>;
  /** Stop the bus first. */
  stop(deadlineMs: number): Promise<void>;
}

const SNAPSHOT_KEY_BYTES = 32;
/** A consumer that stands still keeps the locks of its rows no longer than this. */
const IDLE_IN_TRANSACTION_MS = 5_000;
const HEALTH_DEADLINE_MS = 1_000;
const RETRY_AFTER_MS = 500;
/** How long a reader with a consistency token waits for the streams that this area follows. */
const CONSISTENCY_WAIT_MS = 1_000;

/**
 * The portfolio area of one process: what people own and owe, here and at other institutions.
 *
 * Start, in order: connections → what was told before → consumers of the accounts and ledger streams → relay of the own outbox → jobs. It
 * changes nothing for anybody: its tables are projections, and its graph has queries alone.
 */
export async function createPortfolioArea(options: PortfolioAreaOptions): Promise<PortfolioArea> {
  const { bus, clock, ids, logger, metrics, snapshotKey } = options;
  if (snapshotKey.length !== SNAPSHOT_KEY_BYTES)
    throw new Error(
      `the snapshot key has ${snapshotKey.length} bytes; give the ${SNAPSHOT_KEY_BYTES} that accounts has`,
    );
  const typeDefs = await readFile(new URL("../schema.graphql", import.meta.url), "utf8");
  const connect = (url: string, applicationName: string) =>
    connectDatabase({
      url,
      timelineFile: options.timelineFile,
      area: "portfolio",
      applicationName,
      maxConnections: options.maxConnections ?? 10,
      idleInTransactionMs: IDLE_IN_TRANSACTION_MS,
    });
  const database = connect(options.databaseUrl, "florin-portfolio");
  const replica =
    options.replicaUrl === undefined ? undefined : connect(options.replicaUrl, "florin-portfolio-replica");

  const store = createOutboxStore(database, "portfolio");
  const relay = createRelay({ store, bus, stream: "portfolio", logger, metrics });
  const meters = createPortfolioMeters(metrics);
  const parts = { clock, ids, snapshotKey, meters, wakeRelay: () => relay.wake() };
  const groups = [createLinkedConsumer(database, parts, logger), createBalancesConsumer(database, logger)];
  await readHistories(options, database, groups).catch(async (error: unknown) => {
    await Promise.all([database.stop(), replica?.stop()]);
    throw error;
  });
  const consumptions = new Map(groups.map((group) => [group.stream, bus.consume(group)]));
  const replayStore = createReplayStore(database);
  const replays = groups.map((group) => startReplayLoop({ group, store: replayStore, logger }));
  relay.start();
  const jobs = [
    startRepeatingJob("watch-snapshots", WATCH_EVERY_MS, () => watchSnapshots(database.sql, clock, meters), logger),
    startInvariantChecks({ ...options, everyMs: options.checkInvariantsEveryMs }),
  ];

  return {
    subgraph: buildSubgraph(options, createReadChoice(database, replica, logger), consumptions, typeDefs),
    stream: store,
    health: () => checkHealth(database),
    stop: async (deadlineMs) => {
      await Promise.all([
        ...jobs.map((job) => job.stop()),
        ...replays.map((replay) => replay.stop(deadlineMs)),
        relay.stop(deadlineMs),
      ]);
      await Promise.all([database.stop(), replica?.stop()]);
    },
  };
}

async function readHistories(
  { history = [], logger }: PortfolioAreaOptions,
  database: Database,
  groups: readonly ConsumerGroup[],
): Promise<void> {
  for (const group of groups)
    for (const stream of history)
      if (stream.stream === group.stream) await readHistory(database, group, stream, logger);
}

type Consumptions = ReadonlyMap<string, Consumption>;

function buildSubgraph(
  options: PortfolioAreaOptions,
  sqlFor: (base: SubgraphContext) => Promise<Sql>,
  consumptions: Consumptions,
  typeDefs: string,
): Subgraph {
  const { logger, clock, sealer } = options;
  const accessLog = createAccessLog({
    clock,
    write: ({ at, ...entry }) =>
      logger.info({ access: { ...entry, at: formatInstant(instantFromMicros(at)) } }, "access"),
  });
  return createSubgraph<PortfolioContext>({
    name: "portfolio",
    typeDefs,
    resolvers,
    verifyServiceToken: options.verifyServiceToken,
    verifyViewer: options.verifyViewer,
    buildContext: async (base) => {
      await catchUp(base, consumptions);
      const sql = await sqlFor(base);
      return { ...base, clock, readers: createReaders({ sql, viewer: base.viewer, sealer, accessLog, logger }) };
    },
    toRequestError,
    logger,
  });
}

/** What the caller has seen of accounts and of the ledger has arrived here, or the caller is asked to come again. */
async function catchUp(base: SubgraphContext, consumptions: Consumptions): Promise<void> {
  const waits = [...base.consistency].map(async ([area, position]) => {
    const consumption = consumptions.get(area);
    if (consumption === undefined || (await consumption.reached(position, CONSISTENCY_WAIT_MS))) return;
    throw temporarilyUnavailable(RETRY_AFTER_MS, "This read is behind what you have seen. Send it again in a moment.");
  });
  await Promise.all(waits);
}

/** A replica for queries of whoever has seen nothing yet; what must be new is read from the primary. */
function createReadChoice(
  database: Database,
  replica: Database | undefined,
  logger: Logger,
): (base: SubgraphContext) => Promise<Sql> {
  if (replica === undefined) return () => Promise.resolve(database.sql);
  const onAside = (reason: string) => logger.warn({ reason }, "the portfolio's replica is left aside for a while");
  const router = createReadRouter({ primary: database, replica, area: "portfolio", onAside });
  return async (base) =>
    base.mustReadPrimary || base.consistency.size > 0 ? database.sql : (await router.forReading(undefined)).sql;
}

/** A database that is away for a moment, or a connection that died under a read: ask again. */
function toRequestError(error: unknown): RequestError | undefined {
  return classifyDatabaseError(error) === "refused" ? undefined : temporarilyUnavailable(RETRY_AFTER_MS);
}

async function checkHealth(database: Database): Promise<{ readonly ready: boolean; readonly detail: string }> {
  try {
    await withDeadline(Promise.resolve(database.sql`select 1`), HEALTH_DEADLINE_MS, "asking the portfolio database");
    return { ready: true, detail: "portfolio: database answers" };
  } catch {
    return { ready: false, detail: "portfolio: the database does not answer" };
  }
}
