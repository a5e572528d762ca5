import { connectDatabase } from "@florin/db";
import {
  checkBooks,
  checkIdempotentHistory,
  eventually,
  startPostgresPair,
  type PostgresPair,
  type StoredOperation,
} from "@florin/testkit";
import { openProcessesDoor, openWriterDoor, startDepositors, type Depositors } from "./depositors.js";

/**
 * The primary dies and the standby takes over while clients deposit money.
 *
 * A round: primary and standby, the ledger with both hosts in its URL → clients deposit 1.00 again and again, each deposit under a
 * key of its own, and ask again under the same key until they are told → SIGKILL for the primary and all its children → a
 * supervisor sees it (TCP probes) and promotes the standby → clients go on until the new primary has acknowledged 100 more → the
 * clients' history against the operations of the new primary, and the books' own rules.
 *
 * Modes: "on" and "remote_apply" wait for the standby with each COMMIT and must lose nothing. "detached" is the red control: it
 * does not wait, and the standby is cut off 0.7 s before the kill, so what was acknowledged since then must be missing.
 */
export type FailoverMode = "on" | "remote_apply" | "detached";

export interface FailoverOptions {
  /** Of each mode. */
  readonly rounds: number;
  readonly seed: number;
  /** Default: "on" and "remote_apply". */
  readonly modes?: readonly FailoverMode[];
  /** "detached" alone, unless `modes` says otherwise. */
  readonly control?: boolean;
  /** "writer": the ledger's writer in this process (default). "processes": through a gateway, an accounts and two ledgers. */
  readonly through?: "writer" | "processes";
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

const WRITER_CLIENTS = 16;
const PROCESS_CLIENTS = 8;
const DETACHED_MS = 700;
const MIN_LOAD_MS = 500;
const MAX_LOAD_MS = 1_500;
const SETTLE_MS = 120_000;
const ACKNOWLEDGED_AFTERWARDS = 100;
const SHOWN_ANOMALIES = 5;
const KEY_PREFIX = "failover-";

export async function runFailover(options: FailoverOptions): Promise<FailoverReport> {
  const modes = options.modes ?? (options.control === true ? ["detached"] : ["on", "remote_apply"]);
  const random = createRandom(options.seed);
  const rounds: FailoverRound[] = [];
  for (let number = 0; number < options.rounds * modes.length; number++) {
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
  let depositors: Depositors | undefined;
  try {
    depositors = await openDepositors(pair, mode, options.through ?? "writer");
    const { acknowledged } = depositors;
    await eventually(() => acknowledged() >= WRITER_CLIENTS, SETTLE_MS);
    await pause(MIN_LOAD_MS + random() * (MAX_LOAD_MS - MIN_LOAD_MS));
    const supervisor = pair.superviseFailover();
    if (mode === "detached") {
      await pair.detachStandby();
      await pause(DETACHED_MS);
    }
    const killedAt = performance.now();
    await pair.killPrimary();
    const { detectedAt, promotedAt } = await supervisor.done;
    const before = acknowledged();
    await eventually(() => acknowledged() >= before + ACKNOWLEDGED_AFTERWARDS, SETTLE_MS);
    await depositors.finish();
    const times = {
      detectionMs: Math.round(detectedAt - killedAt),
      promotionMs: Math.round(promotedAt - detectedAt),
      downMs: Math.round(depositors.firstAcknowledgedAfter(detectedAt) - killedAt),
    };
    const slow = findSlow(times, options);
    const { violations, ...judged } = await judge(pair, depositors, options);
    return { mode, ...times, ...judged, violations: [...violations, ...slow] };
  } finally {
    await depositors?.stop();
    await pair.stop();
  }
}

async function openDepositors(
  pair: PostgresPair,
  mode: FailoverMode,
  through: "writer" | "processes",
): Promise<Depositors> {
  // A session's own word counts for its COMMIT, so the wait for the standby to show it is asked for here.
  const url = mode === "remote_apply" ? `${pair.url}?synchronous_commit=remote_apply` : pair.url;
  if (through === "writer") return startDepositors(await openWriterDoor(url), WRITER_CLIENTS, KEY_PREFIX);
  return startDepositors(await openProcessesDoor(url, PROCESS_CLIENTS), PROCESS_CLIENTS, KEY_PREFIX);
}

async function judge(
  pair: PostgresPair,
  { history, askedAgain }: Depositors,
  { through }: FailoverOptions,
): Promise<Pick<FailoverRound, "acknowledged" | "lost" | "askedAgain" | "violations">> {
  const anomalies = checkIdempotentHistory(history.entries, await readOperations(pair.standby.url));
  return {
    acknowledged: history.entries.filter((entry) => entry.type === "ok").length,
    lost: anomalies.filter((anomaly) => anomaly.kind === "lost").length,
    askedAgain: askedAgain(),
    violations: [
      ...anomalies.slice(0, SHOWN_ANOMALIES).map(({ kind, what }) => `${kind}: ${what}`),
      ...(anomalies.length > SHOWN_ANOMALIES ? [`and ${anomalies.length - SHOWN_ANOMALIES} more of these`] : []),
      ...(await checkBooks(pair.standby.url, through === "processes" ? {} : { areas: ["ledger"] })),
    ],
  };
}

function findSlow(
  { detectionMs, downMs }: { readonly detectionMs: number; readonly downMs: number },
  { maxDetectionMs = 1_000, maxDownMs = 5_000 }: FailoverOptions,
): string[] {
  return [
    ...(detectionMs <= maxDetectionMs ? [] : [`slow: detected after ${detectionMs} ms`]),
    ...(downMs <= maxDownMs ? [] : [`slow: down for ${downMs} ms`]), // also when nothing was acknowledged at all
  ];
}

async function readOperations(url: string): Promise<StoredOperation[]> {
  const database = connectDatabase({ url, applicationName: "failover-oracle", maxConnections: 1, deadlineMs: 60_000 });
  try {
    return await database.sql<StoredOperation[]>`
      select idempotency_key as key, status from ledger.operation where starts_with(idempotency_key, ${KEY_PREFIX})`;
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
