import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient, type Client } from "graphql-ws";
import type { GraphQLError } from "graphql";
import { WebSocket } from "ws";
import { createSealer, type Viewer } from "@florin/auth";
import { instantFromMillis } from "@florin/kernel";
import { createLiveQueries, type LiveLimits, type LiveQueries } from "../../src/live/index.js";
import { accountId, createStreams, tapsOf, type MemoryStream } from "./memory-stream.js";
import { createSmallGraph, type SmallWorld } from "./small-graph.js";

/** The gateway's live queries over the small graph, on a port of their own, with two areas to publish in. */
export interface LiveWorld {
  readonly url: string;
  readonly live: LiveQueries;
  readonly world: SmallWorld;
  readonly ledger: MemoryStream;
  readonly accounts: MemoryStream;
  readonly logged: string[];
  /** What subgraphs were asked to have reached, execution by execution. */
  readonly consistencies: string[];
  /** Posts to an account of the world, `transactions` at once. */
  post(account: string, seq: number, audience: readonly string[], transactions?: number): void;
  client(token?: string): Client;
  /** Ends this instance as a restart does; the streams stay. */
  stop(): Promise<void>;
}

const sealer = createSealer(Buffer.alloc(32, "a secret of these tests"));

/** `usr_ada` or `usr_ada;STAFF;ses_1;exp=123`: who the token says it is, as these tests write it. */
async function verifyViewer(token: string): Promise<Viewer> {
  const [principal = "", role = "CUSTOMER", session, expiry] = token.split(";");
  if (!principal.startsWith("usr_")) throw new Error("not a token of ours");
  const expiresAt = expiry === undefined ? Date.now() / 1000 + 600 : Number.parseFloat(expiry);
  const known = ["STAFF", "AUDITOR"] as const;
  const roles = [known.find((name) => name === role) ?? ("CUSTOMER" as const)];
  return { principal, roles, scopes: [], sessionId: session, expiresAt };
}

export async function startLive(limits: Partial<LiveLimits> = {}, streams = createStreams()): Promise<LiveWorld> {
  const world: SmallWorld = {
    owners: new Map([
      ["usr_ada", new Set([accountId(1), accountId(2)])],
      ["usr_bo", new Set([accountId(3)])],
      ["usr_staff", new Set([accountId(1), accountId(2), accountId(3)])],
    ]),
    operations: new Map(),
    items: new Map(),
    fetches: { accounts: 0, ledger: 0 },
    gate: Promise.resolve(),
    isLedgerDown: false,
    failOnce: undefined,
  };
  const snapshot = createSmallGraph(world);
  const logged: string[] = [];
  const consistencies: string[] = [];
  const log = (fields: object, message: string): void => void logged.push(`${message} ${describe(fields)}`);
  const live = createLiveQueries({
    snapshot: () => snapshot,
    checkOperation: () => [],
    verifyViewer,
    createContext: (caller, consistency) => {
      if (consistency !== undefined) consistencies.push(consistency);
      return { correlationId: "cor_test", principal: caller.viewer?.principal };
    },
    formatErrors: (errors: readonly GraphQLError[]) =>
      errors.map(({ message, extensions }) => ({ message, extensions: { code: extensions["code"] ?? "INTERNAL" } })),
    sealer,
    bus: tapsOf(streams),
    streams,
    clock: { now: () => instantFromMillis(Date.now()) },
    logger: { warn: log, error: log },
    limits: { stopSpreadMs: 20, slowConsumerGraceMs: 50, socketsPerPrincipal: 1000, ...limits },
  });
  const server = createServer((_, response) => void response.writeHead(404).end());
  live.attach(server);
  const url = await listen(server);
  const clients: Client[] = [];
  return {
    url,
    live,
    world,
    ledger: streams.ledger,
    accounts: streams.accounts,
    logged,
    consistencies,
    post(account, seq, audience, transactions = 1) {
      const transactionIds = Array.from({ length: transactions }, (_, index) => `${account}_${seq}_${index}`);
      const payload = { accountId: account, accountSeq: String(seq), transactionIds };
      streams.ledger.publish("account.posted", account, audience, payload);
    },
    client(token) {
      const connectionParams = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const client = createClient({
        url,
        webSocketImpl: WebSocket,
        connectionParams,
        lazy: false,
        retryAttempts: 0,
        onNonLazyError: () => undefined,
      });
      clients.push(client);
      return client;
    },
    async stop() {
      await live.stop();
      await Promise.all(clients.map(async (client) => client.dispose()));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function describe(fields: object): string {
  return Object.values(fields)
    .map((value) => (value instanceof Error ? String(value.stack) : String(value)))
    .join(" ");
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return `ws://127.0.0.1:${port}/graphql`;
}

export interface Followed {
  readonly data: Record<string, { cursor: string } & Record<string, unknown>>[];
  readonly errors: readonly unknown[];
  /** "complete", or what ended it. */
  readonly end: unknown;
  stop(): void;
}

/** Subscribes and collects. */
export function follow(client: Client, query: string, variables: Record<string, unknown> = {}): Followed {
  const seen = {
    data: [] as Followed["data"],
    errors: [] as unknown[],
    end: undefined as unknown,
    stop: () => undefined as void,
  };
  seen.stop = client.subscribe<Followed["data"][number]>(
    { query, variables },
    {
      next(result) {
        if (result.data) seen.data.push(result.data);
        if (result.errors) seen.errors.push(...result.errors);
      },
      error: (error) => (seen.end = error),
      complete: () => (seen.end ??= "complete"),
    },
  );
  return seen;
}

/** A socket that speaks the protocol by hand: to stall, to break rules, and to see close codes. */
export function rawSocket(url: string, params: object) {
  const socket = new WebSocket(url, "graphql-transport-ws");
  const seen = { messages: [] as Record<string, unknown>[], code: 0, reason: "", socket };
  socket.on("open", () => socket.send(JSON.stringify({ type: "connection_init", payload: params })));
  socket.on("message", (data) => seen.messages.push(JSON.parse(String(data))));
  socket.on("close", (code, reason) => Object.assign(seen, { code, reason: String(reason) }));
  socket.on("error", () => undefined);
  return seen;
}

/** Waits until the condition holds; fails after the deadline and says for what it waited. */
export async function until(what: string, condition: () => boolean, deadlineMs = 5_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
