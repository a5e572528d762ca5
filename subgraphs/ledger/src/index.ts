import { readFile } from "node:fs/promises";
import { createCheckpointSigner } from "@florin/audit";
import { createAccessLog, type Sealer, type Viewer } from "@florin/auth";
import {
  classifyDatabaseError,
  connectDatabase,
  createOutboxStore,
  createReadRouter,
  listen,
  type Database,
  type DatabaseOptions,
} from "@florin/db";
import { ensureProducts, LEDGER_CHANNEL } from "@florin/db/ledger";
import { createRelay, startReplayLoop, type Bus, type Consumption, type EventStream, type Relay } from "@florin/events";
import { createSubgraph, type Subgraph, type SubgraphContext } from "@florin/graph";
import {
  formatInstant,
  instantFromMicros,
  productLibrary,
  temporarilyUnavailable,
  type Clock,
  type IdSource,
  type Product,
  type RequestError,
} from "@florin/kernel";
import { openProductSandbox, type ProductSandbox } from "@florin/product-sandbox";
import type { Logger, Metrics } from "@florin/telemetry";
import type { LedgerContext, Readers, SourceProblem } from "./context.js";
import { createReaderSource } from "./readers.js";
import { createReplicaReaders } from "./replica-readers.js";
import { resolvers } from "./resolvers/index.js";
import { createAccountCommandsGroup, createReplayStore } from "./tasks/account-commands.js";
import { openCheckpointFile } from "./tasks/checkpoint-file.js";
import { startInvariantChecks } from "./tasks/check-invariants.js";
import { startCheckpoints, type CheckpointTask } from "./tasks/write-checkpoint.js";
import { startConversions } from "./tasks/convert-accounts.js";
import { startHoldExpiry } from "./tasks/expire-holds.js";
import { startHookRunner } from "./tasks/run-hooks.js";
import { createTermsReaders } from "./terms-readers.js";
import type { LedgerWriter } from "./writer/command.js";
import { createLedgerWriter, DEFAULT_LEASE_MS } from "./writer/ledger-writer.js";

const RETRY_AFTER_MS = 500;

/**
 * The ledger's composition root: database (role florin_ledger) → products → writer → consumers of the accounts stream → relay of
 * its own outbox → subgraph. Stopping goes the other way round and gives the lease back.
 */
export interface LedgerAreaOptions {
  readonly databaseUrl: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Throws when the token is not a service's for `ledger`. */
  readonly verifyServiceToken: (token: string) => Promise<unknown>;
  /** Throws when the token is not a viewer's. */
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly sealer: Sealer;
  /** Demo mode: owners bring and take cash themselves. */
  readonly ownersMayMoveCash: boolean;
  /** For reads and for the writer together; at least 4. Default 16. */
  readonly maxConnections?: number | undefined;
  /** How long the book may stand still after its writer's process died or froze. The same in every process. Default 3000. */
  readonly leaseMs?: number | undefined;
  /** How often the area checks its own invariants. Default 60 000; 0: never. */
  readonly checkInvariantsEveryMs?: number | undefined;
  /** Does a finding that means money made or lost halt the book's writes? Default true. */
  readonly haltsOnViolation?: boolean | undefined;
  /** AUD-2: who signs the audit chain's checkpoints, and where they are kept outside the database. undefined: nobody signs. */
  readonly checkpoints?:
    | {
        readonly origin: string;
        /** 32 secret bytes. */
        readonly seed: Uint8Array;
        /** undefined: the database alone keeps them. */
        readonly file?: string | undefined;
        /** Default 10 000; 0: never. */
        readonly everyMs?: number | undefined;
      }
    | undefined;
  /** A replica of the same database, for queries; undefined: every read goes to the primary. */
  readonly replicaUrl?: string | undefined;
  /** With several hosts in the URL: remembers the primary's timeline across restarts, so that an old primary is refused. */
  readonly timelineFile?: string | undefined;
  /** Only for the control of a test that shows what the fence is for: two writers may then both commit. */
  readonly unsafeNoFence?: boolean | undefined;
}

export interface LedgerArea {
  readonly subgraph: Subgraph;
  readonly stream: EventStream;
  health(): Promise<{ readonly ready: boolean; readonly detail: string }>;
  /** Lets running batches end (at most `deadlineMs`), gives the lease back, closes every connection. Stop the bus first. */
  stop(deadlineMs: number): Promise<void>;
}

const DEFAULT_CONNECTIONS = 16;
const WRITER_CONNECTIONS = 3;
/** A consumer that stands still keeps the locks of its inbox rows no longer than this. */
const IDLE_IN_TRANSACTION_MS = 5_000;
const PAGES: DatabaseOptions["plans"] = "pages";
/** How long a reader with a consistency token waits for the accounts stream (api.md, "Who is calling"). */
const CONSISTENCY_WAIT_MS = 1_000;

export async function createLedgerArea(options: LedgerAreaOptions): Promise<LedgerArea> {
  const { bus, clock, ids, logger, metrics } = options;
  const connections = options.maxConnections ?? DEFAULT_CONNECTIONS;
  const leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
  const connect = (
    applicationName: string,
    maxConnections: number,
    { url = options.databaseUrl, idleInTransactionMs = IDLE_IN_TRANSACTION_MS, plans = PAGES } = {},
  ) =>
    connectDatabase({
      url,
      timelineFile: options.timelineFile,
      area: "ledger",
      applicationName,
      maxConnections,
      idleInTransactionMs,
      plans,
    });
  const database = connect("florin-ledger", connections - WRITER_CONNECTIONS);
  // Who lost the lease by standing still keeps no locks that the next one would wait for.
  const writerDatabase = connect("florin-ledger-writer", WRITER_CONNECTIONS, {
    idleInTransactionMs: leaseMs,
    plans: "probes",
  });
  const replica =
    options.replicaUrl === undefined
      ? undefined
      : connect("florin-ledger-replica", connections - WRITER_CONNECTIONS, { url: options.replicaUrl });
  await ensureProducts(database, productLibrary, ids, clock);

  const sandbox = await openProductSandbox();
  const loadProduct = (source: string): Product => sandbox.loadProduct(source);

  const store = createOutboxStore(database, "ledger");
  const relay = createRelay({ store, bus, stream: "ledger", logger, metrics });
  const writer = createLedgerWriter({
    database: writerDatabase,
    clock,
    ids,
    products: productLibrary,
    loadProduct,
    logger,
    metrics,
    holder: `ledger-${process.pid}-${ids.next()}`, // so that whoever looks at the head sees whom to look for
    leaseMs,
    isFenced: options.unsafeNoFence !== true,
    onCommitted: () => relay.wake(),
  });
  // Batches of another process's writer are told by the database.
  const hints = await listen(database, LEDGER_CHANNEL, () => relay.wake());
  const group = createAccountCommandsGroup({ database, writer, logger });
  const accountCommands = bus.consume(group);
  const replays = startReplayLoop({ group, store: createReplayStore(database), logger });
  relay.start();
  const invariants = startInvariantChecks({ ...options, everyMs: options.checkInvariantsEveryMs });
  const expiry = startHoldExpiry({ database, writer, clock, logger });
  const hooks = startHookRunner({ ...options, database, writer, products: productLibrary, loadProduct });
  const conversions = startConversions({ database, writer, clock, logger });
  const checkpoints = startCheckpointsOf(options, database, writer);

  return {
    subgraph: await createLedgerSubgraph(options, { primary: database, replica }, writer, accountCommands, sandbox),
    stream: { stream: "ledger", head: store.head, range: store.range },
    health: () => checkHealth(database, writer),
    stop: (deadlineMs) =>
      stopAll(
        deadlineMs,
        relay,
        writer,
        [replays, hints, invariants, expiry, hooks, conversions, ...(checkpoints === undefined ? [] : [checkpoints])],
        [writerDatabase, database, ...(replica === undefined ? [] : [replica])],
      ),
  };
}

function startCheckpointsOf(
  { checkpoints, logger, metrics }: LedgerAreaOptions,
  database: Database,
  writer: LedgerWriter,
): CheckpointTask | undefined {
  if (checkpoints === undefined) return undefined;
  const { origin, seed, file: path, everyMs } = checkpoints;
  const file = path === undefined ? undefined : { path, store: openCheckpointFile(path) };
  const signer = createCheckpointSigner(origin, seed);
  return startCheckpoints({
    database,
    isLeader: () => writer.isLeader(),
    signer,
    origin,
    file,
    logger,
    metrics,
    everyMs,
  });
}

async function createLedgerSubgraph(
  options: LedgerAreaOptions,
  databases: { readonly primary: Database; readonly replica: Database | undefined },
  writer: LedgerWriter,
  accountCommands: Consumption,
  sandbox: ProductSandbox,
): Promise<Subgraph> {
  const { clock, logger, sealer, ownersMayMoveCash } = options;
  const terms = createTermsReaders({
    database: databases.primary,
    products: productLibrary,
    loadProduct: (source) => sandbox.loadProduct(source),
    clock,
  });
  const validateProduct = (source: string): SourceProblem | undefined => {
    const validation = sandbox.validateProduct(source);
    return validation.kind === "invalid" ? validation.problem : undefined;
  };
  const readersOfRequest = createReadersOfRequest(databases, logger);
  const accessLog = createAccessLog({
    clock,
    write: ({ at, ...entry }) =>
      logger.info({ access: { ...entry, at: formatInstant(instantFromMicros(at)) } }, "access"),
  });

  async function buildContext(base: SubgraphContext): Promise<LedgerContext> {
    // Our own positions are reached as soon as they are given out: we read what the writer committed to.
    const accounts = base.consistency.get("accounts");
    const isReached = accounts === undefined || (await accountCommands.reached(accounts, CONSISTENCY_WAIT_MS));
    if (!isReached) throw temporarilyUnavailable(CONSISTENCY_WAIT_MS, "What you wrote has not arrived here yet.");
    const readers = await readersOfRequest(base);
    return { ...base, readers, terms, validateProduct, writer, clock, sealer, accessLog, ownersMayMoveCash };
  }

  return createSubgraph<LedgerContext>({
    name: "ledger",
    typeDefs: await readFile(new URL("../schema.graphql", import.meta.url), "utf8"),
    resolvers,
    verifyServiceToken: options.verifyServiceToken,
    verifyViewer: options.verifyViewer,
    buildContext,
    toRequestError,
    logger,
  });
}

/** A database that is away for a moment, or a connection that died under a read: ask again, under the same key. */
function toRequestError(error: unknown): RequestError | undefined {
  return classifyDatabaseError(error) === "refused" ? undefined : temporarilyUnavailable(RETRY_AFTER_MS);
}

/** A mutation, and whatever comes after one in the same operation, reads the primary: no money decision is made from a replica. */
function createReadersOfRequest(
  databases: { readonly primary: Database; readonly replica: Database | undefined },
  logger: Logger,
): (base: SubgraphContext) => Promise<Readers> {
  const { primary, replica } = databases;
  const onPrimary = createReaderSource(primary);
  if (replica === undefined) return () => Promise.resolve(onPrimary());
  const onReplica = createReaderSource(replica);
  const onAside = (reason: string) => logger.warn({ reason }, "the ledger's replica is left aside for a while");
  const router = createReadRouter({ primary, replica, area: "ledger", onAside });
  return async (base) => {
    if (base.mustReadPrimary) return onPrimary();
    const position = base.consistency.get("ledger");
    const chosen = await router.forReading(position === undefined ? undefined : { area: "ledger", position });
    return chosen === primary ? onPrimary() : createReplicaReaders(onReplica(), onPrimary());
  };
}

async function checkHealth(database: Database, writer: LedgerWriter): Promise<{ ready: boolean; detail: string }> {
  try {
    await database.sql`select 1 from ledger.head`;
    return { ready: true, detail: writer.isLeader() ? "writing" : "another process writes" };
  } catch {
    return { ready: false, detail: "the database does not answer" };
  }
}

async function stopAll(
  deadlineMs: number,
  relay: Relay,
  writer: LedgerWriter,
  listeners: readonly { stop(deadlineMs: number): Promise<void> }[],
  databases: readonly Database[],
): Promise<void> {
  await writer.stop(deadlineMs);
  await relay.stop(deadlineMs);
  await Promise.all(listeners.map((listener) => listener.stop(deadlineMs)));
  await Promise.all(databases.map((database) => database.stop()));
}
