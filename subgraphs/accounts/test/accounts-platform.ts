import { createSealer, createServiceTokens, createServiceVerifier, generateServiceKey } from "@florin/auth";
import { connectDatabase, type Database } from "@florin/db";
import { createInProcessBus, type Bus } from "@florin/events";
import type { SubgraphResponse } from "@florin/graph";
import { addMicros, formatInstant, instantFromMicros, type Clock, type EventEnvelope, type Json } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";
import { ACCOUNTS_CONSUMER, createAccountsArea, type AccountsArea, type LinkedOptions } from "../src/index.js";

/**
 * The accounts area on a database of its own, called as the gateway calls it, and a ledger that answers on the bus as the real one
 * does: one event for each command, in order.
 */
export interface Platform {
  readonly area: AccountsArea;
  readonly bus: Bus;
  readonly url: string;
  /** As the superuser: sees what the area stored. */
  readonly database: Database;
  readonly clock: TestClock;
  readonly ledger: LedgerDouble;
  /** Every line of the log. */
  readonly logLines: readonly string[];
  call(query: string, variables?: Record<string, unknown>, caller?: Caller): Promise<SubgraphResponse>;
  stop(): Promise<void>;
}

export interface Caller {
  readonly token?: string | undefined;
  readonly serviceToken?: string;
  readonly consistency?: string;
  readonly address?: string;
  readonly deadlineMs?: number;
}

export interface TestClock extends Clock {
  /** Moves this platform's time on. */
  pass(seconds: number): void;
}

export interface LedgerDouble {
  /** Accounts with money on them: closing them is refused. */
  readonly funded: Set<string>;
  /** While true, commands are taken and not answered. */
  isSilent: boolean;
  publish(type: string, key: string, payload: Json): Promise<EventEnvelope>;
  /** Position of the newest event. */
  head(): bigint;
}

export const masterKey = new Uint8Array(32).fill(42);

export async function startPlatform(
  options: {
    readonly demo?: boolean;
    readonly onDatabase?: TestDatabase;
    readonly replicaUrl?: string;
    readonly masterKey?: Uint8Array;
    readonly clock?: TestClock;
    readonly linked?: LinkedOptions;
  } = {},
): Promise<Platform> {
  const testDatabase = options.onDatabase ?? (await createTestDatabase());
  const database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 4 });
  const logLines: string[] = [];
  const logger = createLogger({ name: "test", level: "debug", destination: { write: (line) => logLines.push(line) } });
  const metrics = createMetrics({ processMetrics: false });
  const bus = createInProcessBus({
    logger,
    metrics,
    expectedGroups: { accounts: ["ledger"], ledger: [ACCOUNTS_CONSUMER] },
  });
  const clock = options.clock ?? createTestClock();
  const ledger = createLedgerDouble(bus);
  const gateway = await generateServiceKey("gateway");
  const serviceTokens = createServiceTokens({ name: "gateway", privateJwk: gateway.privateJwk, clock: systemClock });
  const services = createServiceVerifier({
    audience: "accounts",
    jwks: () => Promise.resolve({ keys: [gateway.publicJwk] }),
    clock: systemClock,
  });
  const area = await createAccountsArea({
    databaseUrl: testDatabase.url,
    replicaUrl: options.replicaUrl,
    bus,
    clock,
    ids: randomIds,
    logger,
    metrics,
    masterKey: options.masterKey ?? masterKey,
    issuer: "https://florin.test",
    sealer: createSealer(new Uint8Array(32).fill(7)),
    verifyServiceToken: services.verify,
    demo: options.demo ?? true,
    linked: options.linked,
  });

  return {
    area,
    bus,
    url: testDatabase.url,
    database,
    clock,
    ledger,
    logLines,
    call: async (query, variables = {}, caller = {}) =>
      area.subgraph.execute({
        query,
        variables,
        headers: {
          authorization: `Bearer ${caller.serviceToken ?? (await serviceTokens.tokenFor("accounts"))}`,
          "x-florin-viewer": caller.token === undefined ? undefined : `Bearer ${caller.token}`,
          "x-correlation-id": "test-correlation",
          "x-consistency-token": caller.consistency,
          "x-client-address": caller.address ?? "192.0.2.1",
          "x-deadline-ms": String(caller.deadlineMs ?? 10_000),
        },
      }),
    stop: async () => {
      await bus.stop(2_000);
      await area.stop(2_000);
      await database.stop();
      if (options.onDatabase === undefined) await testDatabase.drop();
    },
  };
}

function createTestClock(): TestClock {
  let passedMicros = 0n;
  return {
    now: () => addMicros(systemClock.now(), passedMicros),
    pass: (seconds) => {
      passedMicros += BigInt(seconds) * 1_000_000n;
    },
  };
}

const products: Record<string, string> = { wallet: "prod_wallet", current_account: "prod_current" };

function createLedgerDouble(bus: Bus): LedgerDouble {
  let position = 0n;
  const ledger: LedgerDouble = {
    funded: new Set(),
    isSilent: false,
    head: () => position,
    publish: async (type, key, payload) => {
      position += 1n;
      const event: EventEnvelope = {
        stream: "ledger",
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
      await bus.publish("ledger", [event]);
      return event;
    },
  };
  bus.consume({
    name: "ledger",
    stream: "accounts",
    types: ["account.open", "account.close"],
    isKeyParked: () => Promise.resolve(false),
    park: (_event, error) => Promise.reject(new Error("the ledger's double failed", { cause: error })),
    handle: async (event) => {
      if (ledger.isSilent) return;
      const { accountId, product, parameters } = event.payload as {
        accountId: string;
        product?: string;
        parameters?: Json;
      };
      const at = formatInstant(instantFromMicros(systemClock.now()));
      if (event.type === "account.close") {
        await (ledger.funded.has(accountId)
          ? ledger.publish("account.close_rejected", accountId, {
              accountId,
              code: "BALANCE_NOT_ZERO",
              message: "Move the money away first.",
            })
          : ledger.publish("account.closed", accountId, { accountId, closedAt: at }));
        return;
      }
      const productId = products[product ?? ""];
      await (productId === undefined
        ? ledger.publish("account.rejected", accountId, {
            accountId,
            code: "PRODUCT_UNKNOWN",
            message: "There is no such product.",
          })
        : ledger.publish("account.opened", accountId, {
            accountId,
            productId,
            productVersionId: "prdv_1",
            currency: "USD",
            parameters: parameters ?? {},
            openedAt: at,
          }));
    },
  });
  return ledger;
}

export const password = "a long enough secret";
let people = 0;

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly refreshToken: string;
  readonly walletId: string;
}

export const registerMutation = `mutation ($input: RegisterInput!) {
  register(input: $input) {
    accessToken refreshToken expiresIn
    user { id email phone fullName accounts(first: 10) { totalCount edges { node { id name status currency productId } } } }
  }
}`;

export interface Registered {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresIn: number;
  readonly user: {
    readonly id: string;
    readonly email: string | null;
    readonly phone: string | null;
    readonly accounts: {
      readonly edges: readonly { readonly node: { readonly id: string; readonly status: string } }[];
    };
  };
}

export async function registerPerson(platform: Platform): Promise<Person> {
  const email = `person-${++people}@example.test`;
  const input = { email, password, fullName: "A Person", country: "US", idempotencyKey: `key-${email}` };
  const { register } = dataOf<{ register: Registered }>(await platform.call(registerMutation, { input }));
  return {
    id: register.user.id,
    email,
    token: register.accessToken,
    refreshToken: register.refreshToken,
    walletId: register.user.accounts.edges[0]!.node.id,
  };
}

/** The data, when there are no errors. */
export function dataOf<Data>(response: SubgraphResponse): Data {
  if (response.errors !== undefined || response.data === undefined || response.data === null)
    throw new Error(`expected data, got ${JSON.stringify(response.errors)}`);
  return response.data as Data;
}

export function codesOf(response: SubgraphResponse): readonly unknown[] {
  return (response.errors ?? []).map((error) => error.extensions?.["code"]);
}

export function faultsOf(response: SubgraphResponse): readonly string[] {
  return (response.errors ?? []).flatMap((error) =>
    ((error.extensions?.["fields"] ?? []) as { path: string; code: string }[]).map(
      ({ path, code }) => `${path} ${code}`,
    ),
  );
}
