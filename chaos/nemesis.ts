import { setTimeout as pause } from "node:timers/promises";
import { COMMIT_COMPLETE, type FlorinCluster, type FlorinPart, type TcpProxy, type TestRedis } from "@florin/testkit";
import type { SeededRandom } from "./seeded-random.js";

/**
 * What strikes a workload while it runs: one thing after the other, each mended before the next, so that a run is many different faults
 * and never a platform that is simply down.
 */
export const strikes = {
  "kill a ledger": async ({ cluster, random }) => killed(random.pick(cluster.ledgers)),
  "freeze a ledger": async ({ cluster, random, leaseMs }) => {
    const part = random.pick(cluster.ledgers);
    part.freeze();
    await pause(leaseMs * 2);
    part.resume();
  },
  "stop a ledger in order": async ({ cluster, random }) => random.pick(cluster.ledgers).restart(),
  "kill accounts": async ({ cluster, random }) => killed(random.pick(cluster.accounts)),
  "kill a gateway": async ({ cluster, random }) => killed(random.pick(cluster.gateways)),
  "cut between a commit and its answer": async ({ postgres, random }) => {
    const cut = postgres.cutAfter(COMMIT_COMPLETE, { nth: 1 + random.below(20) });
    await Promise.race([cut.fired, pause(2_000)]);
    postgres.heal();
  },
  "reset the ledgers' database connections": async ({ postgres }) => postgres.reset(),
  "black hole before the database": async ({ postgres }) => {
    postgres.blackHole();
    await pause(1_500);
    postgres.heal();
  },
  "empty Redis": async ({ redis }) => redis.flushAll(),
  "kill Redis and start it empty": async ({ redis }) => {
    await redis.kill();
    await redis.wipe();
    await redis.start();
  },
} satisfies Record<string, (field: StrikeField) => Promise<void>>;
export type Strike = keyof typeof strikes;

export const allStrikes = Object.keys(strikes) as readonly Strike[];

export interface StrikeField {
  readonly cluster: FlorinCluster;
  readonly redis: TestRedis;
  /** Between the ledgers and PostgreSQL. */
  readonly postgres: TcpProxy;
  readonly random: SeededRandom;
  readonly leaseMs: number;
}

export interface Nemesis {
  /** How often each struck so far. */
  readonly struck: Readonly<Record<string, number>>;
  /** After the strike under way; everything runs again when this resolves. */
  stop(): Promise<void>;
}

export function startNemesis(
  field: StrikeField,
  options: {
    readonly strikes: readonly Strike[];
    readonly everyMs: number;
    readonly onStrike?: (name: string) => void;
  },
): Nemesis {
  const struck: Record<string, number> = {};
  const over = new AbortController();
  let failure: unknown;
  const work = (async () => {
    if (options.strikes.length === 0) return;
    // All of them once, in an order of the seed's, before any comes twice.
    for (let round: Strike[] = []; !over.signal.aborted;) {
      await pause(options.everyMs, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return;
      if (round.length === 0) round = field.random.some(options.strikes, options.strikes.length);
      const name = round.pop() as Strike;
      options.onStrike?.(name);
      await strikes[name](field);
      struck[name] = (struck[name] ?? 0) + 1;
    }
  })().catch((error: unknown) => {
    failure = error;
  });
  return {
    struck,
    stop: async () => {
      over.abort();
      await work;
      field.postgres.heal();
      for (const part of field.cluster.parts) part.resume();
      await Promise.all(field.cluster.parts.map((part) => (part.isRunning ? part.untilReady() : part.restart())));
      if (failure !== undefined) throw failure;
    },
  };
}

async function killed(part: FlorinPart): Promise<void> {
  await part.kill();
  await part.restart();
}
