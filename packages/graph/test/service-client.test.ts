import { createServer, type Server } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "@jest/globals";
import { instantFromMicros, asUuid, type EventEnvelope } from "@florin/kernel";
import {
  connectEventStream,
  connectService,
  eventRoutes,
  serveSubgraph,
  startHttpServer,
  type HttpServer,
  type ServiceCall,
} from "../src/index.js";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A target that counts what reached it and answers its own name. */
async function startTarget(name: string, work: () => Promise<void> = () => Promise.resolve()) {
  let requests = 0;
  const http: HttpServer = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    onFault: () => undefined,
    handle: async (_request, response) => {
      requests++;
      await work();
      response.end(name);
    },
  });
  closing.push(() => http.stop(100));
  return { http, url: http.url, requests: () => requests };
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(async () => {
    server.close();
    if (server.listening) await once(server, "close");
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const read: ServiceCall = { method: "GET", path: "/", headers: {}, budgetMs: 5_000, isRead: true };
const write: ServiceCall = { ...read, method: "POST", body: "{}", isRead: false };
const NOWHERE = "http://127.0.0.1:1";

function client(...urls: string[]) {
  const made = connectService({ name: "ledger", urls });
  closing.push(() => made.stop());
  return made;
}

describe("calls to a service of several processes", () => {
  test("take turns", async () => {
    const [a, b] = [await startTarget("a"), await startTarget("b")];
    const ledger = client(a.url, b.url);
    for (let i = 0; i < 10; i++) await ledger.call(read);
    expect([a.requests(), b.requests()]).toEqual([5, 5]);
  });

  test("go to the next when one refuses the connection, and leave that one alone", async () => {
    const a = await startTarget("a");
    const ledger = client(NOWHERE, a.url);
    for (let i = 0; i < 6; i++) expect(await ledger.call(write)).toEqual({ status: 200, text: "a" });
    expect(a.requests()).toBe(6);
  });

  test("are TEMPORARILY_UNAVAILABLE when there is nobody, and work again when somebody comes back", async () => {
    const spot = await startTarget("first");
    const { port } = spot.http;
    const ledger = client(spot.url);
    await spot.http.stop(100);
    await expect(ledger.call(read)).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
    const back = createServer((_request, response) => response.end("back")).listen(port, "127.0.0.1");
    await once(back, "listening");
    closing.push(() => void back.close());
    expect((await ledger.call(read)).text).toBe("back");
  });

  test("go elsewhere as soon as an answer says that its process drains", async () => {
    const [a, b] = [await startTarget("a"), await startTarget("b")];
    const ledger = client(a.url, b.url);
    a.http.drain();
    for (let i = 0; i < 8; i++) await ledger.call(write);
    expect(a.requests()).toBe(1); // still answered, and then left alone
    expect(b.requests()).toBe(7);
  });

  test("a write whose connection is lost after it was sent is not sent anywhere else", async () => {
    const lossy = await listen(createTcpServer((socket) => socket.once("data", () => socket.destroy())));
    const b = await startTarget("b");
    const ledger = client(b.url, lossy); // the first turn is the second target's
    await expect(ledger.call(write)).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
    expect(b.requests()).toBe(0);
  });

  test("a read whose connection is lost is asked again at the next", async () => {
    const lossy = await listen(createTcpServer((socket) => socket.once("data", () => socket.destroy())));
    const b = await startTarget("b");
    expect((await client(b.url, lossy).call(read)).text).toBe("b");
  });

  test("go to the next when one does not believe the token, and say so when none does", async () => {
    const strict = await listen(createServer((_request, response) => response.writeHead(401).end("who?")));
    const b = await startTarget("b");
    const ledger = client(b.url, strict);
    for (let i = 0; i < 4; i++) expect((await ledger.call(write)).text).toBe("b");
    expect(await client(strict, strict).call(write)).toEqual({ status: 401, text: "who?" });
  });

  test("end with the caller's budget when a process hangs", async () => {
    const sockets: Socket[] = [];
    const silent = await listen(createTcpServer((socket) => void sockets.push(socket)));
    closing.push(() => sockets.forEach((socket) => socket.destroy()));
    await expect(client(silent).call({ ...read, budgetMs: 50 })).rejects.toMatchObject({
      code: "TEMPORARILY_UNAVAILABLE",
    });
  });
});

describe("a server that leaves", () => {
  test("answers while it drains, asking each client to come back on another connection", async () => {
    const a = await startTarget("a");
    expect((await fetch(a.url)).headers.get("connection")).toBe("keep-alive");
    a.http.drain();
    const answer = await fetch(a.url);
    expect(await answer.text()).toBe("a");
    expect(answer.headers.get("connection")).toBe("close");
  });

  test("ends what is under way, and no idle connection holds it up", async () => {
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    const a = await startTarget("a", () => held);
    const idle = connect(a.http.port, "127.0.0.1");
    await once(idle, "connect");
    const running = fetch(a.url);
    while (a.requests() === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopped = a.http.stop(60_000);
    await expect(fetch(a.url)).rejects.toThrow();
    finish();
    expect(await (await running).text()).toBe("a");
    await stopped;
    idle.destroy();
  });

  test("cuts at the deadline what does not end", async () => {
    const a = await startTarget("a", () => new Promise(() => undefined));
    const running = expect(fetch(a.url)).rejects.toThrow();
    while (a.requests() === 0) await new Promise((resolve) => setImmediate(resolve));
    await a.http.stop(50);
    await running;
  });

  test("refuses what still arrives on an open connection, so that it may be sent elsewhere", async () => {
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    const a = await startTarget("a", () => held);
    const socket = connect(a.http.port, "127.0.0.1");
    let received = "";
    socket.setEncoding("utf8").on("data", (text: string) => (received += text));
    const request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    socket.write(request);
    while (a.requests() === 0) await new Promise((resolve) => setImmediate(resolve));
    const stopped = a.http.stop(60_000);
    socket.write(request); // pipelined behind the one that runs
    finish();
    await once(socket, "close");
    await stopped;
    expect(received).toContain("HTTP/1.1 200");
    expect(a.requests()).toBe(1);
  });
});

describe("an area's events over HTTP", () => {
  const event = (position: bigint): EventEnvelope => ({
    eventId: asUuid("00000000-0000-7000-8000-000000000001"),
    stream: "ledger",
    position,
    key: "acct_1",
    type: "account.posted",
    schemaVersion: 1,
    occurredAt: instantFromMicros(1_790_000_000_123_456n),
    correlationId: "cor-1",
    audience: ["usr_1"],
    payload: { amount: "12.50" },
  });
  const far = 2n ** 53n + 1n;
  const stream = {
    stream: "ledger" as const,
    head: () => Promise.resolve(far),
    range: (after: bigint, limit: number) => Promise.resolve(limit < 1 ? [] : [event(after + 1n)]),
  };

  async function serve() {
    const served = await serveSubgraph(
      { name: "ledger", execute: () => Promise.resolve({}) },
      {
        ...{ host: "127.0.0.1", port: 0, callers: ["gateway"], logger: { error: () => undefined } },
        routes: eventRoutes(stream, ["gateway"]),
        verifyCaller: (token) =>
          token.startsWith("token-of-") ? Promise.resolve(token.slice(9)) : Promise.reject(new Error("no")),
      },
    );
    closing.push(() => served.stop(100));
    return served.url;
  }

  test("arrive exactly, beyond what a number can hold", async () => {
    const remote = connectEventStream(
      client(await serve()),
      { tokenFor: () => Promise.resolve("token-of-gateway") },
      { stream: "ledger", budgetMs: 5_000 },
    );
    expect(await remote.head()).toBe(far);
    expect(await remote.range(far, 10)).toEqual([event(far + 1n)]);
  });

  test.each([
    ["nobody", undefined, 401],
    ["a caller that is not on the list", "token-of-payments", 403],
    ["the gateway", "token-of-gateway", 200],
  ])("are given to %s as %s: %i", async (_who, token, status) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    expect((await fetch(`${await serve()}/events/head`, { headers })).status).toBe(status);
  });

  test.each(["after=-1&limit=1", "after=1&limit=0", "after=1&limit=1001", "after=x&limit=1", "limit=1"])(
    "are refused for %s",
    async (query) => {
      const headers = { authorization: "Bearer token-of-gateway" };
      expect((await fetch(`${await serve()}/events?${query}`, { headers })).status).toBe(400);
    },
  );
});
