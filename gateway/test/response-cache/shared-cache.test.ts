import fc from "fast-check";
import { Redis } from "ioredis";
import type { EventEnvelope } from "@florin/kernel";
import { eventually, startTestRedis, whereRedisIs, type TestRedis } from "@florin/testkit";
import { LinkedWorld, TestGateway, type Held } from "./linked-world.js";

const people = ["usr_ada", "usr_bo"] as const;
const RUNS = 120;

whereRedisIs(describe, describe.skip)("a cache that two gateways share", () => {
  let redis: TestRedis;
  let client: Redis;
  let world: LinkedWorld;
  const gateways: TestGateway[] = [];

  beforeAll(async () => {
    redis = await startTestRedis();
    client = new Redis(redis.url);
    client.on("error", () => undefined); // while the test has it killed
  });
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });
  beforeEach(() => (world = new LinkedWorld()));
  afterEach(async () => {
    gateways.splice(0).forEach((gateway) => gateway.stop());
    await client.flushall();
  });

  /** A gateway whose connection stands, seen by what it writes for somebody whom no test asks about. */
  async function start(options: ConstructorParameters<typeof TestGateway>[1] = {}): Promise<TestGateway> {
    const gateway = new TestGateway(world, { redisUrl: redis.url, ...options });
    gateways.push(gateway);
    await gateway.ready();
    let attempt = 0;
    await eventually(async () => {
      const before = await client.dbsize();
      await gateway.read("usr_probe", { first: 1_000 + attempt++ + 1_000 * gateways.length });
      return (await client.dbsize()) > before;
    }, 10_000);
    world.fetches = 0;
    return gateway;
  }

  test("what one fetched the other reads, compressed and sealed, and not beyond its lifetime", async () => {
    const [one, two] = [await start(), await start()];
    expect(await one.read("usr_ada")).toEqual({ owner: "usr_ada", version: 0 });
    await eventually(
      async () => (await two.read("usr_ada")).version === 0 && (await two.counted())["redis"] === 1,
      5_000,
    );
    expect(world.fetches).toBe(1);
    for (const name of await client.keys("*")) {
      const value = await client.getBuffer(name);
      expect(`${name} ${value?.toString("latin1")}`).not.toMatch(/usr_|owner|linkedAccounts/);
      expect(await client.pttl(name)).toBeGreaterThan(0);
      expect(await client.pttl(name)).toBeLessThanOrEqual(600_000);
    }
    world.nowMs += 600_000;
    await two.read("usr_ada");
    expect(world.fetches).toBe(2);
  });

  test("a value that was altered or put under another name is a miss", async () => {
    const one = await start();
    await client.flushall();
    await one.read("usr_ada");
    await one.read("usr_bo");
    await eventually(async () => (await client.dbsize()) === 2, 5_000);
    const [first = "", second = ""] = await client.keys("*");
    const value = (await client.getBuffer(first))!;
    await client.set(second, value);
    value[value.length - 1]! ^= 1;
    await client.set(first, value);
    const two = await start();
    expect(await two.read("usr_ada")).toEqual({ owner: "usr_ada", version: 0 });
    expect(await two.read("usr_bo")).toEqual({ owner: "usr_bo", version: 0 });
    expect(world.fetches).toBe(2);
  });

  test("gateways with another secret share nothing", async () => {
    const [one, two] = [await start(), await start({ secret: new Uint8Array(32).fill(4) })];
    await one.read("usr_ada");
    await two.read("usr_ada");
    expect(world.fetches).toBe(2);
  });

  test("without Redis every answer comes all the same, and it is used again when it is back", async () => {
    const one = await start();
    await redis.kill();
    for (let first = 1; first <= 20; first++) expect((await one.read("usr_ada", { first })).owner).toBe("usr_ada");
    expect(world.fetches).toBe(20);
    expect((await one.read("usr_ada", { first: 1 })).owner).toBe("usr_ada"); // memory is not touched by it
    expect(world.fetches).toBe(20);
    await redis.start();
    await eventually(async () => (await client.ping().catch(() => "")) === "PONG", 10_000);
    await start();
  });

  test("a Redis that hangs is waited for once and then left alone", async () => {
    const one = await start();
    const pid = redis.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      for (let first = 1; first <= 20; first++) expect((await one.read("usr_ada", { first })).owner).toBe("usr_ada");
      expect(world.fetches).toBe(20);
      const text = await one.metrics.render();
      expect(text).toMatch(/^florin_gateway_response_cache_redis_failures_total [1-3]$/m);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await eventually(async () => (await client.ping()) === "PONG", 10_000);
  });

  test("whatever happens in whatever order: nobody else's data, and nothing older than an event that the gateway had seen", async () => {
    const person = fc.constantFrom(...people);
    const which = fc.constantFrom(0, 1);
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ kind: fc.constant("read" as const), which, person, first: fc.constantFrom(1, 2) }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("change" as const), person }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("deliver" as const), which, count: fc.constantFrom(1, 3) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("gap" as const), which, person }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("hold" as const) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), which }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(200_000, 599_999) }),
      },
    );
    let hits = 0;
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 80 }),
      fc.constantFrom(1, 10, 10),
      async (steps, principals) => {
        await client.flushall();
        world = new LinkedWorld();
        const seats = [new Seat(await start({ principals })), new Seat(await start({ principals }))] as const;
        let release: () => void = () => undefined;
        const reads: Promise<void>[] = [];
        for (const one of steps) {
          switch (one.kind) {
            case "read":
              reads.push(seats[one.which === 0 ? 0 : 1].read(world, one.person, one.first));
              await new Promise((resolve) => setImmediate(resolve));
              break;
            case "change":
              world.change(one.person);
              break;
            case "deliver":
              seats[one.which === 0 ? 0 : 1].deliver(one.count);
              break;
            case "gap":
              world.change(one.person);
              seats[one.which === 0 ? 0 : 1].lose();
              world.change("usr_cy");
              seats[one.which === 0 ? 0 : 1].deliver(1);
              break;
            case "hold":
              release();
              world.gate = new Promise((resolve) => (release = resolve));
              break;
            case "release":
              release();
              world.gate = Promise.resolve();
              break;
            case "settle":
              release();
              world.gate = Promise.resolve();
              await Promise.all(reads.splice(0));
              break;
            case "restart": {
              const seat = seats[one.which === 0 ? 0 : 1];
              seat.gateway.stop();
              seat.restart(world, await start({ principals }));
              break;
            }
            case "wait":
              world.nowMs += one.ms;
              break;
          }
        }
        release();
        await Promise.all(reads);
        for (const { gateway } of seats) {
          const { memory = 0, redis: shared = 0, joined = 0 } = await gateway.counted();
          hits += memory + shared + joined;
        }
        gateways.splice(0).forEach((gateway) => gateway.stop());
      },
    );
    await fc.assert(property, { numRuns: RUNS });
    expect(hits).toBeGreaterThan(RUNS / 2); // or it showed nothing
  });
});

/** A gateway and what it has been told: the version of each person that it must not fall behind. */
class Seat {
  gateway: TestGateway;
  readonly #told = new Map<string, number>();
  readonly #lost: EventEnvelope[] = [];

  constructor(gateway: TestGateway) {
    this.gateway = gateway;
  }

  deliver(count: number): void {
    const events = this.gateway.deliver(count);
    if (events.length === 0) return;
    // The gap shows that something was lost, so it counts as seen.
    for (const { audience, payload } of [...this.#lost.splice(0), ...events]) {
      const { version } = payload as { version: number };
      this.#told.set(audience[0] ?? "", version);
    }
  }

  lose(): void {
    this.#lost.push(...this.gateway.pending.splice(0));
  }

  /** A gateway that starts has read the head of the stream: all before it is old news. */
  restart(world: LinkedWorld, gateway: TestGateway): void {
    this.gateway = gateway;
    this.#lost.length = 0;
    for (const person of people) this.#told.set(person, world.versionOf(person));
  }

  async read(world: LinkedWorld, person: string, first: number): Promise<void> {
    const atLeast = this.#told.get(person) ?? 0;
    const held: Held = await this.gateway.read(person, { first });
    expect(held.owner).toBe(person);
    expect(held.version).toBeGreaterThanOrEqual(atLeast);
    expect(held.version).toBeLessThanOrEqual(world.versionOf(person));
  }
}
