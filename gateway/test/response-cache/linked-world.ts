import { randomBytes } from "node:crypto";
import type { GraphQLDataSource } from "@apollo/gateway";
import type { Viewer } from "@florin/auth";
import type { Bus } from "@florin/events";
import type { Subgraph, SubgraphRequest, SubgraphResponse } from "@florin/graph";
import { instantFromMillis, type Area, type Clock, type EventEnvelope } from "@florin/kernel";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createRequestContext, createSubgraphDataSource, type GatewayContext } from "../../src/index.js";
import { createResponseCache, type ResponseCacheOptions } from "../../src/response-cache/index.js";
import { createStreams, type MemoryStream } from "../live/memory-stream.js";

export const secret = new Uint8Array(32).fill(3);
export const balancesText = "query($first:Int){linkedAccounts(first:$first){edges{node{id balance{current}}}}}";

const logger = createLogger({ name: "test", level: "silent" });

export function viewerOf(principal: string, more: Partial<Viewer> = {}): Viewer {
  return { principal, roles: ["CUSTOMER"], scopes: [], sessionId: "ses_1", expiresAt: 4e9, ...more };
}

export function contextOf(viewer: Viewer | undefined, more: Partial<GatewayContext> = {}): GatewayContext {
  const base = { viewer, viewerToken: viewer?.principal, correlationId: "cor_test" };
  return { ...createRequestContext(base), ...more };
}

export interface Held {
  readonly owner: string;
  readonly version: number;
}

/**
 * A subgraph that holds one version per person and answers with the oldest it may: what the consistency token demands, as a replica
 * that lags does. Without a token it answers with the newest.
 */
export class LinkedWorld {
  readonly streams = createStreams();
  readonly stream: MemoryStream = this.streams.accounts;
  /** Each person's versions: the position of the event that told it. */
  readonly #versions = new Map<string, bigint[]>();
  nowMs = 1_000_000;
  fetches = 0;
  requests: SubgraphRequest[] = [];
  /** Fetches wait for this. */
  gate: Promise<void> = Promise.resolve();
  respond: ((request: SubgraphRequest) => SubgraphResponse) | undefined;

  readonly clock: Clock = { now: () => instantFromMillis(this.nowMs) };

  readonly subgraph: Subgraph = {
    name: "accounts",
    execute: async (request) => {
      this.fetches += 1;
      this.requests.push(request);
      const held = this.#heldBy(request);
      if (request.headers["x-florin-viewer"] !== "usr_probe") await this.gate;
      return this.respond?.(request) ?? { data: { linkedAccounts: held } };
    },
  };

  change(principal: string): EventEnvelope {
    const versions = this.#versions.get(principal) ?? [];
    this.#versions.set(principal, versions);
    const audience = [principal, "role:staff"];
    const event = this.stream.publish("linked_item.updated", `lit_${principal}`, audience, {
      version: versions.length + 1,
    });
    versions.push(event.position);
    return event;
  }

  versionOf(principal: string): number {
    return this.#versions.get(principal)?.length ?? 0;
  }

  #heldBy(request: SubgraphRequest): Held {
    const owner = request.headers["x-florin-viewer"] ?? "";
    const demanded = /accounts=(\d+)/.exec(request.headers["x-consistency-token"] ?? "")?.[1];
    const versions = this.#versions.get(owner) ?? [];
    const version = demanded === undefined ? versions.length : versions.filter((at) => at <= BigInt(demanded)).length;
    return { owner, version };
  }
}

/** The part of a data source's request that ours reads. */
interface Source {
  process(options: {
    readonly request: { readonly query?: string; readonly variables?: Record<string, unknown> };
    readonly context: object;
  }): ReturnType<GraphQLDataSource["process"]>;
}

/** One gateway's way to the subgraph, with a bus that delivers when the test says so. */
export class TestGateway {
  readonly #world: LinkedWorld;
  readonly #taps = new Map<Area, Set<(event: EventEnvelope) => void>>();
  readonly metrics = createMetrics({ processMetrics: false });
  readonly #source: Source;
  readonly #stop: () => void;
  /** What the bus has for this gateway and has not delivered. */
  readonly pending: EventEnvelope[] = [];

  constructor(world: LinkedWorld, options: Partial<ResponseCacheOptions> = {}) {
    this.#world = world;
    const bus: Pick<Bus, "tap"> = {
      tap: (area, listener) => {
        const taps = this.#taps.get(area) ?? new Set();
        this.#taps.set(area, taps.add(listener));
        return () => void taps.delete(listener);
      },
    };
    const { streams, clock, stream } = world;
    const cache = createResponseCache({ secret, bus, streams, clock, randomBytes, ...options }, this.metrics);
    const tokens = { tokenFor: () => Promise.resolve("service") };
    this.#source = createSubgraphDataSource(world.subgraph, tokens, logger, cache);
    const queue = (event: EventEnvelope): void => void this.pending.push(event);
    stream.taps.add(queue);
    this.#stop = () => {
      stream.taps.delete(queue);
      cache.stop();
    };
  }

  deliver(count = Infinity): readonly EventEnvelope[] {
    const events = this.pending.splice(0, Math.min(count, this.pending.length));
    for (const event of events) for (const tap of this.#taps.get(event.stream) ?? []) tap(event);
    return events;
  }

  async fetch(query: string, context: GatewayContext, variables: Record<string, unknown> = {}) {
    return this.#source.process({ request: { query, variables }, context });
  }

  async read(principal: string, variables: Record<string, unknown> = {}): Promise<Held> {
    const answer = await this.fetch(balancesText, contextOf(viewerOf(principal)), variables);
    return (answer.data as { linkedAccounts: Held }).linkedAccounts;
  }

  /** The heads of the streams are known: from now on answers are kept. */
  async ready(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async counted(): Promise<Record<string, number>> {
    const text = await this.metrics.render();
    const lines = text.matchAll(/^florin_gateway_response_cache_total\{outcome="(\w+)"\} (\d+)$/gm);
    return Object.fromEntries(
      [...lines].map(([, outcome = "", count]) => [outcome, Number.parseInt(count ?? "0", 10)]),
    );
  }

  stop(): void {
    this.#stop();
  }
}
