import {
  createSealer,
  createServiceTokens,
  createServiceVerifier,
  createTokenIssuer,
  createTokenVerifier,
  generateServiceKey,
  generateSigningKey,
  toPublicJwks,
  type Role,
} from "@florin/auth";
import { createInProcessBus } from "@florin/events";
import type { SubgraphResponse } from "@florin/graph";
import { formatId, parseId, type EventEnvelope, type Json, type Uuid } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createTestDatabase, eventually } from "@florin/testkit";
import { createLedgerArea } from "../src/index.js";

/** A ledger on a database of its own, its writer and its bus included, spoken to as the gateway speaks to it. */
export interface Person {
  readonly principal: string;
  readonly roles: readonly Role[];
  readonly scopes: readonly string[];
}

export const staff: Person = { principal: "usr_staff", roles: ["STAFF"], scopes: ["staff", "ledger:read"] };
export const partner: Person = {
  principal: "ptr_demo",
  roles: ["PARTNER"],
  scopes: ["posting:write", "ledger:read", "cash:in", "cash:out"],
};

export function customer(name: string): Person {
  return { principal: `usr_${name}`, roles: ["CUSTOMER"], scopes: [] };
}

export async function startLedger(
  options: {
    readonly ownersMayMoveCash?: boolean;
    /** Default: a database of its own, and no replica. */
    readonly databases?: { readonly primaryUrl: string; readonly replicaUrl: string };
  } = {},
) {
  const { databases } = options;
  const testDatabase =
    databases === undefined ? await createTestDatabase() : { url: databases.primaryUrl, drop: () => Promise.resolve() };
  const logger = createLogger({ name: "ledger-test", level: "silent" });
  const metrics = createMetrics({ processMetrics: false });
  const clock = systemClock;
  const bus = createInProcessBus({ logger, metrics });
  const signingKey = await generateSigningKey("key-1", clock.now());
  const serviceKey = await generateServiceKey("gateway");
  const issuer = createTokenIssuer({ issuer: "florin-test", clock, activeKey: () => Promise.resolve(signingKey) });
  const serviceTokens = createServiceTokens({ name: "gateway", privateJwk: serviceKey.privateJwk, clock });
  const viewers = createTokenVerifier({
    issuer: "florin-test",
    clock,
    jwks: () => Promise.resolve(toPublicJwks([signingKey])),
  });
  const services = createServiceVerifier({
    audience: "ledger",
    clock,
    jwks: () => Promise.resolve({ keys: [serviceKey.publicJwk] }),
  });
  const area = await createLedgerArea({
    databaseUrl: testDatabase.url,
    replicaUrl: databases?.replicaUrl,
    bus,
    clock,
    ids: randomIds,
    logger,
    metrics,
    verifyServiceToken: (token) => services.verify(token),
    verifyViewer: (token) => viewers.verify(token),
    sealer: createSealer(new Uint8Array(32).fill(7)),
    ownersMayMoveCash: options.ownersMayMoveCash ?? true,
  });

  async function run(
    viewer: Person | undefined,
    query: string,
    variables: Record<string, unknown> = {},
    headers: { readonly authorization?: string; readonly consistency?: string; readonly read?: "primary" } = {},
  ): Promise<SubgraphResponse> {
    const token = viewer === undefined ? undefined : (await issuer.issueAccessToken(viewer)).token;
    return area.subgraph.execute({
      query,
      variables,
      headers: {
        authorization: headers.authorization ?? `Bearer ${await serviceTokens.tokenFor("ledger")}`,
        "x-florin-viewer": token === undefined ? undefined : `Bearer ${token}`,
        "x-correlation-id": "test-correlation",
        "x-consistency-token": headers.consistency,
        "x-florin-read": headers.read,
        "x-deadline-ms": "10000",
      },
    });
  }

  let position = 0n;
  /** As the accounts area does it: a command on its stream; resolves when the ledger shows the account to its owner. */
  async function openAccount(owner: Person, more: { currency?: string; product?: string; parameters?: Json } = {}) {
    const accountId = formatId("account", randomIds.next());
    await bus.publish("accounts", [
      envelope("account.open", accountId, ++position, {
        accountId,
        owners: [owner.principal],
        product: more.product ?? "wallet",
        currency: more.currency ?? "USD",
        parameters: more.parameters ?? {},
        requestedBy: owner.principal,
      }),
    ]);
    await eventually(async () => {
      const { data } = await run(owner, `query($ids: [ID!]) { balances(accountIds: $ids) { accountSeq } }`, {
        ids: [accountId],
      });
      return data !== null && data !== undefined;
    }, 10_000);
    return accountId;
  }

  async function stop(): Promise<void> {
    await bus.stop(5_000);
    await area.stop(5_000);
  }
  return { area, run, openAccount, stop, url: testDatabase.url, drop: () => testDatabase.drop() };
}

export type TestLedger = Awaited<ReturnType<typeof startLedger>>;

function envelope(type: string, key: string, position: bigint, payload: Json): EventEnvelope {
  return {
    stream: "accounts",
    position,
    eventId: randomIds.next(),
    key,
    type,
    schemaVersion: 1,
    occurredAt: systemClock.now(),
    correlationId: "test-correlation",
    audience: [],
    payload,
  };
}

/** An id of the right form that was never given out. */
export function unknownAccountId(): string {
  return formatId("account", randomIds.next());
}

export function uuidOfAccount(id: string): Uuid {
  const uuid = parseId("account", id);
  if (uuid === undefined) throw new Error(`no account id: ${id}`);
  return uuid;
}
