import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connectWatchedSocketLater } from "./watched-socket.js";

let server: Server;
let port: number;
const accepted: Socket[] = [];

beforeAll(async () => {
  server = createServer((socket) => void accepted.push(socket.on("error", () => undefined)));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  for (const socket of accepted) socket.destroy();
  await new Promise((done) => server.close(done));
});

const LONG_MS = 60_000;
const STARTUP = Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]);
const closed = (socket: Socket) => new Promise<void>((done) => socket.once("close", () => done()));

test("what is written before the choice arrives once there is a connection", async () => {
  let decide: (host: { host: string; port: number }) => void = () => undefined;
  const choose = () => new Promise<{ host: string; port: number }>((resolve) => (decide = resolve));
  const socket = connectWatchedSocketLater({ choose, onServerError: () => undefined }, LONG_MS);
  socket.write(STARTUP);
  const arrived = new Promise<Buffer>((done) =>
    server.once("connection", (peer: Socket) => peer.once("data", (chunk: Buffer) => done(chunk))),
  );
  decide({ host: "127.0.0.1", port });
  expect(await arrived).toEqual(STARTUP);
  socket.destroy();
  await closed(socket);
});

test("the choice's error is the socket's", async () => {
  const socket = connectWatchedSocketLater(
    { choose: () => Promise.reject(new Error("no primary")), onServerError: () => undefined },
    LONG_MS,
  );
  const error = await new Promise((done) => socket.once("error", done));
  expect(error).toMatchObject({ message: "no primary" });
});

test("a choice that never comes ends at the deadline", async () => {
  const choose = () => new Promise<{ host: string; port: number }>(() => undefined);
  const socket = connectWatchedSocketLater({ choose, onServerError: () => undefined }, 100);
  socket.write(STARTUP);
  const error = await new Promise((done) => socket.once("error", done));
  expect(error).toMatchObject({ code: "DATABASE_DEADLINE" });
});

test("destroyed before the choice, it connects nowhere", async () => {
  let decide: (host: { host: string; port: number }) => void = () => undefined;
  const choose = () => new Promise<{ host: string; port: number }>((resolve) => (decide = resolve));
  const socket = connectWatchedSocketLater({ choose, onServerError: () => undefined }, LONG_MS);
  socket.destroy();
  await closed(socket);
  decide({ host: "127.0.0.1", port });
  await new Promise(setImmediate);
  expect(socket.connecting).toBe(false);
});

/** ErrorResponse as the server sends it: type, length, fields of a letter and a text, each ended by a zero. */
function errorResponse(state: string, message: string): Buffer {
  const fields = Buffer.from(`SERROR\0VERROR\0C${state}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

test.each([1, 3, 7, 1_000])("reads the state of each error, in pieces of %d bytes", async (size) => {
  const states: string[] = [];
  const choose = () => Promise.resolve({ host: "127.0.0.1", port });
  const peerOf = new Promise<Socket>((done) => server.once("connection", done));
  const socket = connectWatchedSocketLater({ choose, onServerError: (state) => states.push(state) }, LONG_MS);
  const peer = await peerOf;
  const sent = Buffer.concat([
    ...[READY, errorResponse("25006", "cannot execute INSERT in a read-only transaction"), READY],
    ...[errorResponse("57P01", "C99999 ".repeat(50)), READY],
  ]);
  peer.setNoDelay(true);
  for (let at = 0; at < sent.length; at += size) {
    peer.write(sent.subarray(at, at + size));
    await new Promise(setImmediate);
  }
  peer.end();
  socket.resume();
  await closed(socket);
  expect(states).toEqual(["25006", "57P01"]);
});
