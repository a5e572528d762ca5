import { createServer, request as httpRequest, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createAddressLimit, networkOf } from "../src/address-limit.js";
import { createWebhookDoor, type WebhookDoorOptions, type WebhookStatus } from "../src/webhook-door.js";

const taken: { body: Buffer; signature: string | undefined }[] = [];
const logged: string[] = [];
const metrics = createMetrics({ processMetrics: false });
const logger = createLogger({ name: "test", level: "debug", destination: { write: (line) => void logged.push(line) } });
const servers: Server[] = [];
let nowMs = 0;

afterEach(async () => {
  taken.length = 0;
  logged.length = 0;
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

const answering = (status: WebhookStatus): WebhookDoorOptions["receive"] => {
  return (rawBody, signature) => {
    taken.push({ body: Buffer.from(rawBody), signature });
    return Promise.resolve({ status });
  };
};

async function open(receive: WebhookDoorOptions["receive"], limits: WebhookDoorOptions["limits"] = {}) {
  const door = createWebhookDoor({ receive, logger, metrics, limits, now: () => nowMs });
  const server = createServer((request, response) => void door(request, response));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function post(port: number, body: string | Buffer, headers: Record<string, string> = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body, headers });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

test("the bytes are handed on as they came, with the signature, and the answer is empty JSON", async () => {
  const port = await open(answering(200));
  const bytes = Buffer.from([0x7b, 0x0a, 0x20, 0xff, 0xfe, 0x00, 0x7d]); // no UTF-8: re-encoding would change it
  const answer = await post(port, bytes, { "plaid-verification": "a.b.c" });
  expect([answer.status, answer.text]).toEqual([200, "{}"]);
  expect(taken).toEqual([{ body: bytes, signature: "a.b.c" }]);
  await post(port, "{}");
  expect(taken[1]).toEqual({ body: Buffer.from("{}"), signature: undefined });
});

test.each([401, 413, 503] as const)("what the receiver answers is the answer: %d", async (status) => {
  const answer = await post(await open(answering(status)), "{}");
  expect([answer.status, answer.text]).toEqual([status, "{}"]);
});

test("a body above the cap is refused, with or without a declared length, and is not handed on", async () => {
  const port = await open(answering(200), { bodyBytes: 1_000 });
  expect((await post(port, "x".repeat(1_000))).status).toBe(200);
  expect((await post(port, "x".repeat(1_001))).status).toBe(413);
  const chunked = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest({ port, host: "127.0.0.1", method: "POST" }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    request.on("error", reject);
    request.write("x".repeat(900));
    request.write("x".repeat(900));
    request.end();
  });
  expect(chunked).toBe(413);
  expect(taken).toHaveLength(1);
});

test("only POST", async () => {
  const answer = await fetch(`http://127.0.0.1:${await open(answering(200))}/`);
  expect([answer.status, answer.headers.get("allow"), await answer.text()]).toEqual([405, "POST", "{}"]);
});

test("a receiver that fails is a 503, and neither the body nor the signature is in a log", async () => {
  const port = await open(() => Promise.reject(new Error("the database is away")));
  const answer = await post(port, '{"canary":"body-canary"}', { "plaid-verification": "signature-canary" });
  expect([answer.status, answer.text]).toEqual([503, "{}"]);
  expect(logged.join("\n")).toContain("the database is away");
  expect(logged.join("\n")).not.toContain("canary");
});

test("a receiver that takes too long is a 503 before the sender gives up", async () => {
  let release: () => void = () => undefined;
  const held = new Promise<{ status: 200 }>((resolve) => (release = () => resolve({ status: 200 })));
  const port = await open(() => held, { deadlineMs: 20 });
  expect((await post(port, "{}")).status).toBe(503);
  release();
});

test("a body that never ends is answered at the deadline", async () => {
  const port = await open(answering(200), { deadlineMs: 20 });
  const said = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{");
    });
    let text = "";
    socket.on("data", (data) => (text += String(data)));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  expect(said).toMatch(/^HTTP\/1.1 503 /);
  expect(taken).toEqual([]);
});

test("work at once is bounded, and room comes back", async () => {
  const releases: (() => void)[] = [];
  const receive = () => new Promise<{ status: 200 }>((resolve) => releases.push(() => resolve({ status: 200 })));
  const port = await open(receive, { atOnce: 2 });
  const held = [post(port, "1"), post(port, "2")];
  while (releases.length < 2) await new Promise((resolve) => setImmediate(resolve));
  expect((await post(port, "3")).status).toBe(503);
  releases.forEach((release) => release());
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
  const after = post(port, "4");
  while (releases.length < 3) await new Promise((resolve) => setImmediate(resolve));
  releases[2]!();
  expect((await after).status).toBe(200);
});

test("an address has a limit, is told when to come back, and comes back", async () => {
  const port = await open(answering(200), { burst: 2, perSecond: 0.5 });
  expect((await post(port, "1")).status).toBe(200);
  expect((await post(port, "2")).status).toBe(200);
  const refused = await post(port, "3");
  expect([refused.status, refused.headers.get("retry-after"), refused.text]).toEqual([429, "2", "{}"]);
  expect(taken).toHaveLength(2);
  nowMs += 2_000;
  expect((await post(port, "4")).status).toBe(200);
});

test("buckets are bounded, and one network's do not touch another's", () => {
  const limit = createAddressLimit({ burst: 1, perSecond: 1, addresses: 2, now: () => 0 });
  expect(limit.take("10.0.0.1")).toBe(0);
  expect(limit.take("10.0.0.1")).toBe(1_000);
  expect(limit.take("10.0.0.2")).toBe(0);
  expect(limit.take("10.0.0.3")).toBe(0); // the first is forgotten
  expect(limit.take("10.0.0.1")).toBe(0);
});

test.each([
  ["10.0.0.1", "10.0.0.1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::1", "0:0:0:0::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:0db8:0:0:ffff::1", "2001:db8:0:0::/64"],
  ["2001:db8:0:1::1", "2001:db8:0:1::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
])("%s is counted as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
