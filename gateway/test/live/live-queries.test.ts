import { follow, rawSocket as openRaw, startLive, until, type LiveWorld } from "./live-client.js";
import { accountId, operationId } from "./memory-stream.js";

const posted = `subscription Posted($ids: [ID!]) {
  transactionPosted(accountIds: $ids) { cursor transaction { id amount { amount } } }
}`;
const balances = `subscription Balances($ids: [ID!]) {
  balanceChanged(accountIds: $ids) { cursor account { id } accountSeq balance { available { amount currency } } }
}`;
const updated = `subscription Updated($id: ID!) { operationUpdated(id: $id) { id status } }`;
const ids = [accountId(1)];
const nothing = { sockets: 0, subscriptions: 0, groups: 0, feeds: 0 };

let live: LiveWorld;
beforeEach(async () => (live = await startLive()));
afterEach(async () => {
  await live.stop();
  expect(live.live.counts()).toEqual(nothing);
  expect(live.ledger.taps.size + live.accounts.taps.size).toBe(0);
  expect(live.logged).toEqual([]);
});

const rawSocket = (params: object) => openRaw(live.url, params);
const subscribed = (count: number) => until(`${count} subscriptions`, () => live.live.counts().subscriptions === count);

async function refusalOf(token: string | undefined, query: string, variables: Record<string, unknown>) {
  const followed = follow(live.client(token), query, variables);
  await until("the refusal", () => followed.end !== undefined);
  return followed.end;
}

describe("what runs", () => {
  test("a balance is the ledger's at exactly the sequence of the event", async () => {
    const followed = follow(live.client("usr_ada"), balances, { ids });
    await subscribed(1);
    live.post(ids[0]!, 7, ["usr_ada"]);
    await until("an emission", () => followed.data.length === 1);
    expect(followed.data[0]?.["balanceChanged"]).toMatchObject({
      account: { id: ids[0] },
      accountSeq: "7",
      balance: { available: { amount: "7.00", currency: "USD" } },
    });
  });

  test("without accountIds the viewer's own accounts are followed, and nobody else's", async () => {
    const followed = follow(live.client("usr_ada"), posted);
    await subscribed(1);
    live.post(accountId(3), 1, ["usr_bo", "role:staff"]);
    live.post(accountId(2), 1, ["usr_ada", "role:staff"]);
    await until("an emission", () => followed.data.length > 0);
    expect(followed.data.map((data) => data["transactionPosted"]?.["transaction"])).toMatchObject([
      { id: `${accountId(2)}_1_0` },
    ]);
  });

  test("an event without the viewer in its audience is not shown, even for an account that was visible", async () => {
    const followed = follow(live.client("usr_ada"), posted, { ids });
    await subscribed(1);
    live.post(ids[0]!, 1, ["usr_bo"]);
    live.post(ids[0]!, 2, ["usr_ada"]);
    await until("an emission", () => followed.data.length > 0);
    expect(followed.data).toMatchObject([{ transactionPosted: { transaction: { id: `${ids[0]}_2_0` } } }]);
  });

  test("staff follow an account that they name", async () => {
    const followed = follow(live.client("usr_staff;STAFF"), posted, { ids });
    await subscribed(1);
    live.post(ids[0]!, 1, ["usr_ada", "role:staff"]);
    await until("an emission", () => followed.data.length === 1);
  });

  test("an alias and a fragment at the root are understood", async () => {
    const query = `subscription { ...Root } fragment Root on Subscription { mine: transactionPosted { cursor } }`;
    const followed = follow(live.client("usr_ada"), query);
    await subscribed(1);
    live.post(ids[0]!, 1, ["usr_ada"]);
    await until("an emission", () => followed.data.length === 1);
    expect(followed.data[0]).toEqual({ mine: { cursor: expect.any(String) } });
  });

  test("an operation shows its present state first, then its end, and completes", async () => {
    const id = operationId(1);
    live.world.operations.set(id, { owner: "usr_ada", status: "PENDING" });
    const followed = follow(live.client("usr_ada"), updated, { id });
    await until("the present state", () => followed.data.length === 1);
    live.world.operations.set(id, { owner: "usr_ada", status: "COMPLETED" });
    live.ledger.publish("operation.completed", id, ["usr_ada"], { operationId: id });
    await until("the end", () => followed.end !== undefined);
    expect(followed.data.map((data) => data["operationUpdated"]?.["status"])).toEqual(["PENDING", "COMPLETED"]);
    expect(followed.end).toBe("complete");
  });

  test("an operation that has ended is shown once", async () => {
    const id = operationId(2);
    live.world.operations.set(id, { owner: "usr_ada", status: "REJECTED" });
    const followed = follow(live.client("usr_ada"), updated, { id });
    await until("the end", () => followed.end === "complete");
    expect(followed.data).toEqual([{ operationUpdated: { id, status: "REJECTED" } }]);
  });
});

describe("what is shared", () => {
  test("equal subscriptions of one principal cost one upstream execution an event, those of another their own", async () => {
    const twice = ["usr_ada", "usr_ada", "usr_ada"].map((token) => follow(live.client(token), posted, {}));
    const other = follow(live.client("usr_bo"), posted, {});
    await subscribed(4);
    expect(live.live.counts()).toMatchObject({ groups: 2, feeds: 2 });
    const before = live.world.fetches.ledger;
    for (let seq = 1; seq <= 5; seq++) live.post(ids[0]!, seq, ["usr_ada"]);
    await until("all emissions", () => twice.every(({ data }) => data.length === 5));
    expect(live.world.fetches.ledger - before).toBe(5);
    expect(other.data).toEqual([]);
  });

  test("another right or another variable makes another group", async () => {
    for (const token of ["usr_ada", "usr_ada;STAFF"]) follow(live.client(token), posted, { ids });
    follow(live.client("usr_ada"), posted, { ids: [accountId(2)] });
    await subscribed(3);
    expect(live.live.counts().groups).toBe(3);
  });
});

describe("what a slow client costs", () => {
  const subscribe = (query: string) =>
    JSON.stringify({ id: "1", type: "subscribe", payload: { query, variables: { ids } } });

  /** Stops reading until the server's writes no longer leave the process. */
  async function stalled(query: string) {
    const seen = rawSocket({ authorization: "Bearer usr_ada" });
    await until("the acknowledgement", () => seen.messages.length === 1);
    seen.socket.send(subscribe(query));
    await subscribed(1);
    seen.socket.pause();
    return seen;
  }

  test("its transactions overflow its own queue: it is cut, others get everything, and it resumes without loss", async () => {
    const wide = posted.replace(
      "cursor",
      Array.from({ length: 400 }, (_, i) => `cursor${i}: cursor`).join(" ") + " cursor",
    );
    const slow = await stalled(wide);
    const fast = follow(live.client("usr_ada"), wide, { ids });
    await subscribed(2);
    const COUNT = 700;
    for (let seq = 1; seq <= COUNT; seq++) {
      live.post(ids[0]!, seq, ["usr_ada"]);
      if (seq % 16 === 0) await until("the fast one", () => fast.data.length >= seq - 8, 20_000);
      if (seq > 100 && live.live.counts().subscriptions === 1) break;
    }
    await until("the slow one's end", () => live.live.counts().subscriptions === 1, 20_000);
    await until("the cut", () => live.live.counts().sockets === 1);
    expect(fast.end).toBeUndefined();
    slow.socket.resume();
    await until("the close", () => slow.code !== 0);
    const received = slow.messages.flatMap(({ type, payload }) => (type === "next" ? [payload] : [])) as {
      data: { transactionPosted: { cursor: string; transaction: { id: string } } };
    }[];
    const cursor = received.at(-1)?.data.transactionPosted.cursor;
    const again = follow(
      live.client("usr_ada"),
      posted.replace("$ids: [ID!]", "$ids: [ID!], $after: Cursor").replace("$ids)", "$ids, after: $after)"),
      { ids, after: cursor },
    );
    const all = live.ledger.log.map(({ position }) => `${ids[0]}_${position}_0`);
    await until("the rest", () => received.length + again.data.length === all.length, 20_000);
    const rest = again.data.map((data) => (data["transactionPosted"]?.["transaction"] as { id: string }).id);
    expect([...received.map(({ data }) => data.transactionPosted.transaction.id), ...rest]).toEqual(all);
    expect(rest.length).toBeGreaterThan(64);
  }, 60_000);

  test("balances are conflated to the latest of each account, however many there were", async () => {
    let open = (): void => undefined;
    const both = [accountId(1), accountId(2)];
    const followed = follow(live.client("usr_ada"), balances, { ids: both });
    await subscribed(1);
    live.world.gate = new Promise((resolve) => (open = resolve));
    for (let seq = 1; seq <= 1000; seq++) for (const id of both) live.post(id, seq, ["usr_ada"]);
    open();
    const latest = () => followed.data.filter((data) => data["balanceChanged"]?.["accountSeq"] === "1000").length;
    await until("both latest", () => latest() === 2);
    expect(followed.data.length).toBeLessThan(20);
    expect(followed.end).toBeUndefined();
  });
});

describe("what is refused", () => {
  test.each([
    ["somebody else's account", "usr_ada", posted, { ids: [accountId(1), accountId(3)] }, "NOT_FOUND"],
    [
      "more than 100 accounts",
      "usr_ada",
      posted,
      { ids: Array.from({ length: 101 }, (_, i) => accountId(i)) },
      "BAD_USER_INPUT",
    ],
    ["an empty list of accounts", "usr_ada", posted, { ids: [] }, "BAD_USER_INPUT"],
    ["an operation nobody knows", "usr_ada", updated, { id: operationId(9) }, "NOT_FOUND"],
    ["a wrong variable", "usr_ada", posted, { ids: [{}] }, "BAD_USER_INPUT"],
    ["an unknown field", "usr_ada", "subscription { nope }", {}, "GRAPHQL_VALIDATION_FAILED"],
    [
      "two root fields",
      "usr_ada",
      "subscription { a: balanceChanged { cursor } b: balanceChanged { cursor } }",
      {},
      "GRAPHQL_VALIDATION_FAILED",
    ],
    ["a query", "usr_ada", "{ me { id } }", {}, "BAD_REQUEST"],
    ["a mutation", "usr_ada", "mutation { logout }", {}, "BAD_REQUEST"],
    [
      "a root field under @include",
      "usr_ada",
      "subscription { balanceChanged @include(if: true) { cursor } }",
      {},
      expect.stringMatching(/BAD_REQUEST|GRAPHQL_VALIDATION_FAILED/),
    ],
    [
      "a document of too many tokens",
      "usr_ada",
      `subscription { balanceChanged { ${"cursor ".repeat(2500)} } }`,
      {},
      "GRAPHQL_PARSE_FAILED",
    ],
    ["nobody", undefined, posted, {}, "UNAUTHENTICATED"],
  ])("%s", async (_, token, query, variables, code) => {
    expect(await refusalOf(token, query, variables)).toMatchObject([{ extensions: { code } }]);
    await subscribed(0);
  });

  test("somebody else's operation", async () => {
    const id = operationId(3);
    live.world.operations.set(id, { owner: "usr_bo", status: "PENDING" });
    expect(await refusalOf("usr_ada", updated, { id })).toMatchObject([{ extensions: { code: "NOT_FOUND" } }]);
  });

  test("a syntax error, a query and an unknown field leave the socket and its subscriptions standing", async () => {
    const client = live.client("usr_ada");
    const good = follow(client, posted, { ids });
    await subscribed(1);
    const bad = ["subscription {", "{ me { id } }", "subscription { nope }"].map((query) => follow(client, query));
    await until("three refusals", () => bad.every(({ end }) => end !== undefined));
    live.post(ids[0]!, 1, ["usr_ada"]);
    await until("an emission", () => good.data.length === 1);
    expect(live.live.counts().sockets).toBe(1);
  });

  test("the twenty-first subscription on one socket", async () => {
    const client = live.client("usr_ada");
    const followed = Array.from({ length: 21 }, () => follow(client, posted, { ids }));
    await until("one refusal", () => followed.some(({ end }) => end !== undefined));
    await subscribed(20);
    expect(followed.flatMap(({ end }) => end ?? [])).toMatchObject([{ extensions: { code: "RATE_LIMITED" } }]);
  });
});

test("subscribing and completing at once in a loop opens no more than one socket's share", async () => {
  const seen = rawSocket({ authorization: "Bearer usr_ada" });
  await until("the acknowledgement", () => seen.messages.length === 1);
  for (let i = 0; i < 500; i++) {
    seen.socket.send(JSON.stringify({ id: String(i), type: "subscribe", payload: { query: posted } }));
    seen.socket.send(JSON.stringify({ id: String(i), type: "complete" }));
  }
  seen.socket.send(JSON.stringify({ type: "ping" }));
  await until("all to be read", () => seen.messages.some(({ type }) => type === "pong"));
  await until("no group", () => live.live.counts().groups === 0);
  expect(live.live.counts()).toEqual({ ...nothing, sockets: 1 });
  expect(live.ledger.mostOpenHeads).toBeLessThanOrEqual(20);
  seen.socket.close();
});

test("a member that leaves during the execution made with its token does not spoil it for the others", async () => {
  let open = (): void => undefined;
  const [first, second] = [
    rawSocket({ authorization: "Bearer usr_ada;CUSTOMER;ses_1" }),
    live.client("usr_ada;CUSTOMER;ses_2"),
  ];
  await until("the acknowledgement", () => first.messages.length === 1);
  first.socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: posted, variables: { ids } } }));
  await subscribed(1);
  const followed = follow(second, posted, { ids });
  await subscribed(2);
  expect(live.live.counts().groups).toBe(1);
  const before = live.world.fetches.ledger;
  live.world.gate = new Promise((resolve) => (open = resolve));
  live.world.failOnce = "UNAUTHENTICATED";
  live.post(ids[0]!, 1, ["usr_ada"]);
  await until("the execution", () => live.world.fetches.ledger === before + 1);
  live.accounts.publish("session.revoked", "usr_ada", ["usr_ada"], { sessionId: "ses_1", until: "" });
  await subscribed(1);
  open();
  await until("an emission", () => followed.data.length === 1);
  expect(followed.errors).toEqual([]);
});

test("500 sockets of one principal share one execution, and nothing is left of them", async () => {
  const followed = Array.from({ length: 500 }, () => follow(live.client("usr_ada"), posted, { ids }));
  await until("500 subscriptions", () => live.live.counts().subscriptions === 500, 20_000);
  const before = live.world.fetches.ledger;
  for (let seq = 1; seq <= 3; seq++) live.post(ids[0]!, seq, ["usr_ada"]);
  await until("all emissions", () => followed.every(({ data }) => data.length === 3), 20_000);
  expect(live.world.fetches.ledger - before).toBe(3);
  for (const { stop } of followed) stop();
  await until("no subscription", () => live.live.counts().groups === 0);
  expect(live.ledger.taps.size).toBe(0);
}, 60_000);
