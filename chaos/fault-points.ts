import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { appendOutbox, connectDatabase, type Database } from "@florin/db";
import { randomIds, faultPoints, systemClock, type FaultPoint } from "@florin/resilience";
import {
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startTestRedis,
  type FlorinCluster,
  type FlorinPart,
  type PartKind,
} from "@florin/testkit";
import { startMixedLoad, type MixedLoad } from "./mixed-load.js";
import { createSeededRandom } from "./seeded-random.js";

/**
 * A kill at every named point where a process may die (SQLite's way: first see which there are, then strike each).
 *
 *   record   a gateway, an accounts and two ledgers under a mixed load write down every point that they pass. That must be the registry
 *   strike   each process goes through its own list: started with FLORIN_FAULT=point:n:kill, dies there, started again with the next.
 *            All of them at once, so processes also die while others are dead. n is small and drawn from the seed
 *   judge    all start unarmed, clients finish their keys; what they were told is exact and I1 … I13 hold at rest
 *
 * Poisoned events come all the time, or nobody would ever park one. The control has clients that forget their keys: the same kills
 * must then be seen to double money.
 */
export interface FaultPointsOptions {
  /** Times that every point is struck. */
  readonly rounds: number;
  readonly seed: number;
  /** No new round begins after so long; what was begun is finished. */
  readonly seconds?: number;
  readonly control?: boolean;
  /** Those that are struck; all are recorded. Default: all. */
  readonly points?: readonly FaultPoint[];
  readonly onProgress?: (line: string) => void;
}

export interface FaultPointsReport {
  readonly seed: number;
  readonly recorded: readonly string[];
  readonly kills: Readonly<Record<string, number>>;
  readonly totalKills: number;
  readonly requests: number;
  readonly met: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

const LEASE_MS = 1_000;
const RECORD_WITHIN_MS = 90_000;
/** After so long without dying, a process that needs the lead gets it: its idle sibling is restarted. */
const NUDGE_MS = 4_000;
const DIES_WITHIN_MS = 120_000;
const SETTLES_WITHIN_MS = 60_000;
const POISON_EVERY_MS = 700;

/** Where a process passes a point seldom, the first passing is the one that is struck. */
const SELDOM = new Set<FaultPoint>([
  "ledger.lease.after-claim",
  "redis-bus.after-lease",
  "consumer.before-park",
  "consumer.after-park",
  "relay.after-save-delivered",
]);
const MOST_PASSINGS = 6;
/** After each of these an answer is lost whose effect stands. */
const CONTROL_POINTS: readonly FaultPoint[] = ["gateway.answer.before-send", "ledger.commit.after-commit"];

/** Which processes pass a point; of several, the rounds take turns. */
function kindsOf(point: FaultPoint): readonly PartKind[] {
  if (point.startsWith("gateway.")) return ["gateway"];
  if (point.startsWith("accounts.")) return ["accounts"];
  if (point.startsWith("ledger.")) return ["ledger"];
  // The poison is in the accounts stream, which the ledger consumes.
  return point.endsWith("-park") ? ["ledger"] : ["accounts", "ledger"];
}

/** Of several processes only the one with the lead passes it: the writer's lease, or the consumer group's. */
function needsLead(point: FaultPoint): boolean {
  return /^(ledger\.lease|ledger\.commit|ledger\.hooks|redis-bus|consumer)\./.test(point);
}

export async function runFaultPoints(options: FaultPointsOptions): Promise<FaultPointsReport> {
  const testDatabase = await createTestDatabase();
  const redis = await startTestRedis();
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "fault-points", maxConnections: 2 });
  let cluster: FlorinCluster | undefined;
  try {
    cluster = await startFlorinCluster({
      databaseUrl: testDatabase.url,
      redisUrl: redis.url,
      ledgers: 2,
      environment: { LOG_LEVEL: "warn", FLORIN_DEMO: "1", FLORIN_LEASE_MS: String(LEASE_MS) },
    });
    return await strikeAll({ cluster, admin, url: testDatabase.url }, options);
  } finally {
    await cluster?.stop();
    await admin.stop();
    await redis.stop();
    await testDatabase.drop();
  }
}

interface Stage {
  readonly cluster: FlorinCluster;
  readonly admin: Database;
  readonly url: string;
}

async function strikeAll(stage: Stage, options: FaultPointsOptions): Promise<FaultPointsReport> {
  const { cluster, admin, url } = stage;
  const { seed, control = false, points: struck = faultPoints, onProgress = () => undefined } = options;
  const kills = new Map<FaultPoint, number>();
  const violations: string[] = [];
  const urls = cluster.gateways.map((part) => part.url);
  const load = await startMixedLoad(urls, { prefix: `faults${seed}`, forgetsKeys: control });
  const poison = startPoison(admin);
  let recorded: readonly string[] = [];
  try {
    // People and accounts first: what is struck from the first request on may never have them.
    await load.untilMore(20);
    if (!control) recorded = await record(cluster, load);
    onProgress(`recorded ${recorded.length} points, ${load.finished()} requests`);
    const endAt = performance.now() + (options.seconds ?? Infinity) * 1_000;
    for (let round = 0; round < options.rounds && performance.now() < endAt; round++) {
      const points = control ? CONTROL_POINTS : struck;
      violations.push(...(await strikeRound(cluster, points, round, seed, kills, onProgress)));
      onProgress(`round ${round + 1}: ${sum(kills)} kills, ${load.finished()} requests`);
    }
    await Promise.all(cluster.parts.map((part) => part.restart({})));
    await load.untilMore(40);
  } catch (error) {
    violations.push(`stuck: ${String(error)}`);
  }
  await poison.stop();
  await load.stop();
  violations.push(...(await load.judge(admin, url, SETTLES_WITHIN_MS)));
  if (!control)
    violations.push(...missing("recorded", faultPoints, recorded), ...missing("killed", struck, [...kills.keys()]));
  return {
    seed,
    recorded,
    kills: Object.fromEntries(kills),
    totalKills: sum(kills),
    requests: load.finished(),
    met: Object.fromEntries(load.met),
    violations,
  };
}

/** Every point that any process passed, until there is none left or time is up. */
async function record(cluster: FlorinCluster, load: MixedLoad): Promise<readonly string[]> {
  const fileOf = (part: FlorinPart) => join(cluster.directory, `${part.name}.passed`);
  await Promise.all(cluster.parts.map((part) => part.restart({ FLORIN_FAULT_RECORD: fileOf(part) })));
  let passed: readonly string[] = [];
  await eventually(async () => {
    const files = await Promise.all(cluster.parts.map((part) => readFile(fileOf(part), "utf8").catch(() => "")));
    passed = [...new Set(files.flatMap((text) => text.split("\n").filter((line) => line !== "")))];
    return passed.length >= faultPoints.length;
  }, RECORD_WITHIN_MS).catch(() => undefined); // what is missing is told by name
  await load.untilMore(1);
  return passed;
}

/** Each process through its list; the lists side by side. */
async function strikeRound(
  cluster: FlorinCluster,
  points: readonly FaultPoint[],
  round: number,
  seed: number,
  kills: Map<FaultPoint, number>,
  onProgress: (line: string) => void,
): Promise<string[]> {
  const lists = new Map<FlorinPart, FaultPoint[]>(cluster.parts.map((part) => [part, []]));
  points.forEach((point, index) => {
    const kinds = kindsOf(point);
    const kind = kinds[(index + round) % kinds.length];
    const able = cluster.parts.filter((part) => part.kind === kind);
    // One ledger strives for the lead, so that the other can be made to let go of it.
    const part = needsLead(point) ? able[0] : able.at(-1);
    if (part !== undefined) lists.get(part)?.push(point);
  });
  const idle = new Set<FlorinPart>();
  const random = createSeededRandom(seed * 1_000 + round);
  const strikes = [...lists].map(async ([part, list]) => {
    const violations: string[] = [];
    for (const point of list) {
      const beganAt = performance.now();
      const nth = SELDOM.has(point) ? 1 : 1 + random.below(MOST_PASSINGS);
      const siblings = cluster.parts.filter((other) => other !== part && other.kind === part.kind);
      const nudge = async () => {
        if (!needsLead(point)) return;
        await Promise.all(siblings.filter((other) => idle.has(other)).map((other) => other.restart({})));
      };
      if (await diesAt(part, point, nth, nudge)) kills.set(point, (kills.get(point) ?? 0) + 1);
      else violations.push(`${part.name} did not die at ${point}:${nth} within ${DIES_WITHIN_MS} ms`);
      onProgress(`  ${part.name} ${point}:${nth} after ${Math.round(performance.now() - beganAt)} ms`);
    }
    if (list.length > 0) await part.restart({});
    idle.add(part);
    return violations;
  });
  return (await Promise.all(strikes)).flat();
}

async function diesAt(part: FlorinPart, point: FaultPoint, nth: number, nudge: () => Promise<void>): Promise<boolean> {
  if (part.isRunning) await part.kill();
  await part.launch({ FLORIN_FAULT: `${point}:${nth}:kill` });
  const giveUpAt = performance.now() + DIES_WITHIN_MS;
  while (part.isRunning && performance.now() < giveUpAt) {
    const waiting = new AbortController();
    const lateAlone = pause(NUDGE_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
    await Promise.race([part.exited, lateAlone]);
    waiting.abort();
    if (part.isRunning) await nudge();
  }
  if (part.isRunning) return false;
  const { code, signal } = await part.exited;
  if (signal === "SIGKILL") return true;
  throw new Error(`${part.name} ended by itself (${String(code)}) before ${point}:\n${await part.log()}`);
}

/** Events that no version of the ledger can read, each under a key of its own: they are parked, and nothing waits behind them. */
function startPoison(admin: Database): { stop(): Promise<void> } {
  const end = new AbortController();
  const running = (async () => {
    while (!end.signal.aborted) {
      await admin.transaction((tx) =>
        appendOutbox(tx, "accounts", [
          {
            eventId: randomIds.next(),
            key: `poison-${randomUUID()}`,
            type: "account.close",
            schemaVersion: 1,
            occurredAt: systemClock.now(),
            correlationId: "poison",
            audience: [],
            payload: { accountId: "not an account" },
          },
        ]),
      );
      await pause(POISON_EVERY_MS, undefined, { signal: end.signal }).catch(() => undefined);
    }
  })();
  return {
    stop: async () => {
      end.abort();
      await running;
    },
  };
}

function missing(what: string, wanted: readonly FaultPoint[], points: readonly string[]): string[] {
  const left = wanted.filter((point) => !points.includes(point));
  return left.length === 0 ? [] : [`not ${what}: ${left.join(", ")}`];
}

function sum(kills: ReadonlyMap<string, number>): number {
  return [...kills.values()].reduce((total, count) => total + count, 0);
}
