import { get, type IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { rawSocket as openRaw, startLive, until, type LiveWorld } from "./live-client.js";

const posted = "subscription { transactionPosted { cursor } }";

let live: LiveWorld;
beforeEach(async () => (live = await startLive()));
afterEach(async () => {
  await live.stop();
  expect(live.live.counts()).toEqual({ sockets: 0, subscriptions: 0, groups: 0, feeds: 0 });
  expect(live.logged).toEqual([]);
});

const rawSocket = (params: object) => openRaw(live.url, params);
const subscribed = (count: number) => until(`${count} subscriptions`, () => live.live.counts().subscriptions === count);

describe("how a socket ends", () => {
  test.each([
    ["a token that is not good", { authorization: "Bearer nonsense" }],
    ["something that is no bearer token", { authorization: "Basic abc" }],
    ["a token that has expired", { authorization: `Bearer usr_ada;CUSTOMER;ses_1;${Date.now() / 1000 - 1}` }],
  ])("%s: 4403", async (_, params) => {
    const seen = rawSocket(params);
    await until("the close", () => seen.code !== 0);
    expect(seen.code).toBe(4403);
  });

  test("when the token expires: 4403, and its subscriptions are gone", async () => {
    const seen = rawSocket({ authorization: `Bearer usr_ada;CUSTOMER;ses_1;${Date.now() / 1000 + 0.4}` });
    await until("the acknowledgement", () => seen.messages.length === 1);
    seen.socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: posted } }));
    await subscribed(1);
    await until("the close", () => seen.code !== 0);
    expect([seen.code, seen.reason]).toEqual([4403, "token expired"]);
    await subscribed(0);
  });

  test("when the session is revoked: 4403 for its sockets alone, and its token opens none again", async () => {
    const revoked = rawSocket({ authorization: "Bearer usr_ada;CUSTOMER;ses_1" });
    const other = rawSocket({ authorization: "Bearer usr_ada;CUSTOMER;ses_2" });
    await until("both", () => revoked.messages.length + other.messages.length === 2);
    live.accounts.publish("session.revoked", "usr_ada", ["usr_ada"], { sessionId: "ses_1", until: "" });
    await until("the close", () => revoked.code !== 0);
    expect([revoked.code, other.code]).toEqual([4403, 0]);
    const again = rawSocket({ authorization: "Bearer usr_ada;CUSTOMER;ses_1" });
    await until("the second close", () => again.code !== 0);
    expect(again.code).toBe(4403);
    other.socket.close();
  });

  test("without connection_init: 4408 after the deadline", async () => {
    await live.stop();
    live = await startLive({ initTimeoutMs: 50 });
    const socket = new WebSocket(live.url, "graphql-transport-ws");
    const code = await new Promise((resolve) => socket.on("close", resolve));
    expect(code).toBe(4408);
  });

  test("with a message above 64 kB: 1009", async () => {
    const seen = rawSocket({ authorization: "Bearer usr_ada" });
    await until("the acknowledgement", () => seen.messages.length === 1);
    seen.socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: " ".repeat(70_000) } }));
    await until("the close", () => seen.code !== 0);
    expect(seen.code).toBe(1009);
  });

  test("that answers no ping is cut", async () => {
    await live.stop();
    live = await startLive({ keepAliveMs: 40 });
    const socket = new WebSocket(live.url, "graphql-transport-ws", { autoPong: false });
    const code = await new Promise((resolve) => socket.on("close", resolve));
    expect(code).toBe(1006);
  });

  test("beyond the room of one principal: 1013, and room again after one left", async () => {
    await live.stop();
    live = await startLive({ socketsPerPrincipal: 2 });
    const open = () => rawSocket({ authorization: "Bearer usr_ada" });
    const [first, second] = [open(), open()];
    await until("two", () => first.messages.length + second.messages.length === 2);
    const third = open();
    await until("the close", () => third.code !== 0);
    expect(third.code).toBe(1013);
    first.socket.close();
    await until("room", () => live.live.counts().sockets === 1);
    const fourth = open();
    await until("the acknowledgement", () => fourth.messages.length === 1);
    for (const { socket } of [second, fourth]) socket.close();
  });

  test("when the server stops: 1012", async () => {
    const seen = rawSocket({ authorization: "Bearer usr_ada" });
    await until("the acknowledgement", () => seen.messages.length === 1);
    await live.live.stop();
    await until("the close", () => seen.code !== 0);
    expect(seen.code).toBe(1012);
  });
});

describe("who may open a socket", () => {
  const statusOf = (headers: Record<string, string>, path = "/graphql") =>
    new Promise<number>((resolve, reject) => {
      const upgrade = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw==",
      };
      const request = get(live.url.replace("ws:", "http:").replace("/graphql", path), {
        headers: { ...upgrade, ...headers },
      });
      request.on("response", (response: IncomingMessage) => resolve(response.statusCode ?? 0));
      request.on("upgrade", (_, socket) => {
        socket.destroy();
        resolve(101);
      });
      request.on("error", reject);
    });

  test.each([
    ["a page of this host", (host: string) => ({ origin: `http://${host}` }), "/graphql", 101],
    ["no browser at all", () => ({}), "/graphql", 101],
    ["a page of another host", () => ({ origin: "https://evil.example" }), "/graphql", 403],
    ["a page without an origin", () => ({ origin: "null" }), "/graphql", 403],
    ["another path", () => ({}), "/other", 404],
  ])("%s", async (_, headers, path, status) => {
    expect(await statusOf(headers(new URL(live.url).host), path)).toBe(status);
    await until("no socket", () => live.live.counts().sockets === 0);
  });
});
