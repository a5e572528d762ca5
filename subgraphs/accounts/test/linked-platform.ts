import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connectDatabase, type Database } from "@florin/db";
import {
  openSnapshotPage,
  snapshotPage,
  type SnapshotPage,
  type SnapshotProduct,
  type SnapshotRow,
} from "@florin/linked-data";
import { requestJobs, type LinkedJobKind } from "@florin/db/accounts";
import { addMicros, formatId, formatInstant, type Clock, type Uuid } from "@florin/kernel";
import { createDerivedKeyProvider, createPlaidPort, createTokenVault } from "@florin/plaid";
import { startPlaidSimulator, type PlaidSimulator, type SimulatorOptions } from "@florin/plaid-simulator";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics, type Logger, type Metrics } from "@florin/telemetry";
import { createTestDatabase, eventually, type TestDatabase } from "@florin/testkit";
import { createLinkedWorker, type LinkedWorker, type LinkedWorkerOptions } from "../src/linked/linked-worker.js";
import type { SyncPolicy } from "../src/linked/sync-policy.js";

/** The simulator, PostgreSQL, workers, and a door through which webhooks come: everything real but Plaid. */
export interface LinkedPlatform {
  readonly simulator: PlaidSimulator;
  readonly url: string;
  /** As the superuser. */
  readonly database: Database;
  readonly clock: TestClock;
  readonly logLines: readonly string[];
  readonly door: WebhookDoor;
  /** Of the first worker. */
  readonly worker: LinkedWorker;
  metricsText(): Promise<string>;
  startWorker(policy?: Partial<SyncPolicy>): Promise<LinkedWorker>;
  stopWorker(worker: LinkedWorker): Promise<void>;
  /** A person, who links a login of one of the simulator's users. */
  link(userName?: string, products?: readonly string[], options?: LinkChoice): Promise<LinkedLogin>;
  /** No job waits for its turn now. Those that are to come later may. */
  atRest(itemId?: Uuid): Promise<void>;
  /** What portfolio was handed, oldest first. */
  handedOver<Product extends SnapshotProduct>(
    itemId: Uuid,
    product: Product,
  ): Promise<{ readonly version: string; readonly rows: SnapshotRow<Product>[] }[]>;
  jobsOf(itemId: Uuid): Promise<readonly JobRow[]>;
  stop(): Promise<void>;
}

export interface LinkChoice {
  readonly institutionId?: string;
  readonly days?: number;
  readonly worker?: LinkedWorker;
}

export interface LinkedLogin {
  readonly userId: Uuid;
  readonly itemId: Uuid;
  readonly plaidItemId: string;
}

export interface JobRow {
  readonly kind: string;
  readonly requested: bigint;
  readonly done: bigint;
  readonly failures: number;
  readonly lastError: string | null;
}

export interface TestClock extends Clock {
  pass(seconds: number): void;
}

export interface WebhookDoor {
  readonly url: string;
  /** Who answers; undefined: nobody, 503. */
  worker: LinkedWorker | undefined;
  readonly statuses: number[];
}

export const snapshotKey = new Uint8Array(32).fill(11);
const SECRET = "florin-demo";

/** The same keys in every process of a test. Pauses are as short as they may be. */
export function testWorkerOptions(about: {
  readonly databaseUrl: string;
  readonly simulatorUrl: string;
  readonly webhookUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly policy: Partial<SyncPolicy>;
}): LinkedWorkerOptions {
  const { clock, logger } = about;
  const keys = createDerivedKeyProvider({ masterKey: new Uint8Array(32).fill(5) });
  return {
    databaseUrl: about.databaseUrl,
    maxConnections: 8,
    openPlaid: (onCall) =>
      createPlaidPort({
        environment: "simulator",
        simulatorUrl: about.simulatorUrl,
        clientId: SECRET,
        secret: SECRET,
        link: {
          clientName: "Florin",
          language: "en",
          countryCodes: ["US"],
          products: { required: ["transactions"], requiredIfSupported: [], optional: ["liabilities", "investments"] },
          daysRequested: 90,
          webhookUrl: about.webhookUrl,
        },
        limiter: undefined,
        clock,
        random: () => 0,
        breaker: { pauseMs: 200, maxPauseMs: 200 },
        logger,
        onCall,
      }),
    vault: createTokenVault({ keys, environment: "simulator" }),
    snapshotKey,
    clientUserKey: new Uint8Array(32).fill(6),
    clock,
    ids: randomIds,
    random: () => 0,
    logger,
    metrics: about.metrics,
    policy: { lookEveryMs: 50, reconcileEveryMs: 0, pageSize: 20, ...about.policy },
    wakeRelay: () => undefined,
  };
}

export async function startLinkedPlatform(
  options: { readonly simulator?: SimulatorOptions; readonly policy?: Partial<SyncPolicy> } = {},
): Promise<LinkedPlatform> {
  const simulator = await startPlaidSimulator({
    seed: "linked",
    limitsScale: Infinity,
    notReadyCalls: 0,
    initialPullMs: 0,
    historicalPullMs: 0,
    ...options.simulator,
  });
  const testDatabase: TestDatabase = await createTestDatabase();
  const database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 4 });
  const logLines: string[] = [];
  const logger = createLogger({ name: "test", level: "debug", destination: { write: (line) => logLines.push(line) } });
  const metrics = createMetrics({ processMetrics: false });
  const clock = createTestClock();
  const { door, server } = await openDoor();
  const workers = new Set<LinkedWorker>();

  const startWorker = async (policy: Partial<SyncPolicy> = {}): Promise<LinkedWorker> => {
    const workerOptions = testWorkerOptions({
      databaseUrl: testDatabase.url,
      simulatorUrl: simulator.url,
      webhookUrl: door.url,
      clock,
      logger,
      metrics,
      policy: { ...options.policy, ...policy },
    });
    const worker = await createLinkedWorker(workerOptions);
    workers.add(worker);
    return worker;
  };
  const stopWorker = async (worker: LinkedWorker): Promise<void> => {
    workers.delete(worker);
    await worker.stop(5_000);
  };
  const worker = await startWorker();
  door.worker = worker;

  return {
    simulator,
    url: testDatabase.url,
    database,
    clock,
    logLines,
    door,
    worker,
    metricsText: () => metrics.render(),
    startWorker,
    stopWorker,
    link: async (userName = "user_good", products = ["transactions", "liabilities", "investments"], choice = {}) => {
      const userId = await insertPerson(database);
      const linking = choice.worker ?? worker;
      const itemId = await linking.linkOperations.linkDirectly({
        userId,
        correlationId: "test-link",
        obtainPublicToken: () => makePublicToken(simulator.url, { userName, products, webhook: door.url, ...choice }),
      });
      if (itemId === undefined) throw new Error("the person had an item already");
      const [row] = await database.sql<{ id: string }[]>`
        select plaid_item_id as id from accounts.linked_item where item_id = ${itemId}`;
      return { userId, itemId, plaidItemId: row?.id ?? "" };
    },
    atRest: async (itemId) => {
      await eventually(async () => {
        const waiting = await database.sql`
          select from accounts.linked_job j join accounts.linked_item i using (item_id)
          where (${itemId ?? null}::uuid is null or item_id = ${itemId ?? null}::uuid)
            and (requested > done and not_before <= ${formatInstant(clock.now())} or i.lease_owner is not null)
            and (i.removed_at is null or j.kind = 'REMOVE')`;
        return waiting.length === 0;
      }, 20_000);
    },
    handedOver: async (itemId, product) => {
      const rows = await database.sql<{ payload: unknown }[]>`
        select payload from accounts.outbox where type = 'linked_item.snapshot' order by xid, ordinal`;
      const pages = rows.map(({ payload }) => snapshotPage.parse(payload));
      return groupVersions(pages, product, formatId("linkedItem", itemId));
    },
    jobsOf: async (itemId) =>
      database.sql<JobRow[]>`
        select kind, requested, done, failures, last_error as "lastError" from accounts.linked_job
        where item_id = ${itemId} order by kind`,
    stop: async () => {
      await Promise.all([...workers].map((one) => one.stop(5_000)));
      await simulator.stop();
      server.closeAllConnections();
      server.close();
      await database.stop();
      await testDatabase.drop();
    },
  };
}

function groupVersions<Product extends SnapshotProduct>(
  pages: readonly SnapshotPage[],
  product: Product,
  itemId: string,
) {
  const versions = new Map<string, SnapshotRow<Product>[]>();
  for (const page of pages) {
    if (page.product !== product || page.itemId !== itemId) continue;
    const rows = versions.get(page.version) ?? [];
    rows.push(...openSnapshotPage(snapshotKey, product, page));
    versions.set(page.version, rows);
  }
  return [...versions].map(([version, rows]) => ({ version, rows }));
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

export async function openDoor(): Promise<{ readonly door: WebhookDoor; readonly server: Server }> {
  const statuses: number[] = [];
  let worker: LinkedWorker | undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const header = request.headers["plaid-verification"];
      const signature = Array.isArray(header) ? header[0] : header;
      const answer = worker?.receiveWebhook(Buffer.concat(chunks), signature) ?? Promise.resolve({ status: 503 });
      void answer.then(({ status }) => {
        statuses.push(status);
        response.writeHead(status).end("{}");
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const door: WebhookDoor = {
    url: `http://127.0.0.1:${port}/webhooks/plaid`,
    statuses,
    get worker() {
      return worker;
    },
    set worker(one) {
      worker = one;
    },
  };
  return { door, server };
}

let people = 0;

async function insertPerson(database: Database): Promise<Uuid> {
  const userId = randomIds.next();
  await database.sql`
    insert into accounts.app_user (user_id, email, full_name, country, password_hash, roles, created_at)
    values (${userId}, ${`person-${++people}@example.test`}, 'Person', 'NL', '$argon2id$none', array['CUSTOMER'], now())`;
  return userId;
}

export async function makePublicToken(
  simulatorUrl: string,
  wish: {
    readonly userName: string;
    readonly products: readonly string[];
    readonly webhook: string;
    readonly institutionId?: string;
    readonly days?: number;
  },
): Promise<string> {
  const response = await fetch(`${simulatorUrl}/sandbox/public_token/create`, {
    method: "POST",
    headers: { "content-type": "application/json", "plaid-client-id": SECRET, "plaid-secret": SECRET },
    body: JSON.stringify({
      institution_id: wish.institutionId ?? "ins_109508",
      initial_products: wish.products,
      options: {
        webhook: wish.webhook,
        override_username: wish.userName,
        override_password: "pass_good",
        transactions: { days_requested: wish.days ?? 10 },
      },
    }),
  });
  const body: unknown = await response.json();
  if (typeof body === "object" && body !== null && "public_token" in body && typeof body.public_token === "string")
    return body.public_token;
  throw new Error(`no public token: ${JSON.stringify(body)}`);
}

export interface StoredTransaction {
  readonly plaidId: string;
  readonly amount: string;
  readonly isPending: boolean;
  readonly name: string;
}

/** What people see of an item's transactions, by Plaid's id. */
export async function storedOf(platform: LinkedPlatform, login: LinkedLogin): Promise<StoredTransaction[]> {
  const rows = await platform.database.sql<StoredTransaction[]>`
    select t.plaid_transaction_id as "plaidId", trim_scale(t.amount)::text as amount, t.is_pending as "isPending", t.name
    from accounts.linked_transaction t join accounts.linked_account a using (linked_account_id)
    where t.item_id = ${login.itemId} and t.removed_at is null and a.removed_at is null`;
  return rows.sort(byId);
}

/** What the institution has. */
export function truthOf(platform: LinkedPlatform, login: LinkedLogin): StoredTransaction[] {
  const { transactions } = platform.simulator.control.items.get(login.plaidItemId);
  return transactions
    .map((one) => ({
      plaidId: one.transaction_id,
      amount: decimalOf(one.amount),
      isPending: one.pending,
      name: (one.name ?? "").replaceAll("\0", ""),
    }))
    .sort(byId);
}

/** Of the simulator's own amounts, which are cents or a few dust values. */
function decimalOf(amount: number): string {
  const text = String(amount);
  return text.includes("e") ? amount.toFixed(20).replace(/\.?0+$/, "") : text;
}

function byId(a: StoredTransaction, b: StoredTransaction): number {
  return a.plaidId < b.plaidId ? -1 : 1;
}

/** `READY`, or `FAILING INSTITUTION_DOWN`, by product. */
export async function productsOf(platform: LinkedPlatform, login: LinkedLogin): Promise<Record<string, string>> {
  const rows = await platform.database.sql<{ product: string; status: string; reason: string | null }[]>`
    select product, status, reason from accounts.linked_product where item_id = ${login.itemId}`;
  return Object.fromEntries(
    rows.map(({ product, status, reason }) => [product, reason === null ? status : `${status} ${reason}`]),
  );
}

export async function standsAs(platform: LinkedPlatform, login: LinkedLogin): Promise<string> {
  const [item] = await platform.database.sql<{ status: string; reason: string | null }[]>`
    select status, status_reason as reason from accounts.linked_item where item_id = ${login.itemId}`;
  return item === undefined || item.reason === null ? String(item?.status) : `${item.status} ${item.reason}`;
}

/** How often an endpoint was called for this item. */
export function callsOf(platform: LinkedPlatform, login: LinkedLogin, endpoint: string): number {
  return platform.simulator.control.calls({ endpoint, itemId: login.plaidItemId }).length;
}

/** The work that an event asks for, by hand. */
export async function request(platform: LinkedPlatform, login: LinkedLogin, ...kinds: LinkedJobKind[]): Promise<void> {
  await platform.database.transaction((tx) =>
    requestJobs(tx, login.itemId, kinds, { at: platform.clock.now(), correlationId: "test-request", isUrgent: true }),
  );
}
