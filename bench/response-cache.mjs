/**
 * What the gateway's response cache spares: the same query over HTTP through four gateways in turn, so that a noisy moment hits all.
 *
 *   none      no cache: every request goes to the subgraph
 *   miss      a cache, and an event for the reader before each request: what a cold answer costs on top
 *   memory    answers from this process
 *   redis     memory kept too small for any answer, so each comes from Redis (needs redis-server on the PATH)
 *
 * The subgraph is served over HTTP by this process and answers 40 linked accounts without a database: what a database and its load cost
 * comes on top of `none` and `miss`.
 *
 * node --import ./scripts/register-typescript.mjs bench/response-cache.mjs [requests per gateway, default 2000]
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSealer } from "@florin/auth";
import { connectService, connectSubgraph, createSubgraph, serveSubgraph } from "@florin/graph";
import { systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { findRedisServer, startTestRedis } from "@florin/testkit";
import { startGateway } from "@florin/gateway";

const REQUESTS = Number.parseInt(process.argv[2] ?? "2000", 10);
const WARM_UP = 300;
const viewer = { principal: "usr_bench", roles: ["CUSTOMER"], scopes: [], sessionId: "ses_1", expiresAt: 4e9 };
const logger = createLogger({ name: "bench", level: "silent" });
const query = `{ linkedAccounts(first: 40) { edges { cursor node { id name mask type subtype
  balance { available current limit currency { isoCode unofficialCode } asOf source } } } pageInfo { hasNextPage endCursor } } }`;

const edges = Array.from({ length: 40 }, (_, index) => ({
  cursor: `${randomBytes(24).toString("base64url")}`,
  node: {
    ...{ id: `lac_${index}`, name: `Everyday Checking ${index}`, mask: String(1000 + index), type: "DEPOSITORY" },
    subtype: "checking",
    balance: {
      ...{ available: `${index * 137}.55`, current: `${index * 141}.10`, limit: null, source: "SYNC" },
      ...{ currency: { isoCode: "USD", unofficialCode: null }, asOf: "2026-11-20T10:01:02.123456Z" },
    },
  },
}));
const resolvers = {
  Query: { linkedAccounts: () => ({ edges, pageInfo: { hasNextPage: false, hasPreviousPage: false } }) },
};

/** A stream whose events come when the bench says so. */
function createStream(stream) {
  let position = 0n;
  const taps = new Set();
  return {
    ...{ stream, head: () => Promise.resolve(position), range: () => Promise.resolve([]) },
    tap: (listener) => {
      taps.add(listener);
      return () => taps.delete(listener);
    },
    publish: () => {
      position += 1n;
      const event = { stream, position, key: "lit_1", type: "linked_item.updated", audience: [viewer.principal] };
      for (const tap of taps) tap({ ...event, payload: { itemId: "lit_1" } });
    },
  };
}

const typeDefs = await readFile(new URL("../subgraphs/accounts/schema.graphql", import.meta.url), "utf8");
const verifyServiceToken = () => Promise.resolve();
const accounts = createSubgraph({
  ...{ name: "accounts", typeDefs, resolvers, verifyServiceToken, logger },
  ...{ verifyViewer: () => Promise.resolve(viewer), buildContext: (base) => base },
});
const served = await serveSubgraph(accounts, {
  ...{ host: "127.0.0.1", port: 0, callers: ["gateway"], logger, verifyCaller: () => Promise.resolve("gateway") },
});
const client = connectService({ name: "accounts", urls: [served.url] });
const redis = findRedisServer() === undefined ? undefined : await startTestRedis();

async function open(name, cacheOptions) {
  const streams = { accounts: createStream("accounts"), portfolio: createStream("portfolio") };
  const bus = { tap: (area, listener) => streams[area].tap(listener) };
  const secret = new Uint8Array(32).fill(1);
  const gateway = await startGateway({
    ...{ host: "127.0.0.1", port: 0, introspection: false, landingPage: "", logger },
    subgraphs: { accounts: connectSubgraph(client) },
    serviceTokens: { tokenFor: () => Promise.resolve("bench") },
    verifyViewer: () => Promise.resolve(viewer),
    exchangeApiKey: () => Promise.reject(new Error("none")),
    jwks: () => Promise.resolve({ keys: [] }),
    sealer: createSealer(new Uint8Array(32)),
    metrics: createMetrics({ processMetrics: false }),
    readiness: () => Promise.resolve({ isReady: true }),
    responseCache: cacheOptions && { secret, bus, streams, clock: systemClock, randomBytes, ...cacheOptions },
  });
  return { name, gateway, event: name === "miss" ? streams.accounts.publish : () => undefined, micros: [] };
}

async function ask({ gateway, event, micros }) {
  event();
  const began = performance.now();
  const answer = await fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer bench" },
    body: JSON.stringify({ query }),
  });
  const { data } = await answer.json();
  micros.push((performance.now() - began) * 1000);
  if (data?.linkedAccounts?.edges?.length !== 40) throw new Error("the answer is not what was asked for");
}

const seats = [await open("none", undefined), await open("miss", {}), await open("memory", {})];
if (redis !== undefined) seats.push(await open("redis", { redisUrl: redis.url, memoryBytes: 1 }));
for (let round = 0; round < WARM_UP; round++) for (const seat of seats) await ask(seat);
for (const seat of seats) seat.micros.length = 0;
for (let round = 0; round < REQUESTS; round++) for (const seat of seats) await ask(seat);

const at = (sorted, share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]);
console.log(`${REQUESTS} requests each, in turn; microseconds from fetch to parsed answer`);
console.table(
  Object.fromEntries(
    seats.map(({ name, micros }) => {
      const sorted = micros.toSorted((a, b) => a - b);
      return [name, { p50: at(sorted, 0.5), p90: at(sorted, 0.9), p99: at(sorted, 0.99) }];
    }),
  ),
);
for (const { name, gateway } of seats) {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const counts = [...text.matchAll(/^florin_gateway_response_cache_total\{outcome="(\w+)"\} (\d+)$/gm)];
  if (counts.length > 0)
    console.log(name, Object.fromEntries(counts.map(([, outcome, count]) => [outcome, Number(count)])));
}
await Promise.all(seats.map(({ gateway }) => gateway.stop(1_000)));
await served.stop(1_000);
client.stop();
await redis?.stop();
