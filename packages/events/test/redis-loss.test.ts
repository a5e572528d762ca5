import type { Redis } from "ioredis";
import { eventually, startTestRedis, whereRedisIs, type TestRedis } from "@florin/testkit";
import { GroupModel } from "./group-model.js";
import { OutboxModel } from "./outbox-model.js";
import {
  ask,
  entriesOf,
  EVENTS,
  expectFold,
  expectHeardOnce,
  startNode,
  startTraffic,
  type Node,
} from "./redis-nodes.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

describeWithRedis(
  "Redis loses what it had, under traffic: each event once and in order, and taps repeat nothing",
  () => {
    let redis: TestRedis;
    beforeEach(async () => void (redis = await startTestRedis()));
    afterEach(() => redis.stop());

    async function runUnderTraffic(fault: (grow: () => Promise<unknown>) => Promise<void>): Promise<void> {
      const store = new OutboxModel();
      const group = new GroupModel();
      group.latency = () => new Promise((resolve) => setTimeout(resolve, 1));
      const worker = startNode({ redis: redis.url, group, store });
      const standby = startNode({ redis: redis.url, group });
      const traffic = startTraffic(store, worker);
      const grow = (): Promise<unknown> => {
        const more = group.applied.length + 200;
        return eventually(() => group.applied.length > more, 30_000);
      };
      await grow();
      await fault(grow);
      await grow();
      await traffic.stop();
      await expectFold(store, group, worker, redis);
      const count = BigInt(store.committed.length);
      for (const node of [worker, standby]) {
        await eventually(() => node.heard.at(-1) === count, 10_000);
        expectHeardOnce(node.heard);
      }
      expect(await eventually(async () => (await worker.bus.safePosition("ledger")) === count)).toBe(true);
      await eventually(() => store.delivered === count);
      await Promise.all([worker.end(), standby.end()]);
    }

    test("emptied again and again", async () => {
      await runUnderTraffic(async (grow) => {
        for (let i = 0; i < 5; i++) {
          await redis.flushAll();
          await grow();
        }
      });
    });

    test("killed and started without its data", async () => {
      await runUnderTraffic(async () => {
        await redis.kill();
        await redis.wipe();
        await redis.start();
      });
    });

    test("set back to an older snapshot", async () => {
      await runUnderTraffic(async (grow) => {
        await redis.saveSnapshot();
        await grow();
        await redis.kill();
        await redis.restoreSnapshot();
        await redis.start();
      });
    });

    test("loses single keys, as by eviction", async () => {
      const keys = [
        EVENTS,
        "florin:{ledger}:meta",
        "florin:{ledger}:group:model:mark",
        "florin:{ledger}:group:model:lease",
      ];
      await runUnderTraffic(async (grow) => {
        for (const key of keys) {
          await ask(redis, (client) => client.del(key));
          await grow();
        }
      });
    });

    test("frozen beyond every deadline", async () => {
      await runUnderTraffic(async () => {
        process.kill(redis.pid!, "SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, 4_000)); // longer than a command may take: that is the fault
        process.kill(redis.pid!, "SIGCONT");
      });
    });
  },
);

describeWithRedis("anything, in any order, while processes come and go", () => {
  test.each([7, 11])("seed %i", async (seed) => {
    const random = randomFrom(seed);
    const redis = await startTestRedis();
    const store = new OutboxModel();
    const group = new GroupModel();
    group.latency = () => pause(random() * 4);
    const start = (): Node => startNode({ redis: redis.url, group, store, leaseMs: 600 });
    const observer = start();
    const others = [start()];
    const traffic = startTraffic(store, observer);
    await redis.saveSnapshot();
    const restart = async (prepare: () => Promise<void>): Promise<void> => {
      await redis.kill();
      await prepare();
      await redis.start();
    };
    const freeze = async (): Promise<void> => {
      process.kill(redis.pid!, "SIGSTOP");
      await pause(random() * 1_500);
      process.kill(redis.pid!, "SIGCONT");
    };
    const faults: (() => Promise<unknown>)[] = [
      () => redis.flushAll(),
      () => restart(() => redis.wipe()),
      () => redis.saveSnapshot(),
      () => restart(() => redis.restoreSnapshot()),
      freeze,
      async () => others.shift()?.vanish(),
      async () => others.push(start()),
    ];
    for (let i = 0; i < 10; i++) {
      await pause(random() * 400);
      await faults[Math.floor(random() * faults.length)]!();
    }
    await traffic.stop();
    await expectFold(store, group, observer, redis);
    await eventually(() => observer.heard.at(-1) === BigInt(store.committed.length), 10_000);
    expectHeardOnce(observer.heard);
    await Promise.all([observer, ...others].map((node) => node.end()));
    await redis.stop();
  });
});

describeWithRedis("a stream that somebody else touched is filled again from the outbox", () => {
  let redis: TestRedis;
  beforeEach(async () => void (redis = await startTestRedis()));
  afterEach(() => redis.stop());

  test.each([
    ["an entry is missing", async (client: Redis) => void (await client.xdel(EVENTS, "900-0"))],
    ["an entry is forged", async (client: Redis) => void (await client.xadd(EVENTS, "1200-7", "event", "{}"))],
    [
      "an entry under the next position is forged",
      async (client: Redis) => void (await client.xadd(EVENTS, "1201-0", "event", "{}")),
    ],
  ])("%s", async (_name, touch) => {
    const store = new OutboxModel();
    const group = new GroupModel();
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    group.latency = () => gate;
    store.commit(1_200);
    const node = startNode({ redis: redis.url, group, store, groupQueueLimit: 10 });
    await eventually(async () => (await entriesOf(redis)).length === 1_200, 20_000);
    await eventually(() => group.deliveries > 0, 20_000);
    await ask(redis, touch);
    open();
    store.commit(100);
    await expectFold(store, group, node, redis);
    await eventually(() => node.heard.at(-1) === 1_300n, 10_000);
    expectHeardOnce(node.heard);
    await node.end();
  });
});

describeWithRedis("controls", () => {
  let redis: TestRedis;
  beforeEach(async () => void (redis = await startTestRedis()));
  afterEach(() => redis.stop());

  test("without the inbox an emptied Redis makes effects happen twice", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    group.hasInbox = false;
    store.commit(50);
    const first = startNode({ redis: redis.url, group, store });
    expect(await first.consumption.reached(50n, 20_000)).toBe(true);
    await first.vanish();
    await redis.flushAll();
    store.delivered = 20n; // as if the last one had been written then
    const second = startNode({ redis: redis.url, group, store });
    expect(await second.consumption.reached(50n, 20_000)).toBe(true);
    await eventually(() => group.applied.length === 80, 10_000);
    await second.end();
  });

  test("a position is in the stream once because Redis refuses the second, whoever writes it", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    store.commit(5);
    const node = startNode({ redis: redis.url, group, store });
    expect(await node.consumption.reached(5n, 20_000)).toBe(true);
    await expect(ask(redis, (client) => client.xadd(EVENTS, "5-0", "event", "{}"))).rejects.toThrow("equal or smaller");
    await node.end();
  });
});

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
