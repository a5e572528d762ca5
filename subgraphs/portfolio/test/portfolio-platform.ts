import { createSealer, createServiceTokens, createServiceVerifier, generateServiceKey, type Role } from "@florin/auth";
import { connectDatabase, type Database } from "@florin/db";
import { createInProcessBus, type Bus, type EventStream } from "@florin/events";
import type { SubgraphResponse } from "@florin/graph";
import { formatId, parseId, type Area, type EventEnvelope, type Json, type Uuid } from "@florin/kernel";
import {
  REMOVAL_EVENT,
  sealSnapshot,
  SNAPSHOT_EVENT,
  type SnapshotPage,
  type SnapshotProduct,
  type SnapshotRow,
} from "@florin/linked-data";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics, type Metrics } from "@florin/telemetry";
import { checkBooks, createTestDatabase, type TestDatabase } from "@florin/testkit";
import {
  createPortfolioArea,
  PORTFOLIO_BALANCES_CONSUMER,
  PORTFOLIO_LINKED_CONSUMER,
  type PortfolioArea,
} from "../src/index.js";

/** The portfolio area on a database of its own, called as the gateway calls it, and told what accounts and the ledger would tell it. */
export interface Platform {
  readonly area: PortfolioArea;
  readonly bus: Bus;
  readonly url: string;
  /** As the superuser: sees what the area stored. */
  readonly database: Database;
  readonly metrics: Metrics;
  readonly logLines: readonly string[];
  /** Resolves when the area has dealt with the events: what it shows is then what they say. */
  tell(stream: Area, ...events: readonly ToldEvent[]): Promise<void>;
  call(query: string, variables?: Record<string, unknown>, person?: Caller): Promise<SubgraphResponse>;
  stop(): Promise<void>;
}

export interface ToldEvent {
  readonly key: string;
  readonly type: string;
  readonly payload: Json;
  readonly eventId?: Uuid;
}

export interface Caller {
  readonly principal: string;
  readonly roles?: readonly Role[];
}

export const snapshotKey = new Uint8Array(32).fill(9);

export async function startPlatform(
  options: { readonly onDatabase?: TestDatabase; readonly history?: readonly EventStream[] } = {},
): Promise<Platform> {
  const testDatabase = options.onDatabase ?? (await createTestDatabase());
  const database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 4 });
  const logLines: string[] = [];
  const logger = createLogger({ name: "test", level: "debug", destination: { write: (line) => logLines.push(line) } });
  const metrics = createMetrics({ processMetrics: false });
  const bus = createInProcessBus({
    logger,
    metrics,
    expectedGroups: { accounts: [PORTFOLIO_LINKED_CONSUMER], ledger: [PORTFOLIO_BALANCES_CONSUMER] },
    retry: { attempts: 2, baseMs: 1, maxMs: 2 },
  });
  const gateway = await generateServiceKey("gateway");
  const serviceTokens = createServiceTokens({ name: "gateway", privateJwk: gateway.privateJwk, clock: systemClock });
  const services = createServiceVerifier({
    audience: "portfolio",
    jwks: () => Promise.resolve({ keys: [gateway.publicJwk] }),
    clock: systemClock,
  });
  const area = await createPortfolioArea({
    databaseUrl: testDatabase.url,
    bus,
    clock: systemClock,
    ids: randomIds,
    logger,
    metrics,
    sealer: createSealer(new Uint8Array(32).fill(7)),
    snapshotKey,
    verifyServiceToken: services.verify,
    // Who is asking is not this area's to find out: the token says it.
    verifyViewer: (token) => {
      const { principal, roles = ["CUSTOMER"] } = JSON.parse(token) as Caller;
      return Promise.resolve({ principal, roles, scopes: [], sessionId: undefined, expiresAt: 0 });
    },
    checkInvariantsEveryMs: 0,
    history: options.history,
  });

  const positions: Record<Area, bigint> = { accounts: 0n, ledger: 0n, portfolio: 0n };
  const consumers = { accounts: PORTFOLIO_LINKED_CONSUMER, ledger: PORTFOLIO_BALANCES_CONSUMER } as const;
  const tell: Platform["tell"] = async (stream, ...events) => {
    for (const event of events) {
      positions[stream] += 1n;
      await bus.publish(stream, [toEnvelope(stream, positions[stream], event)]);
    }
    if (stream === "portfolio") return;
    const deadline = performance.now() + 20_000;
    while ((await bus.safePosition(stream)) !== positions[stream]) {
      if (performance.now() > deadline) throw new Error(`${consumers[stream]} did not come to ${positions[stream]}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };

  return {
    area,
    bus,
    url: testDatabase.url,
    database,
    metrics,
    logLines,
    tell,
    call: async (query, variables = {}, person) =>
      area.subgraph.execute({
        query,
        variables,
        headers: {
          authorization: `Bearer ${await serviceTokens.tokenFor("portfolio")}`,
          "x-florin-viewer": person === undefined ? undefined : `Bearer ${JSON.stringify(person)}`,
          "x-correlation-id": "test-correlation",
          "x-deadline-ms": "10000",
        },
      }),
    stop: async () => {
      await bus.stop(2_000);
      await area.stop(2_000);
      const broken = await checkBooks(testDatabase.url, { areas: ["portfolio"] });
      await database.stop();
      if (options.onDatabase === undefined) await testDatabase.drop();
      if (broken.length > 0) throw new Error(`the portfolio breaks its rules: ${broken.join("; ")}`);
    },
  };
}

export function toEnvelope(stream: Area, position: bigint, event: ToldEvent): EventEnvelope {
  return {
    eventId: randomIds.next(),
    ...event,
    stream,
    position,
    schemaVersion: 1,
    occurredAt: systemClock.now(),
    correlationId: "test-correlation",
    audience: [],
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

// --- people, items and what institutions say of them ---

export interface Person extends Caller {
  readonly userId: Uuid;
  /** `vac_…` */
  readonly virtualAccountId: string;
}

export function newPerson(): Person {
  const userId = randomIds.next();
  return { userId, principal: formatId("user", userId), virtualAccountId: formatId("virtualAccount", userId) };
}

export interface Item {
  readonly itemId: string;
  readonly person: Person;
  /** Pages of the next version of a product. */
  say<Product extends SnapshotProduct>(
    product: Product,
    rows: readonly SnapshotRow<Product>[],
    about?: { readonly capturedAt?: string; readonly from?: string; readonly to?: string },
  ): ToldEvent[];
  removal(): ToldEvent;
}

export function newItem(person: Person): Item {
  const itemId = formatId("linkedItem", randomIds.next());
  const versions = new Map<SnapshotProduct, number>();
  return {
    itemId,
    person,
    say: (product, rows, { capturedAt = "2026-11-20T10:00:00.000000Z", ...days } = {}) => {
      const version = (versions.get(product) ?? 0) + 1;
      versions.set(product, version);
      const about = { itemId, userId: person.principal, product, version: String(version), capturedAt, ...days };
      return sealSnapshot(snapshotKey, about, rows).map(pageEvent);
    },
    removal: () => ({ key: itemId, type: REMOVAL_EVENT, payload: { itemId, userId: person.principal } }),
  };
}

export function pageEvent(page: SnapshotPage): ToldEvent {
  return { key: page.itemId, type: SNAPSHOT_EVENT, payload: page };
}

export const usd = { isoCode: "USD", unofficialCode: null };

export interface AccountShape {
  readonly accountId: string;
  readonly linkedAccountId?: string;
  readonly type?: string;
  readonly current?: string | null;
  readonly available?: string | null;
  readonly currency?: { readonly isoCode: string | null; readonly unofficialCode: string | null };
  readonly asOf?: string;
}

export function newLinkedAccountId(): string {
  return formatId("linkedAccount", randomIds.next());
}

export function account(shape: AccountShape): SnapshotRow<"ACCOUNTS"> {
  const { accountId, type = "depository", current = "100", available = null, currency = usd } = shape;
  return {
    linkedAccountId: shape.linkedAccountId ?? newLinkedAccountId(),
    institutionName: "First Platypus Bank",
    asOf: shape.asOf ?? "2026-11-20T10:00:00Z",
    data: {
      accountId,
      persistentAccountId: null,
      name: "An account",
      officialName: null,
      mask: null,
      type,
      subtype: null,
      holderCategory: null,
      apy: null,
      balance: { available, current, limit: null, currency, lastUpdatedAt: null },
    },
  };
}

export function transaction(
  accountId: string,
  amount: string,
  more: {
    readonly id?: string;
    readonly category?: string | null;
    readonly date?: string;
    readonly isPending?: boolean;
    readonly currency?: { readonly isoCode: string | null; readonly unofficialCode: string | null };
  } = {},
): SnapshotRow<"TRANSACTIONS"> {
  return {
    change: "PUT",
    linkedTransactionId: more.id ?? formatId("linkedTransaction", randomIds.next()),
    accountId,
    amount,
    currency: more.currency ?? usd,
    category: more.category ?? null,
    isPending: more.isPending ?? false,
    date: more.date ?? "2026-11-10",
  };
}

export function holding(
  accountId: string,
  securityId: string,
  more: Partial<Extract<SnapshotRow<"HOLDINGS">, { row: "HOLDING" }>["data"]> = {},
): SnapshotRow<"HOLDINGS"> {
  return {
    row: "HOLDING",
    data: {
      accountId,
      securityId,
      quantity: "10",
      institutionPrice: "5.5",
      institutionPriceAsOf: null,
      institutionPriceDatetime: null,
      institutionValue: "55",
      costBasis: null,
      currency: usd,
      vestedQuantity: null,
      vestedValue: null,
      taxLots: null,
      ...more,
    },
  };
}

export type SecurityShape = Extract<SnapshotRow<"HOLDINGS">, { row: "SECURITY" }>["data"];

export function security(securityId: string, more: Partial<SecurityShape> = {}) {
  const data: SecurityShape = {
    securityId,
    figi: null,
    isin: null,
    cusip: null,
    institutionSecurityId: null,
    institutionId: null,
    proxySecurityId: null,
    name: null,
    tickerSymbol: null,
    isCashEquivalent: null,
    type: null,
    subtype: null,
    closePrice: null,
    closePriceAsOf: null,
    updateDatetime: null,
    currency: { isoCode: null, unofficialCode: null },
    marketIdentifierCode: null,
    sector: null,
    industry: null,
    cfiCode: null,
    optionContract: null,
    fixedIncome: null,
    ...more,
  };
  return { row: "SECURITY" as const, data };
}

// --- accounts held here ---

export function opening(owner: Person, accountId: Uuid): ToldEvent {
  const id = formatId("account", accountId);
  return { key: id, type: "account.open", payload: { accountId: id, owners: [owner.principal], product: "wallet" } };
}

export function opened(
  accountId: Uuid,
  more: {
    readonly currency?: string;
    readonly tside?: string;
    readonly addresses?: Json;
    readonly openedAt?: string;
  } = {},
): ToldEvent {
  const id = formatId("account", accountId);
  const { currency = "USD", openedAt = "2026-01-01T00:00:00.000000Z", ...facts } = more;
  return { key: id, type: "account.opened", payload: { accountId: id, currency, openedAt, ...facts } };
}

export function closed(accountId: Uuid): ToldEvent {
  const id = formatId("account", accountId);
  return { key: id, type: "account.closed", payload: { accountId: id, closedAt: "2026-11-20T00:00:00.000000Z" } };
}

export function posted(
  accountId: Uuid,
  accountSeq: number,
  committed: string,
  more: {
    readonly batchId?: Uuid;
    readonly asOf?: string;
    readonly currency?: string;
    readonly affectedBusinessDates?: readonly string[];
  } = {},
): ToldEvent {
  const id = formatId("account", accountId);
  const { batchId = randomIds.next(), asOf = "2026-11-10T12:00:00.000000Z", currency = "USD", ...facts } = more;
  return {
    key: id,
    type: "account.posted",
    payload: {
      accountId: id,
      accountSeq: String(accountSeq),
      batchId: formatId("batch", batchId),
      transactionIds: [],
      balance: { available: committed, committed, pendingIn: "0.00", pendingOut: "0.00", currency },
      asOf,
      ...facts,
    },
  };
}

export function uuidOf(kind: "linkedItem" | "linkedAccount", id: string): Uuid {
  const uuid = parseId(kind, id);
  if (uuid === undefined) throw new Error(`not an id of a ${kind}: ${id}`);
  return uuid;
}
