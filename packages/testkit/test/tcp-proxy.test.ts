import { randomUUID } from "node:crypto";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import postgres from "postgres";
import fc from "fast-check";
import { COMMIT_COMPLETE, createTestDatabase, eventually, startTcpProxy, type TcpProxy } from "../src/index.js";
import { ByteWatch } from "../src/byte-watch.js";

/** A server that sends everything back, and remembers in which pieces it came and how its connections ended. */
async function startEcho() {
  const received: Buffer[] = [];
  const ends: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      received.push(bytes);
      socket.write(bytes);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => ends.push(error.code ?? "error"));
    socket.on("end", () => ends.push("end"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    received,
    ends,
    sockets,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A client that keeps what it got and how it ended. */
async function dial(port: number) {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const pieces: Buffer[] = [];
  let ended: string | undefined;
  socket.on("data", (bytes: Buffer) => pieces.push(bytes));
  socket.on("end", () => (ended ??= "end"));
  socket.on("error", (error: NodeJS.ErrnoException) => (ended ??= error.code ?? "error"));
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return {
    socket,
    pieces,
    text: () => Buffer.concat(pieces).toString(),
    ended: () => ended,
    say: (text: string) => socket.write(text),
  };
}

let echo: Awaited<ReturnType<typeof startEcho>>;
let proxy: TcpProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = await startEcho();
  proxy = await startTcpProxy({ target: { host: "127.0.0.1", port: echo.port } });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.stop();
  await echo.stop();
});

async function dialProxy() {
  const client = await dial(proxy.port);
  clients.push(client.socket);
  return client;
}

test("forwards both ways, counts connections and forwards the end of a stream", async () => {
  const client = await dialProxy();
  client.say("hello");
  await eventually(() => client.text() === "hello");
  expect(proxy.connections).toBe(1);
  client.socket.end();
  await eventually(() => client.ended() === "end");
  await eventually(() => proxy.connections === 0);
  expect(echo.ends).toEqual(["end"]);
});

test("keeps a megabyte in order through latency, jitter and slices", async () => {
  proxy.latency(5, 20);
  proxy.slice(4_000, "toClient");
  const client = await dialProxy();
  const sent = Array.from({ length: 140_000 }, (_, index) => String(index).padStart(7, "0")).join(",");
  client.say(sent);
  await eventually(() => client.text().length >= sent.length, 20_000);
  expect(client.text() === sent).toBe(true);
});

test("latency holds each piece back, in the direction that was asked for", async () => {
  proxy.latency(150, 0, "toClient");
  const client = await dialProxy();
  const before = performance.now();
  client.say("x");
  await eventually(() => echo.received.length === 1);
  await eventually(() => client.text() === "x");
  expect(performance.now() - before).toBeGreaterThanOrEqual(149);
});

test("bandwidth paces what passes", async () => {
  proxy.bandwidth(50_000, "toServer");
  const client = await dialProxy();
  const before = performance.now();
  client.say("x".repeat(15_000));
  await eventually(() => client.text().length === 15_000, 10_000);
  expect(performance.now() - before).toBeGreaterThanOrEqual(250);
});

test("a slow receiver's bytes push back on the sender instead of filling memory", async () => {
  proxy.halfOpen("toServer");
  const client = await dialProxy();
  let written = 0;
  // The kernel's buffers on both sides and the proxy's own: far less than what is offered.
  const offered = 64 * 1024 * 1024;
  const block = Buffer.alloc(1024 * 1024);
  for (let sent = 0; sent < offered; sent += block.length)
    client.socket.write(block, () => {
      written += block.length;
    });
  await eventually(() => written > 0);
  let last = -1;
  await eventually(async () => {
    const isStill = last === written;
    last = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isStill && last === written;
  }, 15_000);
  expect(written).toBeLessThan(offered / 2);
});

test("slices arrive as pieces of at most that many bytes", async () => {
  proxy.slice(3, "toServer");
  const client = await dialProxy();
  client.say("a pattern in pieces");
  await eventually(() => client.text() === "a pattern in pieces");
  // Pieces may be joined by a receiver that was late, but hardly all of them.
  expect(echo.received.length).toBeGreaterThan(1);
});

test("a black hole accepts and forwards nothing, and what it held goes on when healed", async () => {
  proxy.blackHole();
  const client = await dialProxy();
  client.say("into the dark");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(echo.received).toEqual([]);
  expect(client.ended()).toBeUndefined();
  proxy.heal();
  await eventually(() => client.text() === "into the dark");
});

test("a black hole swallows a connection that is open already, and does not tell the server that its client is gone", async () => {
  const client = await dialProxy();
  client.say("1");
  await eventually(() => client.text() === "1");
  proxy.blackHole();
  client.socket.resetAndDestroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(echo.ends).toEqual([]);
  proxy.heal();
  await eventually(() => echo.ends.length === 1);
  await eventually(() => proxy.connections === 0);
});

test("half open: the server hears the client, the client hears nothing", async () => {
  const client = await dialProxy();
  proxy.halfOpen();
  client.say("can you hear me");
  await eventually(() => echo.received.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(client.text()).toBe("");
  proxy.heal();
  await eventually(() => client.text() === "can you hear me");
});

test("reset reaches both sides at once, and later connections work", async () => {
  const client = await dialProxy();
  client.say("1");
  await eventually(() => client.text() === "1");
  proxy.reset();
  await eventually(() => client.ended() === "ECONNRESET");
  await eventually(() => echo.ends[0] === "ECONNRESET");
  const next = await dialProxy();
  next.say("2");
  await eventually(() => next.text() === "2");
});

test("limitBytes lets exactly so many through and resets", async () => {
  proxy.limitBytes(10, "toServer");
  const client = await dialProxy();
  client.say("0123456789abcdef");
  await eventually(() => client.ended() === "ECONNRESET");
  expect(Buffer.concat(echo.received).toString()).toBe("0123456789");
});

test("a server that refuses is a connection that is reset", async () => {
  await echo.stop();
  const client = await dialProxy();
  await eventually(() => client.ended() !== undefined);
  await eventually(() => proxy.connections === 0);
});

describe("cutAfter", () => {
  test("the receiver never gets the whole pattern, also when it comes in pieces", async () => {
    proxy.slice(2, "toServer"); // the server's echo, and so the pattern, comes in pieces
    const cut = proxy.cutAfter("COMMIT");
    const client = await dialProxy();
    client.say("BEGIN;");
    await eventually(() => client.text() === "BEGIN;");
    expect(cut.hasFired).toBe(false);
    client.say("COMMIT;");
    await cut.fired;
    await eventually(() => client.ended() !== undefined);
    expect(client.text()).not.toContain("COMMIT");
    const next = await dialProxy();
    proxy.slice(Infinity);
    next.say("COMMIT;"); // a cut is made once
    await eventually(() => next.text() === "COMMIT;");
  });

  test("with forward, the receiver gets exactly up to the end of the pattern", async () => {
    const cut = proxy.cutAfter("COMMIT", { direction: "toServer", forward: true });
    const client = await dialProxy();
    client.say("work;COMMIT;more work");
    await cut.fired;
    await eventually(() => client.ended() !== undefined);
    await eventually(() => Buffer.concat(echo.received).toString() === "work;COMMIT");
  });

  test("counts over all connections", async () => {
    const cut = proxy.cutAfter("X", { nth: 3 });
    const [one, two] = [await dialProxy(), await dialProxy()];
    one.say("X");
    await eventually(() => one.text() === "X");
    two.say("X");
    await eventually(() => two.text() === "X");
    expect(cut.hasFired).toBe(false);
    one.say("X");
    await cut.fired;
    await eventually(() => one.ended() !== undefined);
    expect(two.ended()).toBeUndefined();
  });

  test("finds a pattern however the bytes are split", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", "b", "ab", "aab", "aa"), { maxLength: 30 }),
        fc.constantFrom("ab", "aab", "b", "abab"),
        (pieces, pattern) => {
          const watch = new ByteWatch(pattern);
          let [offset, seen] = [0, 0];
          const found: number[] = [];
          for (const piece of pieces) {
            for (const end of watch.feed(Buffer.from(piece))) found.push(offset + end);
            offset += piece.length;
          }
          const text = pieces.join("");
          const expected: number[] = [];
          for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, seen)) {
            seen = at + pattern.length;
            expected.push(seen);
          }
          expect(found).toEqual(expected);
        },
      ),
    );
  });

  test("between PostgreSQL's commit and the client: the row is there and the client cannot know", async () => {
    const database = await createTestDatabase();
    const { hostname, port } = new URL(database.url);
    const toPostgres = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
    const direct = postgres(database.url, { max: 1, onnotice: () => undefined });
    const proxied = postgres(toPostgres.url(database.url), { max: 1, onnotice: () => undefined });
    try {
      await direct`create table kept (id text primary key)`;
      await proxied`select 1`;
      for (const sliceBytes of [Infinity, 3]) {
        toPostgres.slice(sliceBytes);
        const id = randomUUID();
        const cut = toPostgres.cutAfter(COMMIT_COMPLETE);
        await expect(proxied.begin(async (tx) => tx`insert into kept values (${id})`)).rejects.toThrow();
        expect(cut.hasFired).toBe(true);
        expect(await direct`select id from kept where id = ${id}`).toHaveLength(1);
      }
      toPostgres.heal();
      await proxied.begin(async (tx) => tx`insert into kept values ('after')`); // the pool goes on
    } finally {
      await Promise.all([proxied.end({ timeout: 1 }), direct.end({ timeout: 1 })]);
      await toPostgres.stop();
      await database.drop();
    }
  });
});
