import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { readPlaidSettings } from "@florin/service";
import { eventually } from "@florin/testkit";
import postgres from "postgres";
import { startTestPlatform, type TestPlatform } from "./platform-fixture.js";

// Secrets that must be nowhere (linked-accounts.md §5.3): a platform links, syncs, meets every kind of fault, attack and removal; then its
// log, every row of its database, and every answer of its graph are searched for what it was entrusted with.

const SECRET = `canary-secret-${randomUUID()}`;
/** Of every token that Plaid gives: access, public and link. */
const TOKEN = /(access|public|link)-(sandbox|production)-[0-9a-f]{8}/i;

let platform: TestPlatform;
let elsewhere: Server;
let heardElsewhere = "";
let answers = "";

beforeAll(async () => {
  const { settings } = readPlaidSettings({
    PLAID_ENV: "simulator",
    PLAID_SIMULATOR_URL: "http://127.0.0.1:0",
    PLAID_SECRET: SECRET,
    PLAID_COUNTRIES: "US",
    FLORIN_PLAID_REPLICAS: 1,
  });
  platform = await startTestPlatform("standalone", { plaid: settings, logLevel: "trace" });
  elsewhere = createServer((request, response) => {
    heardElsewhere += `${request.url} ${JSON.stringify(request.headers)}`;
    response.end("{}");
  });
  await new Promise<void>((done) => elsewhere.listen(0, "127.0.0.1", done));
});
afterAll(async () => {
  await new Promise((done) => elsewhere?.close(done));
  expect(await platform?.stop()).toEqual([]);
});

async function simulator<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${platform.plaidSimulatorUrl}${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Answer;
}

async function ask<Data>(token: string, query: string, variables?: unknown): Promise<Data | undefined> {
  const answer = await platform.graph<Data>(query, variables, token);
  answers += JSON.stringify(answer);
  return answer.data;
}

const everything = `{
  virtualAccount { id items { id status statusReason timeline { status reason } products { product status reason }
    accounts { id name officialName mask transactions(first: 1) { edges { node { name amount } } } } } }
  liabilities { credit { aprs { percentage } } mortgage { accountNumberMasked propertyAddress { street } }
    student { accountNumberMasked paymentReferenceNumberMasked } loan { accountNumberMasked } lineOfCredit { creditLimit } }
  investments { holdings { quantity } transactions(first: 5) { edges { node { name } } } }
}`;

/** Every row of every table as text; bytes as hexadecimal. */
async function readDatabase(): Promise<string> {
  const sql = postgres(platform.databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname in ('accounts', 'ledger', 'portfolio', 'florin')`;
    let text = "";
    for (const { name } of tables) {
      const rows = await sql.unsafe<{ row: string }[]>(`select t::text as row from ${name} t`);
      text += rows.map(({ row }) => row).join("\n");
    }
    return text;
  } finally {
    await sql.end();
  }
}

const hexOf = (text: string): string => Buffer.from(text, "utf8").toString("hex");

interface SimulatedItem {
  readonly itemId: string;
  readonly liabilities?: unknown;
}

/** Whole account and reference numbers, wherever they stand in what the institution says. */
function numbersIn(value: unknown): string[] {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) =>
    ["account_number", "payment_reference_number"].includes(name) && typeof member === "string" && member.length > 4
      ? [member]
      : numbersIn(member),
  );
}

test("no token, secret or account number in any log, table, event or answer, whatever goes wrong", async () => {
  const ada = await platform.login("ada@florin.test");
  interface Linked {
    readonly virtualAccount: {
      readonly id: string;
      readonly items: readonly { readonly id: string; readonly products: readonly { readonly status: string }[] }[];
    };
  }
  const linked = await eventually(async () => {
    const seen = await ask<Linked>(ada.token, everything);
    const products = seen?.virtualAccount.items[0]?.products ?? [];
    if (seen === undefined || products.length !== 4 || products.some(({ status }) => status !== "READY"))
      throw new Error(`Ada's item is not synced: ${answers.slice(-1_000)}`);
    return seen;
  }, 30_000);
  const itemId = linked.virtualAccount.items[0]!.id;
  const { items } = await simulator<{ items: SimulatedItem[] }>("GET", "/_sim/items");
  const simulated = items.at(-1)!.itemId;
  const { liabilities } = await simulator<SimulatedItem>("GET", `/_sim/items/${simulated}`);
  const numbers = numbersIn(liabilities);
  expect(numbers.length).toBeGreaterThan(1);

  // A visit to Link that leads nowhere, and public tokens that are nobody's.
  await ask(ada.token, "mutation ($i: CreateLinkTokenInput!) { createLinkToken(input: $i) { expiresAt } }", {
    i: { idempotencyKey: randomUUID() },
  });
  for (const publicToken of [`public-sandbox-${randomUUID()}`, "rubbish"])
    await ask(
      ada.token,
      "mutation ($i: ExchangePublicTokenInput!) { exchangePublicToken(input: $i) { linkedItem { id } } }",
      {
        i: { publicToken, idempotencyKey: randomUUID() },
      },
    );

  // Every kind of fault, on whatever is called next.
  const { port } = elsewhere.address() as AddressInfo;
  const faults = [
    { kind: "redirect", location: `http://127.0.0.1:${port}/`, status: 307 },
    { kind: "status", status: 502 },
    { kind: "html" },
    { kind: "truncate" },
    { kind: "reset", when: "after" },
    { kind: "rate-limit" },
    { kind: "error", errorCode: "INVALID_API_KEYS" },
  ];
  for (const action of faults) await simulator("POST", "/_sim/faults", { match: {}, action, times: 1 });
  const refresh = "mutation ($i: RefreshLinkedItemInput!) { refreshLinkedItem(input: $i) { linkedItem { id } } }";
  await ask(ada.token, refresh, { i: { itemId, idempotencyKey: randomUUID() } });
  await eventually(async () => {
    await ask(ada.token, refresh, { i: { itemId, idempotencyKey: randomUUID() } });
    const { faults: planted } = await simulator<{ faults: { struck: number }[] }>("GET", "/_sim/faults");
    return planted.filter(({ struck }) => struck > 0).length >= 5;
  }, 30_000);
  await simulator("DELETE", "/_sim/faults");

  // Forged webhooks, and one that is Plaid's.
  for (const attack of ["bad-signature", "alg-none", "stale-iat"])
    await simulator("POST", `/_sim/items/${simulated}/webhook`, {
      webhook_type: "TRANSACTIONS",
      webhook_code: "SYNC_UPDATES_AVAILABLE",
      attack,
    });
  await simulator("POST", `/_sim/items/${simulated}/state`, { state: "LOGIN_REQUIRED" });
  await eventually(async () => {
    const seen = await ask<{ virtualAccount: { items: { status: string }[] } }>(ada.token, everything);
    return seen?.virtualAccount.items[0]?.status === "LOGIN_REQUIRED";
  }, 20_000);

  const database = await readDatabase();
  const log = await readFile(join(platform.home, "florin.log"), "utf8");
  const places = { database, log, answers, heardElsewhere };
  expect(database).toContain("LOGIN_REQUIRED"); // the search did read the rows
  expect(log.length).toBeGreaterThan(1_000);
  for (const [place, text] of Object.entries(places)) {
    expect([place, TOKEN.exec(text)?.[0]]).toEqual([place, undefined]);
    for (const secret of [SECRET, ...numbers]) {
      expect([place, text.includes(secret)]).toEqual([place, false]);
      expect([place, text.includes(hexOf(secret))]).toEqual([place, false]);
    }
    for (const kind of ["access-sandbox-", "public-sandbox-", "link-sandbox-"])
      expect([place, text.includes(hexOf(kind))]).toEqual([place, false]);
  }

  // Whoever searches must be able to find: a token planted in a table is seen.
  const sql = postgres(platform.databaseUrl, { max: 1, onnotice: () => undefined });
  await sql`create table florin.planted (what text, bytes bytea)`;
  await sql`insert into florin.planted values (${`access-sandbox-${randomUUID()}`}, ${Buffer.from(SECRET)})`;
  const planted = await readDatabase();
  await sql`drop table florin.planted`;
  await sql.end();
  expect(TOKEN.test(planted)).toBe(true);
  expect(planted).toContain(hexOf(SECRET));
}, 120_000);
