import { randomUUID } from "node:crypto";
import { createClient, type Client } from "graphql-ws";
import { eventually } from "@florin/testkit";
import { WebSocket } from "ws";
import { startTestPlatform, type Person, type TestPlatform } from "../platform-fixture.js";
import { chromiumPath, startBrowser, type TestBrowser } from "./chromium.js";

// A person links a bank in the hosted page of a real browser, and sees everything of it in the graph; what changes there arrives by
// webhook and is pushed. One platform in one process, as `npm start` runs it.

const isLeftOut = chromiumPath === undefined && process.env["CI"] !== "true";
if (isLeftOut) console.warn("No Chromium here (apt-get install chromium): the suites in a browser are left out.");

const INSTITUTION = "ins_109508";
const UPDATE_DEADLINE_MS = 20_000;

interface LinkedItem {
  readonly id: string;
  readonly status: string;
  readonly statusReason: string | null;
  readonly nextAction: string | null;
  readonly products: readonly { readonly product: string; readonly status: string }[];
}

const ITEM = "id status statusReason nextAction products { product status }";

(isLeftOut ? describe.skip : describe)("linking a bank in a browser", () => {
  let platform: TestPlatform;
  let browser: TestBrowser;
  let person: Person;
  let sockets: Client;
  let simulatorUrl: string;

  beforeAll(async () => {
    platform = await startTestPlatform("standalone");
    simulatorUrl = platform.plaidSimulatorUrl;
    browser = await startBrowser();
    person = await platform.register("cy");
    sockets = createClient({
      url: `${platform.url.replace(/^http/, "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${person.token}` },
      retryAttempts: 0,
    });
  });
  afterAll(async () => {
    await sockets?.dispose();
    await browser?.stop();
    expect(await platform?.stop()).toEqual([]);
  });

  async function openLinkPage(itemId?: string) {
    const { createLinkToken } = await platform.must<{ createLinkToken: { hostedLinkUrl: string } }>(
      "mutation ($input: CreateLinkTokenInput!) { createLinkToken(input: $input) { hostedLinkUrl expiresAt } }",
      { input: { itemId, idempotencyKey: randomUUID() } },
      person.token,
    );
    const page = await browser.context.newPage();
    await page.goto(createLinkToken.hostedLinkUrl);
    return page;
  }

  async function readItem(): Promise<LinkedItem | undefined> {
    const { virtualAccount } = await platform.must<{ virtualAccount: { items: LinkedItem[] } }>(
      `{ virtualAccount { items { ${ITEM} } } }`,
      undefined,
      person.token,
    );
    return virtualAccount.items[0];
  }

  /** The states that the subscription showed so far, and the wish that one of them comes. */
  function follow() {
    const seen: LinkedItem[] = [];
    const stop = sockets.subscribe<{ linkedItemUpdated: LinkedItem }>(
      { query: `subscription { linkedItemUpdated { ${ITEM} } }` },
      {
        next: ({ data }) => void (data && seen.push(data.linkedItemUpdated)),
        error: () => undefined,
        complete: () => undefined,
      },
    );
    return {
      stop,
      count: () => seen.length,
      until: (isSo: (item: LinkedItem) => boolean, after = 0) =>
        eventually(() => {
          const found = seen.slice(after).find(isSo);
          if (found === undefined) throw new Error(`seen so far: ${JSON.stringify(seen)}`);
          return found;
        }, UPDATE_DEADLINE_MS),
    };
  }

  function tellSimulator(path: string, body: unknown): Promise<Response> {
    return fetch(`${simulatorUrl}/_sim${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  /** The simulator's own id of the person's item: not in our graph, so found as the last that was linked. */
  async function simulatedItemId(): Promise<string> {
    const response = await fetch(`${simulatorUrl}/_sim/items`);
    const { items } = (await response.json()) as { readonly items: readonly { readonly itemId: string }[] };
    return items.at(-1)?.itemId ?? "";
  }

  const isSynced = (item: LinkedItem | undefined): item is LinkedItem =>
    item !== undefined && item.products.length === 4 && item.products.every(({ status }) => status === "READY");

  test("shows accounts, transactions, liabilities and holdings a moment after the page is done", async () => {
    const page = await openLinkPage();
    await page.getByTestId(`institution-${INSTITUTION}`).click();
    await page.getByTestId("username").fill("user_good");
    await page.getByTestId("password").fill("pass_good");
    await page.getByTestId("submit-login").click();
    await page.getByTestId("submit-accounts").click();
    await page.getByTestId("link-done").waitFor();
    await page.close();

    const item = await eventually(async () => {
      const found = await readItem();
      if (!isSynced(found)) throw new Error(JSON.stringify(found));
      return found;
    }, UPDATE_DEADLINE_MS);
    expect(item).toMatchObject({ status: "HEALTHY", nextAction: null });

    const seen = await eventually(async () => {
      const everything = await platform.must<Everything>(EVERYTHING, undefined, person.token);
      if (everything.liabilities.mortgage.length === 0 || everything.investments.holdings.length === 0)
        throw new Error("the portfolio has not heard of all of it");
      return everything;
    }, UPDATE_DEADLINE_MS);
    const accounts = seen.linkedAccounts.edges.map(({ node }) => node);
    expect(accounts.length).toBeGreaterThanOrEqual(12);
    expect(accounts.find(({ mask }) => mask === "0000")).toMatchObject({
      type: "DEPOSITORY",
      balance: { available: "100", current: "110", currency: { isoCode: "USD" } },
    });
    expect(accounts.some(({ transactions }) => transactions.edges.length > 0)).toBe(true);
    expect(seen.liabilities.credit.length).toBeGreaterThan(0);
    expect(seen.liabilities.student.length).toBeGreaterThan(0);
    expect(seen.investments.holdings.length).toBeGreaterThan(3);
    expect(JSON.stringify(seen)).not.toMatch(/access-sandbox|public-sandbox|link-sandbox/);
  });

  test("a transaction at the bank arrives by webhook and is pushed to the subscription", async () => {
    const following = follow();
    await following.until((state) => state.status === "HEALTHY");
    const before = following.count();
    const name = `Corner shop ${randomUUID()}`;
    const itemId = await simulatedItemId();
    const response = await tellSimulator(`/items/${itemId}/transactions`, {
      add: [{ amount: 12.34, name }],
    });
    expect([response.status, await response.text()]).toEqual([200, expect.anything()]);
    await following.until(isSynced, before);
    following.stop();
    const found = await eventually(async () => {
      const { linkedAccounts } = await platform.must<Pick<Everything, "linkedAccounts">>(
        EVERYTHING,
        undefined,
        person.token,
      );
      return linkedAccounts.edges.flatMap(({ node }) => node.transactions.edges).find(({ node }) => node.name === name);
    }, UPDATE_DEADLINE_MS);
    expect(found.node).toMatchObject({ amount: "12.34", direction: "OUT" });
  });

  test("a login that the bank no longer takes is shown at once, and repaired in the browser", async () => {
    const item = (await readItem())!;
    const following = follow();
    await following.until((state) => state.status === "HEALTHY");
    const before = following.count();
    await tellSimulator(`/items/${await simulatedItemId()}/state`, { state: "LOGIN_REQUIRED" });
    const broken = await following.until(({ status }) => status === "LOGIN_REQUIRED", before);
    expect(broken).toMatchObject({ nextAction: "RELINK", statusReason: "ITEM_LOGIN_REQUIRED" });

    const page = await openLinkPage(item.id);
    await page.getByTestId("username").fill("user_good");
    await page.getByTestId("password").fill("pass_good");
    await page.getByTestId("submit-login").click();
    await page.getByTestId("link-done").waitFor();
    await page.close();
    expect(await following.until(({ status }) => status === "HEALTHY", before + 1)).toMatchObject({ id: item.id });
    following.stop();
  });
});

interface Everything {
  readonly linkedAccounts: {
    readonly edges: readonly {
      readonly node: {
        readonly mask: string | null;
        readonly type: string;
        readonly balance: { readonly current: string | null };
        readonly transactions: {
          readonly edges: readonly { readonly node: { readonly name: string; readonly amount: string } }[];
        };
      };
    }[];
  };
  readonly liabilities: Readonly<Record<"credit" | "mortgage" | "student", readonly object[]>>;
  readonly investments: { readonly holdings: readonly object[] };
}

const EVERYTHING = `{
  linkedAccounts(first: 50) { edges { node {
    name mask type balance { available current currency { isoCode } asOf source }
    transactions(first: 5) { edges { node { name amount direction isPending } } }
  } } }
  liabilities {
    credit { account { name } aprs { percentage type } }
    mortgage { account { name } accountNumberMasked interestRate { percentage type } }
    student { account { name } interestRatePercentage }
  }
  investments { holdings { quantity institutionValue security { name tickerSymbol } account { name } } }
}`;
