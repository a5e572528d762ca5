import { randomBytes } from "node:crypto";
import { expect, test } from "@jest/globals";
import { createSealer, type Viewer } from "@florin/auth";
import type { Subgraph, SubgraphResponse } from "@florin/graph";
import { instantFromMillis } from "@florin/kernel";
import { createLogger, createMetrics } from "@florin/telemetry";
import { readSupergraph, startGateway } from "../src/index.js";
import { createStreams, tapsOf } from "./live/memory-stream.js";

/** A subgraph that answers when the test says so. */
function heldSubgraph(): { subgraph: Subgraph; asked: Promise<void>; answer(response: SubgraphResponse): void } {
  let answer: (response: SubgraphResponse) => void = () => undefined;
  const held = new Promise<SubgraphResponse>((resolve) => (answer = resolve));
  let tell: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (tell = resolve));
  const execute = () => {
    tell();
    return held;
  };
  return { subgraph: { name: "accounts", execute }, asked, answer };
}

const viewer: Viewer = {
  principal: "usr_1",
  roles: ["CUSTOMER"],
  scopes: [],
  sessionId: undefined,
  expiresAt: 4e9,
};

const foundations = {
  ...{ host: "127.0.0.1", port: 0, introspection: false, landingPage: "" },
  serviceTokens: { tokenFor: () => Promise.resolve("t") },
  verifyViewer: () => Promise.resolve(viewer),
  exchangeApiKey: () => Promise.reject(new Error("none")),
  jwks: () => Promise.resolve({ keys: [] }),
  sealer: createSealer(new Uint8Array(32)),
  logger: createLogger({ name: "test", level: "silent" }),
  metrics: createMetrics({ processMetrics: false }),
  readiness: () => Promise.resolve({ isReady: true }),
};

test("the door of webhooks is there where somebody receives them, and nowhere else", async () => {
  const bodies: string[] = [];
  const receivePlaidWebhook = (body: Uint8Array) => {
    bodies.push(Buffer.from(body).toString("utf8"));
    return Promise.resolve({ status: 200 } as const);
  };
  const [without, withDoor] = await Promise.all([
    startGateway({ ...foundations, subgraphs: {} }),
    startGateway({ ...foundations, subgraphs: {}, receivePlaidWebhook }),
  ]);
  const post = (url: string) => fetch(`${url}/webhooks/plaid`, { method: "POST", body: "{ }" });
  expect((await post(without.url)).status).toBe(404);
  expect((await post(withDoor.url)).status).toBe(200);
  expect(bodies).toEqual(["{ }"]);
  await Promise.all([without.stop(1_000), withDoor.stop(1_000)]);
});

test("balances of linked accounts are fetched once and kept; the metrics say so, and a stop lets go of the bus", async () => {
  const streams = createStreams();
  let fetches = 0;
  const execute = (): Promise<SubgraphResponse> => {
    fetches += 1;
    return Promise.resolve({ data: { linkedAccounts: { totalCount: 40 } } });
  };
  const metrics = createMetrics({ processMetrics: false });
  const clock = { now: () => instantFromMillis(1_000) };
  const gateway = await startGateway({
    ...{ ...foundations, metrics, subgraphs: { accounts: { name: "accounts", execute } } },
    responseCache: { ...{ secret: new Uint8Array(32), bus: tapsOf(streams), streams, clock }, randomBytes },
  });
  const ask = async () => {
    const answer = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer x" },
      body: JSON.stringify({ query: "{ linkedAccounts { totalCount } }" }),
    });
    return ((await answer.json()) as { data: unknown }).data;
  };
  for (let time = 1; time <= 4; time++) expect(await ask()).toEqual({ linkedAccounts: { totalCount: 40 } });
  const before = fetches;
  expect(before).toBeLessThan(4);
  streams.accounts.publish("linked_item.updated", "lit_1", [viewer.principal], { itemId: "lit_1" });
  await ask();
  expect(fetches).toBe(before + 1);
  expect(await metrics.render()).toContain('florin_gateway_response_cache_total{outcome="memory"}');
  await gateway.stop(1_000);
  expect(streams.accounts.taps.size + streams.portfolio.taps.size).toBe(0);
});

test("starts on the checked-in supergraph, and when stopped refuses new requests and ends running ones", async () => {
  expect(await readSupergraph()).toContain("join__Graph");
  const { subgraph, asked, answer } = heldSubgraph();
  const gateway = await startGateway({ ...foundations, subgraphs: { accounts: subgraph } });
  const running = fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer x" },
    body: JSON.stringify({ query: "{ me { fullName } }" }),
  });
  await asked;
  const stopped = gateway.stop(1_000);
  await expect(fetch(`${gateway.url}/health/live`)).rejects.toThrow();
  answer({ data: { me: { fullName: "Ada" } } });
  expect(await (await running).json()).toMatchObject({ data: { me: { fullName: "Ada" } } });
  await stopped;
});
