import { balancesText, contextOf, LinkedWorld, secret, TestGateway, viewerOf } from "./linked-world.js";

let world: LinkedWorld;
let gateway: TestGateway;
beforeEach(async () => {
  world = new LinkedWorld();
  gateway = new TestGateway(world);
  await gateway.ready();
});
afterEach(() => gateway.stop());

const ada = viewerOf("usr_ada");
const event = (principal: string) => {
  world.change(principal);
  gateway.deliver();
};

describe("what is kept", () => {
  test("an equal fetch is answered from memory, with a copy that its reader may write into", async () => {
    const first = await gateway.read("usr_ada");
    Object.assign(first, { owner: "written over" });
    expect(await gateway.read("usr_ada")).toEqual({ owner: "usr_ada", version: 0 });
    Object.assign(await gateway.read("usr_ada"), { owner: "written over" });
    expect(await gateway.read("usr_ada")).toEqual({ owner: "usr_ada", version: 0 });
    expect(world.fetches).toBe(1);
    expect(await gateway.counted()).toEqual({ memory: 3, miss: 1 });
  });

  test("another person, another right, other variables and another text are other answers", async () => {
    await gateway.read("usr_ada");
    await gateway.read("usr_bo");
    await gateway.read("usr_ada", { first: 2 });
    await gateway.fetch(balancesText, contextOf(viewerOf("usr_ada", { scopes: ["linked:read"] })));
    await gateway.fetch(balancesText, contextOf(viewerOf("usr_ada", { roles: ["CUSTOMER", "MERCHANT"] })));
    await gateway.fetch("{linkedAccounts{totalCount}}", contextOf(ada));
    expect(world.fetches).toBe(6);
    // The order of scopes and roles says nothing, and neither does the session.
    const other = viewerOf("usr_ada", { roles: ["MERCHANT", "CUSTOMER"], sessionId: "ses_2" });
    await gateway.fetch(balancesText, contextOf(other));
    expect(world.fetches).toBe(6);
  });

  test("ten minutes, and not a millisecond longer", async () => {
    await gateway.read("usr_ada");
    world.nowMs += 599_999;
    await gateway.read("usr_ada");
    expect(world.fetches).toBe(1);
    world.nowMs += 1;
    await gateway.read("usr_ada");
    expect(world.fetches).toBe(2);
  });

  test.each([0, -1, 601, Number.NaN])("%p seconds are refused as a lifetime", (ttlSeconds) => {
    expect(() => new TestGateway(world, { ttlSeconds })).toThrow("1 to 600 seconds");
  });

  test("a secret that is too short is refused", () => {
    expect(() => new TestGateway(world, { secret: secret.subarray(1) })).toThrow("at least 32");
  });

  test("an answer with an error, without data or above the cap is asked for again", async () => {
    const errors = [{ message: "away", extensions: { code: "TEMPORARILY_UNAVAILABLE" } }];
    world.respond = () => ({ data: { linkedAccounts: { edges: [] } }, errors });
    await gateway.fetch(balancesText, contextOf(ada));
    world.respond = () => ({ data: null });
    await gateway.fetch(balancesText, contextOf(ada));
    world.respond = () => ({ data: { linkedAccounts: "é".repeat(300_000) } });
    await gateway.fetch(balancesText, contextOf(ada));
    world.respond = undefined;
    expect(await gateway.read("usr_ada")).toEqual({ owner: "usr_ada", version: 0 });
    expect(world.fetches).toBe(4);
  });

  test("memory is bounded in bytes, and the answers used longest ago leave", async () => {
    gateway.stop();
    gateway = new TestGateway(world, { memoryBytes: 4_000 });
    await gateway.ready();
    for (let first = 1; first <= 50; first++) {
      await gateway.read("usr_ada", { first });
      await gateway.read("usr_ada", { first: 1 });
    }
    expect(world.fetches).toBe(50); // the first was used all the time
    await gateway.read("usr_ada", { first: 2 });
    expect(world.fetches).toBe(51);
    const bytes = /^florin_gateway_response_cache_bytes (\d+)$/m.exec(await gateway.metrics.render())?.[1];
    expect(Number.parseInt(bytes ?? "", 10)).toBeLessThanOrEqual(4_000);
    expect(Number.parseInt(bytes ?? "", 10)).toBeGreaterThan(2_000);
  });
});

describe("what passes it by", () => {
  test.each([
    ["nobody signed in", undefined, {}],
    ["staff", viewerOf("usr_st", { roles: ["STAFF"] }), {}],
    ["a customer who is an auditor too", viewerOf("usr_au", { roles: ["CUSTOMER", "AUDITOR"] }), {}],
    ["a live query", ada, { isLive: true }],
    ["what is fetched after a mutation", ada, { outcome: { isReplay: false, hasMutated: true, written: new Map() } }],
  ])("%s", async (_, viewer, more) => {
    await gateway.fetch(balancesText, contextOf(viewer, more));
    await gateway.fetch(balancesText, contextOf(viewer, more));
    expect(world.fetches).toBe(2);
    expect(await gateway.counted()).toEqual({ bypass: 2 });
  });

  test("a consistency token beyond what was seen, until it is seen", async () => {
    event("usr_ada");
    await gateway.read("usr_ada");
    const token = (consistency: string) => gateway.fetch(balancesText, contextOf(ada, { consistency }));
    await token("accounts=1;ledger=900");
    expect(world.fetches).toBe(1);
    await token("ledger=900;accounts=2");
    await token("accounts=2");
    expect(world.fetches).toBe(3);
    expect(world.requests.at(-1)?.headers["x-consistency-token"]).toBe("accounts=2");
    event("usr_ada");
    await token("accounts=2");
    await token("accounts=2");
    expect(world.fetches).toBe(4);
  });

  test("everything, until the head of the stream is known", async () => {
    const other = new TestGateway(world);
    await other.read("usr_ada");
    await other.ready();
    await other.read("usr_ada");
    await other.read("usr_ada");
    expect(await other.counted()).toEqual({ bypass: 1, miss: 1, memory: 1 });
    other.stop();
  });
});

describe("what an event does", () => {
  test("the person whom it concerns reads anew, from what has reached the event; others read on", async () => {
    await gateway.read("usr_ada");
    await gateway.read("usr_bo");
    event("usr_ada");
    expect(await gateway.read("usr_ada")).toEqual({ owner: "usr_ada", version: 1 });
    expect(world.requests.at(-1)?.headers["x-consistency-token"]).toBe("accounts=1");
    await gateway.read("usr_bo");
    expect(world.fetches).toBe(3);
  });

  test("an event during the fetch: the answer is its reader's, and nobody's after", async () => {
    let open: () => void = () => undefined;
    world.gate = new Promise((resolve) => (open = resolve));
    const early = gateway.read("usr_ada");
    while (world.fetches === 0) await new Promise((resolve) => setImmediate(resolve));
    event("usr_ada");
    const late = gateway.read("usr_ada");
    open();
    expect((await early).version).toBe(0);
    expect((await late).version).toBe(1);
    expect((await gateway.read("usr_ada")).version).toBe(1);
    expect(world.fetches).toBe(2);
  });

  test("a gap in the bus makes everything old, because nobody knows whom it concerned", async () => {
    event("usr_bo");
    await gateway.read("usr_ada");
    world.change("usr_ada");
    world.change("usr_bo");
    gateway.pending.shift(); // the bus lost Ada's
    gateway.deliver();
    expect((await gateway.read("usr_ada")).version).toBe(1);
  });

  test("somebody who was forgotten for want of room reads anew, not what was kept before", async () => {
    gateway.stop();
    gateway = new TestGateway(world, { principals: 2 });
    await gateway.ready();
    await gateway.read("usr_ada");
    event("usr_ada");
    event("usr_bo");
    event("usr_cy");
    expect((await gateway.read("usr_ada")).version).toBe(1);
  });

  test("a write that was acknowledged here counts before its event comes round", async () => {
    await gateway.read("usr_ada");
    world.change("usr_ada");
    world.respond = () => ({ data: { removeLinkedItem: {} }, extensions: { florin: { written: { accounts: "1" } } } });
    await gateway.fetch("mutation{removeLinkedItem{removed}}", contextOf(ada));
    world.respond = undefined;
    expect((await gateway.read("usr_ada")).version).toBe(1);
  });
});

describe("equal fetches at once", () => {
  test("are one fetch", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.read("usr_ada")));
    expect(world.fetches).toBe(1);
    expect(new Set(answers).size).toBe(50);
    expect(await gateway.counted()).toEqual({ miss: 1, joined: 49 });
  });

  test("of two people are two", async () => {
    const answers = await Promise.all([gateway.read("usr_ada"), gateway.read("usr_bo")]);
    expect(answers.map(({ owner }) => owner)).toEqual(["usr_ada", "usr_bo"]);
  });

  test("share no error: each asks for itself", async () => {
    world.respond = () => ({ data: null, errors: [{ message: "no", extensions: { code: "INTERNAL" } }] });
    const answers = await Promise.all([1, 2, 3].map(() => gateway.fetch(balancesText, contextOf(ada))));
    expect(answers.every(({ errors }) => errors?.length === 1)).toBe(true);
    expect(world.fetches).toBe(3);
  });

  test("do not wait for one that hangs longer than its own budget", async () => {
    world.gate = new Promise(() => undefined);
    const startedAt = performance.now() - 9_950; // of ten seconds
    const first = gateway.fetch(balancesText, contextOf(ada, { startedAt }));
    const second = gateway.fetch(balancesText, contextOf(ada));
    expect((await first).errors?.[0]?.extensions?.["code"]).toBe("TEMPORARILY_UNAVAILABLE");
    world.gate = Promise.resolve();
    expect((await second).errors).toBeUndefined();
  });
});
