import { connectDatabase, type Database } from "@florin/db";
import { ensureProducts } from "@florin/db/ledger";
import { productLibrary, type Uuid } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import {
  checkBooks,
  checkIdempotentHistory,
  createHistory,
  eventually,
  startPostgresPair,
  type History,
  type PostgresPair,
  type StoredOperation,
} from "@florin/testkit";
import { deposit, openCommand, PRINCIPAL } from "../subgraphs/ledger/test/test-book.js";
import type { LedgerWriter } from "../subgraphs/ledger/src/writer/command.js";
import { createLedgerWriter } from "../subgraphs/ledger/src/writer/ledger-writer.js";

/**
 * The primary dies and the standby takes over while clients deposit money through the ledger's writer.
 *
 * A round: primary and standby, writer with both hosts in its URL → 16 clients deposit 1.00 each, one after the other, every
 * deposit under a key of its own, and ask again under the same key until they are told → SIGKILL for the primary and all its
 * children → a supervisor sees it (TCP probes) and promotes the standby → clients go on until the new primary has acknowledged →
 * the clients' history against the operations of the new primary, and the books' own rules.
 *
 * Modes: "on" and "remote_apply" wait for the standby with each COMMIT and must lose nothing. "detached" is the red control: it
 * does not wait, and the standby is cut off 0.7 s before the kill, so what was acknowledged since then must be missing.
 */
export type FailoverMode = "on" | "remote_apply" | "detached";

export interface FailoverOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly modes?: readonly FailoverMode[];
  /** How long it may take; a slow machine that shares its cores needs more. Default: the pass line of docs/failover.md. */
  readonly maxDetectionMs?: number;
  readonly maxDownMs?: number;
  readonly onProgress?: (line: string) => void;
}

export interface FailoverRound {
  readonly mode: FailoverMode;
  readonly detectionMs: number;
  readonly promotionMs: number;
  /** From the kill to the first deposit that the new primary acknowledged. */
  readonly downMs: number;
  readonly acknowledged: number;
  /** Acknowledged, and not on the new primary. */
  readonly lost: number;
  /** Times that a client was told to ask again. */
  readonly askedAgain: number;
  readonly violations: readonly string[];
}

export interface FailoverReport {
  readonly seed: number;
  readonly rounds: readonly FailoverRound[];
  readonly acknowledged: number;
  readonly violations: readonly string[];
}

const CLIENTS = 16;
const DETACHED_MS = 700;
const MAX_LOAD_MS = 1_500;
const SETTLE_MS = 120_000;
const ACKNOWLEDGED_AFTERWARDS = 100;

interface Deposit {
  readonly key: string;
}

export async function runFailover(options: FailoverOptions): Promise<FailoverReport> {
  const modes = options.modes ?? ["on", "remote_apply"];
  const random = createRandom(options.seed);
  const rounds: FailoverRound[] = [];
  for (let number = 0; number < options.rounds; number++) {
    const mode = modes[number % modes.length] ?? "on";
    const round = await runRound(mode, random, options);
    rounds.push(round);
    options.onProgress?.(
      `round ${number + 1} ${mode}: detected ${round.detectionMs} ms, promoted ${round.promotionMs} ms, down ${round.downMs} ms, ` +
        `${round.acknowledged} acknowledged, ${round.lost} lost, ${round.violations.length} violations`,
    );
  }
  return {
    seed: options.seed,
    rounds,
    acknowledged: rounds.reduce((sum, round) => sum + round.acknowledged, 0),
    violations: rounds.flatMap((round, index) => round.violations.map((what) => `round ${index + 1}: ${what}`)),
  };
}

async function runRound(mode: FailoverMode, random: () => number, options: FailoverOptions): Promise<FailoverRound> {
  const pair = await startPostgresPair({ synchronous: mode === "detached" ? "off" : mode, isDurable: true });
  const clients = await openClients(pair, mode);
  try {
    await eventually(() => clients.acknowledged() >= CLIENTS, SETTLE_MS);
    await pause(random() * MAX_LOAD_MS);
    const supervisor = pair.superviseFailover();
    if (mode === "detached") {
      await pair.detachStandby();
      await pause(DETACHED_MS);
    }
    const killedAt = performance.now();
    await pair.killPrimary();
    const { detectedAt, promotedAt } = await supervisor.done;
    const before = clients.acknowledged();
    await eventually(() => clients.acknowledged() >= before + ACKNOWLEDGED_AFTERWARDS, SETTLE_MS);
    await clients.finish();
    const firstAt = clients.firstAcknowledgedAfter(detectedAt);
    return {
      mode,
      ...{ detectionMs: Math.round(detectedAt - killedAt), promotionMs: Math.round(promotedAt - detectedAt) },
      ...{ downMs: Math.round(firstAt - killedAt), askedAgain: clients.askedAgain() },
      ...(await judge(pair, clients.history, {
        ...options,
        detectionMs: detectedAt - killedAt,
        downMs: firstAt - killedAt,
      })),
    };
  } finally {
    await clients.stop();
    await pair.stop();
  }
}

async function judge(
  pair: PostgresPair,
  history: History<Deposit>,
  times: FailoverOptions & { readonly detectionMs: number; readonly downMs: number },
): Promise<Pick<FailoverRound, "acknowledged" | "lost" | "violations">> {
  const stored = await readOperations(pair.standby.url);
  const anomalies = checkIdempotentHistory(history.entries, stored);
  const { detectionMs, downMs, maxDetectionMs = 1_000, maxDownMs = 5_000 } = times;
  return {
    acknowledged: history.entries.filter((entry) => entry.type === "ok").length,
    lost: anomalies.filter((anomaly) => anomaly.kind === "lost").length,
    violations: [
      ...anomalies.map(({ kind, what }) => `${kind}: ${what}`),
      ...(await checkBooks(pair.standby.url, { areas: ["ledger"] })),
      ...(detectionMs > maxDetectionMs ? [`slow: detected after ${Math.round(detectionMs)} ms`] : []),
      ...(downMs > maxDownMs ? [`slow: down for ${Math.round(downMs)} ms`] : []),
    ],
  };
}

interface Clients {
  readonly history: History<Deposit>;
  acknowledged(): number;
  askedAgain(): number;
  firstAcknowledgedAfter(at: number): number;
  /** No new deposit; those under way are asked for until each is known. */
  finish(): Promise<void>;
  stop(): Promise<void>;
}

async function openClients(pair: PostgresPair, mode: FailoverMode): Promise<Clients> {
  // A session's own word counts for its COMMIT, so the wait for the standby to show it is asked for here.
  const url = mode === "remote_apply" ? `${pair.url}?synchronous_commit=remote_apply` : pair.url;
  const database = connectDatabase({ url, area: "ledger", applicationName: "florin-ledger-writer", maxConnections: 4 });
  const writer = await startWriter(database);
  const accountId = await openWallet(writer);
  const history = createHistory<Deposit>();
  let [acknowledged, askedAgain, isFinishing, isStopped] = [0, 0, false, false];
  const runClient = async (client: number): Promise<void> => {
    let process = history.newProcess();
    for (let number = 0; !isFinishing; number++) {
      const value = { key: `${client}-${number}` };
      for (let isKnown = false; !isKnown && !isStopped;) {
        const invocation = history.invoke(process, "deposit", value);
        const told = await submitDeposit(writer, accountId, value.key);
        if (told === "ok") {
          invocation.ok();
          acknowledged++;
          isKnown = true;
        } else {
          invocation.info();
          askedAgain++;
          process = history.newProcess();
          await pause(20);
        }
      }
    }
  };
  const running = Promise.all(Array.from({ length: CLIENTS }, (_, client) => runClient(client)));
  running.catch(() => undefined); // `finish` tells
  return {
    history,
    acknowledged: () => acknowledged,
    askedAgain: () => askedAgain,
    firstAcknowledgedAfter: (at) =>
      (history.entries.find((entry) => entry.type === "ok" && entry.time > at * 1_000)?.time ?? Number.NaN) / 1_000,
    finish: async () => {
      isFinishing = true;
      await running;
    },
    stop: async () => {
      isFinishing = isStopped = true;
      await writer.stop(1_000);
      await running.catch(() => undefined);
      await database.stop();
      history.close();
    },
  };
}

async function startWriter(database: Database): Promise<LedgerWriter> {
  await ensureProducts(database, productLibrary, randomIds, systemClock);
  return createLedgerWriter({
    database,
    clock: systemClock,
    ids: randomIds,
    products: productLibrary,
    logger: createLogger({ name: "failover", level: "silent" }),
    metrics: createMetrics({ processMetrics: false }),
    holder: "failover",
  });
}

async function openWallet(writer: LedgerWriter): Promise<Uuid> {
  const command = openCommand({});
  await writer.submit(command);
  return command.accountId;
}

/** A refusal would be our own bug: every deposit here is in order. */
async function submitDeposit(writer: LedgerWriter, accountId: Uuid, key: string): Promise<"ok" | "unknown"> {
  const command = deposit(accountId, "1.00", { idempotencyKey: key });
  const outcome = await writer.submit(command).catch(() => undefined);
  if (outcome === undefined) return "unknown";
  if (outcome.kind === "operation" && outcome.operation.status === "COMPLETED") return "ok";
  throw new Error(`deposit ${key} was refused: ${JSON.stringify(outcome.kind)}`);
}

async function readOperations(url: string): Promise<StoredOperation[]> {
  const database = connectDatabase({ url, applicationName: "failover-oracle", maxConnections: 1, deadlineMs: 60_000 });
  try {
    return await database.sql<StoredOperation[]>`
      select idempotency_key as key, status from ledger.operation where principal = ${PRINCIPAL}`;
  } finally {
    await database.stop();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** mulberry32: small, and the same everywhere for a seed. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
