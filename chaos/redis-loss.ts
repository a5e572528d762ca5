import { setTimeout as pause } from "node:timers/promises";
import { connectDatabase, type Database } from "@florin/db";
import {
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startTestRedis,
  type FlorinCluster,
  type TestRedis,
} from "@florin/testkit";
import { followTransactions, type LiveFollower } from "./live-follower.js";
import { startMixedLoad, type MixedLoad, type Person } from "./mixed-load.js";
import { createPatientClient } from "./patient-client.js";
import { createSeededRandom } from "./seeded-random.js";

/**
 * Redis loses everything, in every way it can, while people move money, open accounts, and one of them watches.
 *
 *   flush    FLUSHALL under traffic
 *   restart  SIGKILL, and up again with its append-only file
 *   empty    SIGKILL, its files removed, up again with nothing
 *   down     SIGKILL and away for ten seconds: deposits must go on all that time
 *
 * After each: the projections equal their fold of the ledger's events within 30 s of the end of the load. At the end also: the live
 * subscriber saw every transaction of its account once and in order, what clients were told is exact, and I1 … I13 hold at rest.
 *
 * The control takes the events themselves away: what no outbox holds, no Redis brings back, and the same judgement must see it.
 */
export interface RedisLossOptions {
  /** Times that each kind of loss happens. */
  readonly rounds: number;
  readonly seed: number;
  readonly control?: boolean;
  readonly onProgress?: (line: string) => void;
}

export interface RedisLossReport {
  readonly seed: number;
  readonly losses: Readonly<Record<Loss, number>>;
  readonly requests: number;
  /** Deposits that completed while there was no Redis. */
  readonly depositsWithoutRedis: number;
  readonly liveTransactions: number;
  readonly liveResumed: number;
  /** From the end of each loss to a whole platform that is at rest, where it was waited for. */
  readonly slowestRecoveryMs: number;
  readonly met: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

type Loss = "flush" | "restart" | "empty" | "down";
const LOSSES: readonly Loss[] = ["flush", "restart", "empty", "down"];
const DOWN_MS = 6_000;
const RECOVERS_WITHIN_MS = 30_000;
const BETWEEN_LOSSES = 40;

export async function runRedisLoss(options: RedisLossOptions): Promise<RedisLossReport> {
  const testDatabase = await createTestDatabase();
  const redis = await startTestRedis({ aof: true });
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "redis-loss", maxConnections: 2 });
  let cluster: FlorinCluster | undefined;
  try {
    cluster = await startFlorinCluster({
      databaseUrl: testDatabase.url,
      redisUrl: redis.url,
      ledgers: 2,
      environment: { LOG_LEVEL: "warn" },
    });
    return await loseInTurn({ cluster, redis, admin, url: testDatabase.url }, options);
  } finally {
    await cluster?.stop();
    await admin.stop();
    await redis.stop();
    await testDatabase.drop();
  }
}

interface Stage {
  readonly cluster: FlorinCluster;
  readonly redis: TestRedis;
  readonly admin: Database;
  readonly url: string;
}

async function loseInTurn(stage: Stage, options: RedisLossOptions): Promise<RedisLossReport> {
  const { cluster, redis, admin, url } = stage;
  const { seed, rounds, control = false, onProgress = () => undefined } = options;
  const urls = cluster.gateways.map((part) => part.url);
  const load = await startMixedLoad(urls, { prefix: `redis${seed}` });
  const watched = load.people[0] as Person;
  let token = await watched.token();
  const follower = followTransactions(urls, watched.wallet, () => token);
  const random = createSeededRandom(seed);
  const losses: Record<Loss, number> = { flush: 0, restart: 0, empty: 0, down: 0 };
  const violations: string[] = [];
  let depositsWithoutRedis = 0;
  let slowestRecoveryMs = 0;
  try {
    await eventually(() => follower.transactionIds.length > 0, RECOVERS_WITHIN_MS);
    for (let round = 0; round < rounds; round++)
      for (const loss of LOSSES) {
        await load.untilMore(BETWEEN_LOSSES);
        await pause(random.below(300));
        token = await watched.token();
        depositsWithoutRedis += await lose(redis, loss, load, urls);
        losses[loss]++;
        const recoveryMs = await untilDelivered(admin);
        slowestRecoveryMs = Math.max(slowestRecoveryMs, recoveryMs);
        if (recoveryMs > RECOVERS_WITHIN_MS)
          violations.push(`slow: ${loss} took ${Math.round(recoveryMs)} ms to recover`);
        onProgress(
          `round ${round + 1}: ${loss}, recovered after ${Math.round(recoveryMs)} ms, ${load.finished()} requests`,
        );
      }
    await load.untilMore(BETWEEN_LOSSES);
  } catch (error) {
    violations.push(`stuck: ${String(error)}`);
  }
  try {
    await load.stop();
    if (control) await forgetAnEvent(admin);
    violations.push(...(await load.judge(admin, url, control ? 1_000 : RECOVERS_WITHIN_MS)));
    violations.push(...(await judgeFollower(urls, watched, follower)));
  } finally {
    follower.stop();
  }
  return {
    seed,
    losses,
    requests: load.finished(),
    depositsWithoutRedis,
    liveTransactions: follower.transactionIds.length,
    liveResumed: follower.resumed,
    slowestRecoveryMs: Math.round(slowestRecoveryMs),
    met: Object.fromEntries(load.met),
    violations,
  };
}

/** Returns how many deposits completed while there was no Redis. */
async function lose(redis: TestRedis, loss: Loss, load: MixedLoad, urls: readonly string[]): Promise<number> {
  if (loss === "flush") {
    await redis.flushAll();
    return 0;
  }
  await redis.kill();
  if (loss === "empty") await redis.wipe();
  const deposits = loss === "down" ? await depositFor(DOWN_MS, load, urls) : 0;
  await redis.start();
  return deposits;
}

/** One after the other, each waited for: with Redis away the answer must still be COMPLETED. Throws when it is not. */
async function depositFor(durationMs: number, load: MixedLoad, urls: readonly string[]): Promise<number> {
  const person = load.people[1] as Person;
  const client = createPatientClient(urls);
  const query = "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }";
  const endAt = performance.now() + durationMs;
  let done = 0;
  for (; performance.now() < endAt || done === 0; done++) {
    const key = `without-redis-${String(performance.now())}`;
    const input = {
      accountId: person.wallet,
      amount: { amount: "1.00", currency: "USD" },
      idempotencyKey: key,
      waitMs: 10_000,
    };
    type Done = { readonly deposit: { readonly operation: { readonly status: string } } };
    const { deposit } = await client.ask<Done>(query, { input }, await person.token());
    if (deposit.operation.status !== "COMPLETED")
      throw new Error(`without Redis a deposit is ${deposit.operation.status}`);
    load.expect(person.wallet, 1);
  }
  return done;
}

/** Until both groups have finished all that there was at the moment of the call; milliseconds. */
async function untilDelivered({ sql }: Database): Promise<number> {
  const beganAt = performance.now();
  const [ledger] = await sql<{ head: bigint }[]>`select coalesce(max(position), 0) as head from ledger.outbox`;
  const [accounts] = await sql<{ head: bigint }[]>`select numbered as head from accounts.outbox_head`;
  await eventually(async () => {
    const [delivered] = await sql<{ ledger: bigint; accounts: bigint }[]>`
      select l.delivered as ledger, a.delivered as accounts from ledger.outbox_head l, accounts.outbox_head a`;
    return (delivered?.ledger ?? 0n) >= (ledger?.head ?? 0n) && (delivered?.accounts ?? 0n) >= (accounts?.head ?? 0n);
  }, RECOVERS_WITHIN_MS * 2);
  return performance.now() - beganAt;
}

/** An answer of the ledger that its consumer never applied and nobody can send again. */
async function forgetAnEvent({ sql }: Database): Promise<void> {
  await sql`delete from accounts.inbox where position = (select max(position) from accounts.inbox)`;
}

const HISTORY = `query ($id: ID!, $after: Cursor) { account(id: $id) { transactions(first: 100, after: $after) {
  edges { node { id } } pageInfo { hasNextPage endCursor } } } }`;
interface HistoryPage {
  readonly account: {
    readonly transactions: {
      readonly edges: readonly { readonly node: { readonly id: string } }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
  };
}

/** From its first event on, what the subscriber saw is the account's own history: no gap, no repeat, in order. */
async function judgeFollower(urls: readonly string[], watched: Person, follower: LiveFollower): Promise<string[]> {
  const client = createPatientClient(urls);
  const newestFirst: string[] = [];
  for (let after: string | null = null; ;) {
    const { account }: HistoryPage = await client.ask<HistoryPage>(
      HISTORY,
      { id: watched.wallet, after },
      await watched.token(),
    );
    newestFirst.push(...account.transactions.edges.map((edge) => edge.node.id));
    if (!account.transactions.pageInfo.hasNextPage) break;
    after = account.transactions.pageInfo.endCursor;
  }
  const history = newestFirst.reverse();
  const [first] = follower.transactionIds;
  const expected = first === undefined ? history : history.slice(history.indexOf(first));
  const isWhole = () => follower.transactionIds.length >= expected.length;
  await eventually(isWhole, RECOVERS_WITHIN_MS).catch(() => undefined);
  follower.stop();
  const seen = follower.transactionIds;
  const at = expected.findIndex((id, index) => seen[index] !== id);
  const wrong = at >= 0 || seen.length !== expected.length;
  return [
    ...(wrong ? [`live: saw ${seen.length} of ${expected.length} transactions, other from place ${at} on`] : []),
    ...follower.faults.map((fault) => `live: ${fault}`),
  ];
}
