import { eventually } from "@florin/testkit";
import { codesOf, dataOf, faultsOf, registerPerson, type Person, type Platform } from "./accounts-platform.js";
import {
  countRowsAfterPurge,
  LINK_TOKENS_PER_DAY,
  newKey,
  proofsOf,
  startLinkedGraph,
  type Exchanged,
  type LinkedGraph,
  type Page,
} from "./linked-graph-platform.js";

// What people do with linked accounts through the graph, with the simulator and PostgreSQL behind it.

let graph: LinkedGraph;
let platform: Platform;
let ada: Person;
let bo: Person;

beforeAll(async () => {
  graph = await startLinkedGraph();
  ({ platform } = graph);
  [ada, bo] = [await registerPerson(platform), await registerPerson(platform)];
});
afterAll(() => graph.stop());

const begin: LinkedGraph["begin"] = (...about) => graph.begin(...about);
const hand: LinkedGraph["hand"] = (...about) => graph.hand(...about);
const linkFor: LinkedGraph["linkFor"] = (...about) => graph.linkFor(...about);

describe("createLinkToken", () => {
  test("answers a page of the account service, and the same again under the same key", async () => {
    const idempotencyKey = newKey();
    const first = dataOf<Page>(await begin(ada, { idempotencyKey })).createLinkToken;
    expect(first.linkToken).toMatch(/^link-sandbox-/);
    expect(first.hostedLinkUrl.startsWith(`${graph.simulator.url}/link/`)).toBe(true);
    const again = await begin(ada, { idempotencyKey });
    expect(dataOf<Page>(again).createLinkToken).toEqual(first);
    expect(again.extensions?.florin?.idempotencyReplayed).toBe(true);
    expect(codesOf(await begin(ada, { idempotencyKey, selectAccounts: true }))).toEqual(["IDEMPOTENCY_KEY_REUSED"]);
  });

  test("asks the account service once for twenty equal calls at the same time", async () => {
    const made = () => graph.simulator.control.calls({ endpoint: "/link/token/create" }).length;
    const [before, idempotencyKey] = [made(), newKey()];
    const pages = await Promise.all(Array.from({ length: 20 }, () => begin(ada, { idempotencyKey })));
    expect(new Set(pages.map((page) => dataOf<Page>(page).createLinkToken.linkToken)).size).toBe(1);
    expect(made() - before).toBe(1);
  });

  test("is refused beyond the day's number, and to nobody else", async () => {
    const person = await registerPerson(platform);
    for (let made = 0; made < LINK_TOKENS_PER_DAY; made++) dataOf(await begin(person));
    expect(codesOf(await begin(person))).toEqual(["RATE_LIMITED"]);
    dataOf(await begin(bo));
  });

  test("gives a way back when the account service is away", async () => {
    const person = await registerPerson(platform);
    graph.simulator.control.addFault({
      match: { endpoint: "/link/token/create" },
      action: { kind: "status", status: 500 },
      times: 1,
    });
    const idempotencyKey = newKey();
    expect(codesOf(await begin(person, { idempotencyKey }))).toEqual(["TEMPORARILY_UNAVAILABLE"]);
    expect(dataOf<Page>(await begin(person, { idempotencyKey })).createLinkToken.linkToken).toMatch(/^link-/);
  });
});

describe("a linked login", () => {
  let linked: Exchanged["exchangePublicToken"];
  beforeAll(async () => {
    linked = await linkFor(ada);
    await graph.isSynced(ada, linked.linkedItem.id);
  });

  test("is healthy, of its institution, in the person's virtual account", async () => {
    expect(linked).toMatchObject({
      rejection: null,
      linkedItem: { status: "HEALTHY", institutionName: "First Platypus Bank" },
    });
    const query = `{ me { virtualAccount { id items { id nextAction hasNewAccounts timeline { status reason } } accounts { id } } } }`;
    const { me } = dataOf<{ me: { virtualAccount: { accounts: unknown[]; items: unknown[] } } }>(
      await platform.call(query, {}, { token: ada.token }),
    );
    expect(me.virtualAccount).toMatchObject({
      id: linked.virtualAccount.id,
      items: [
        {
          id: linked.linkedItem.id,
          nextAction: null,
          hasNewAccounts: false,
          timeline: [{ status: "HEALTHY", reason: null }],
        },
      ],
    });
    expect(me.virtualAccount.accounts.length).toBeGreaterThanOrEqual(12);
  });

  test("shows its accounts with exact amounts, narrowed by type and paged", async () => {
    const query = `query ($type: LinkedAccountType, $first: Int, $after: Cursor) {
      linkedAccounts(type: $type, first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor }
        edges { node { id name mask type subtype isRemoved item { id } balance { available current limit source asOf currency { isoCode unofficialCode } } } } } }`;
    interface Found {
      readonly linkedAccounts: {
        readonly totalCount: number;
        readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
        readonly edges: readonly { readonly node: { readonly id: string; readonly name: string } }[];
      };
    }
    const list = async (variables: Record<string, unknown>) =>
      dataOf<Found>(await platform.call(query, variables, { token: ada.token })).linkedAccounts;
    const all = await list({ first: 100 });
    expect(all.totalCount).toBe(all.edges.length);
    const retirement = all.edges.find(({ node }) => node.name.includes("401k"))?.node;
    expect(retirement).toMatchObject({
      type: "INVESTMENT",
      mask: "6666",
      isRemoved: false,
      item: { id: linked.linkedItem.id },
      balance: { current: "23631.9805", currency: { isoCode: "USD", unofficialCode: null } },
    });
    const paged: string[] = [];
    for (let after: string | null = null, more = true; more;) {
      const page: Found["linkedAccounts"] = await list({ first: 5, after });
      paged.push(...page.edges.map(({ node }) => node.id));
      [after, more] = [page.pageInfo.endCursor, page.pageInfo.hasNextPage];
    }
    expect(paged).toEqual(all.edges.map(({ node }) => node.id));
    const credit = await list({ type: "CREDIT" });
    expect(credit.edges.length).toBeGreaterThan(0);
    expect(credit.edges.length).toBeLessThan(all.edges.length);
  });

  test("shows transactions newest first, always positive, of many accounts at once", async () => {
    const query = `{ virtualAccount { accounts { transactions(first: 3) { pageInfo { hasNextPage } edges { cursor node { id date amount direction isPending account { id } } } } } } }`;
    interface Found {
      readonly virtualAccount: {
        readonly accounts: readonly {
          readonly transactions: {
            readonly edges: readonly { readonly node: { readonly date: string; readonly amount: string } }[];
          };
        }[];
      };
    }
    const { virtualAccount } = dataOf<Found>(await platform.call(query, {}, { token: ada.token }));
    const busy = virtualAccount.accounts.filter(({ transactions }) => transactions.edges.length > 0);
    expect(busy.length).toBeGreaterThan(0);
    for (const { transactions } of busy) {
      const dates = transactions.edges.map(({ node }) => node.date);
      expect(dates).toEqual([...dates].sort().reverse());
      for (const { node } of transactions.edges) expect(node.amount).toMatch(/^\d+(\.\d+)?$/);
    }
  });

  test("is not there for another person", async () => {
    const id = linked.linkedItem.id;
    const query = "query ($id: ID!) { linkedItem(id: $id) { id } }";
    const others = await platform.call(query, { id }, { token: bo.token });
    expect([others.data, codesOf(others)]).toEqual([{ linkedItem: null }, ["NOT_FOUND"]]);
    const { id: virtualAccountId } = linked.virtualAccount;
    const listing = await platform.call(
      "query ($id: ID!) { linkedAccounts(virtualAccountId: $id) { totalCount } }",
      { id: virtualAccountId },
      { token: bo.token },
    );
    expect(codesOf(listing)).toEqual(["NOT_FOUND"]);
    const nothing = await platform.call("{ virtualAccount { id } }", {}, { token: bo.token });
    expect(dataOf(nothing)).toEqual({ virtualAccount: null });
    for (const mutation of ["refreshLinkedItem", "refreshLinkedBalances", "removeLinkedItem"]) {
      const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
      const text = `mutation ($input: ${type}!) { ${mutation}(input: $input) { linkedItem { id } } }`;
      const refused = await platform.call(
        text,
        { input: { itemId: id, idempotencyKey: newKey() } },
        { token: bo.token },
      );
      expect([mutation, codesOf(refused)]).toEqual([mutation, ["NOT_FOUND"]]);
    }
  });

  test("is resolved as an entity for other subgraphs, each kind in one query", async () => {
    const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) {
      ... on LinkedItem { id } ... on VirtualAccount { id items { id } } ... on LinkedAccount { id name } } }`;
    const [account] = await linkedAccountIds();
    const representations = [
      { __typename: "LinkedItem", id: linked.linkedItem.id },
      { __typename: "VirtualAccount", id: linked.virtualAccount.id },
      { __typename: "LinkedAccount", id: account },
    ];
    const { _entities } = dataOf<{ _entities: unknown[] }>(
      await platform.call(query, { representations }, { token: ada.token }),
    );
    expect(_entities).toMatchObject([
      { id: linked.linkedItem.id },
      { id: linked.virtualAccount.id, items: [{ id: linked.linkedItem.id }] },
      { id: account },
    ]);
  });

  test("takes the person's own category and note, and gives them back to be taken away", async () => {
    const [transactionId] = await transactionIds();
    const text = `mutation ($input: EditLinkedTransactionInput!) { editLinkedTransaction(input: $input) {
      transaction { id category institutionCategory userCategory note } } }`;
    const edit = (input: Record<string, unknown>, person = ada) =>
      platform.call(text, { input: { transactionId, idempotencyKey: newKey(), ...input } }, { token: person.token });
    interface Edited {
      readonly editLinkedTransaction: {
        readonly transaction: Readonly<
          Record<"category" | "institutionCategory" | "userCategory" | "note", string | null>
        >;
      };
    }
    const idempotencyKey = newKey();
    const response = await edit({ category: " Holidays ", note: "with Bo", idempotencyKey });
    const { transaction } = dataOf<Edited>(response).editLinkedTransaction;
    expect(transaction).toMatchObject({ category: "Holidays", userCategory: "Holidays", note: "with Bo" });
    // Absent where a transaction of another suite holds the relay's horizon for longer than an answer waits.
    expect(response.extensions?.florin?.written?.["accounts"] ?? "0").toMatch(/^\d+$/);
    const kept = dataOf<Edited>(await edit({ category: null })).editLinkedTransaction.transaction;
    expect(kept).toMatchObject({ userCategory: null, note: "with Bo", category: kept.institutionCategory });
    expect((await edit({ category: " Holidays ", note: "with Bo", idempotencyKey })).extensions?.florin).toMatchObject({
      idempotencyReplayed: true,
    });
    expect(codesOf(await edit({ note: "mine" }, bo))).toEqual(["NOT_FOUND"]);
    expect(faultsOf(await edit({ category: "x".repeat(101) }))).toEqual(["input.category TEXT_TOO_LONG"]);
  });

  test("is read again when it is asked for", async () => {
    const text =
      "mutation ($input: RefreshLinkedItemInput!) { refreshLinkedItem(input: $input) { linkedItem { id } } }";
    const syncs = () => graph.simulator.control.calls({ endpoint: "/transactions/sync" }).length;
    const before = syncs();
    const input = { itemId: linked.linkedItem.id, idempotencyKey: newKey() };
    dataOf(await platform.call(text, { input }, { token: ada.token }));
    await eventually(() => Promise.resolve(syncs() > before), 10_000);
    const replay = await platform.call(text, { input }, { token: ada.token });
    expect(replay.extensions?.florin?.idempotencyReplayed).toBe(true);
  });

  test("answers its token to nobody: no row, no event, no line of the log and no answer has one", async () => {
    const { sql } = platform.database;
    const tables = await sql<{ name: string }[]>`
      select table_name as name from information_schema.tables where table_schema = 'accounts' and table_type = 'BASE TABLE'`;
    let everything = [...platform.logLines, ...graph.answers].join("\n");
    for (const { name } of tables) {
      const rows = await sql<{ text: string }[]>`select row_to_json(t)::text as text from ${sql(`accounts.${name}`)} t`;
      everything += rows.map(({ text }) => text).join("\n");
    }
    expect(everything).toContain(linked.linkedItem.id);
    // A page's link token is answered to whom it belongs; it rests nowhere.
    expect(everything).not.toMatch(/(access|public)-sandbox-/);
    expect(everything.replaceAll(/"linkToken":"link-sandbox-[^"]*"/g, "")).not.toMatch(/link-sandbox-/);
    // Bytes are shown in hexadecimal.
    for (const kind of ["access", "public", "link"])
      expect(everything).not.toContain(Buffer.from(`${kind}-sandbox-`).toString("hex"));
  });

  async function linkedAccountIds(): Promise<readonly string[]> {
    const query = "{ virtualAccount { accounts { id } } }";
    const { virtualAccount } = dataOf<{ virtualAccount: { accounts: { id: string }[] } }>(
      await platform.call(query, {}, { token: ada.token }),
    );
    return virtualAccount.accounts.map(({ id }) => id);
  }

  async function transactionIds(): Promise<readonly string[]> {
    const query = "{ virtualAccount { accounts { transactions(first: 2) { edges { node { id } } } } } }";
    interface Found {
      readonly virtualAccount: {
        readonly accounts: readonly {
          readonly transactions: { readonly edges: readonly { readonly node: { readonly id: string } }[] };
        }[];
      };
    }
    const { virtualAccount } = dataOf<Found>(await platform.call(query, {}, { token: ada.token }));
    return virtualAccount.accounts.flatMap(({ transactions }) => transactions.edges.map(({ node }) => node.id));
  }
});

describe("a public token", () => {
  test("needs a visit that the person began", async () => {
    const person = await registerPerson(platform);
    const publicToken = await graph.publicTokenOf();
    expect(faultsOf(await hand(person, publicToken))).toEqual(["input.publicToken PUBLIC_TOKEN_INVALID"]);
    dataOf(await begin(person));
    expect(dataOf<Exchanged>(await hand(person, publicToken)).exchangePublicToken.rejection).toBeNull();
  });

  test("becomes one item, however often and by however many it is handed over", async () => {
    const person = await registerPerson(platform);
    dataOf(await begin(person));
    const publicToken = await graph.publicTokenOf();
    const exchanges = () =>
      graph.simulator.control.calls({ endpoint: "/item/public_token/exchange", status: 200 }).length;
    const [before, idempotencyKey] = [exchanges(), newKey()];
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, () => hand(person, publicToken, idempotencyKey)),
      ...Array.from({ length: 5 }, () => hand(person, publicToken)),
    ]);
    const ids = answers.map((answer) => dataOf<Exchanged>(answer).exchangePublicToken.linkedItem.id);
    expect(new Set(ids).size).toBe(1);
    expect(exchanges() - before).toBe(1);
    expect(codesOf(await hand(person, await graph.publicTokenOf(), idempotencyKey))).toEqual([
      "IDEMPOTENCY_KEY_REUSED",
    ]);
    expect(faultsOf(await hand(person, "not a token"))).toEqual(["input.publicToken PUBLIC_TOKEN_INVALID"]);
  });

  test("that was exchanged by one person is refused to another", async () => {
    const person = await registerPerson(platform);
    dataOf(await begin(person));
    const publicToken = await graph.publicTokenOf();
    dataOf(await hand(person, publicToken));
    dataOf(await begin(bo));
    expect(faultsOf(await hand(bo, publicToken))).toEqual(["input.publicToken PUBLIC_TOKEN_INVALID"]);
  });
});

describe("removal", () => {
  const removeMutation =
    "mutation ($input: RemoveLinkedItemInput!) { removeLinkedItem(input: $input) { linkedItem { id status products { product } } } }";
  const deleteMutation =
    "mutation ($input: DeleteVirtualAccountInput!) { deleteVirtualAccount(input: $input) { removed } }";
  const removals = () => graph.simulator.control.calls({ endpoint: "/item/remove", status: 200 }).length;

  test("hides an item at once, tells the institution once, and leaves a proof and nothing else", async () => {
    const person = await registerPerson(platform);
    const { linkedItem } = await linkFor(person);
    await graph.isSynced(person, linkedItem.id);
    const [before, input] = [removals(), { itemId: linkedItem.id, idempotencyKey: newKey() }];
    const response = await platform.call(removeMutation, { input }, { token: person.token });
    expect(dataOf(response)).toMatchObject({ removeLinkedItem: { linkedItem: { status: "REMOVED", products: [] } } });
    // Absent where a transaction of another suite holds the relay's horizon for longer than an answer waits.
    expect(response.extensions?.florin?.written?.["accounts"] ?? "0").toMatch(/^\d+$/);
    const shown = await platform.call(
      "{ virtualAccount { id } linkedAccounts { totalCount } }",
      {},
      { token: person.token },
    );
    expect(dataOf(shown)).toEqual({ virtualAccount: null, linkedAccounts: { totalCount: 0 } });
    await eventually(async () => (await proofsOf(platform, person)).length === 1, 10_000);
    expect(removals() - before).toBe(1);
    expect(await proofsOf(platform, person)).toMatchObject([
      { reason: "REQUESTED", remote: "REMOVED", accounts: expect.any(Number) as number },
    ]);
    expect(await countRowsAfterPurge(platform)).toBe(0);
    const replay = await platform.call(removeMutation, { input }, { token: person.token });
    expect(replay.extensions?.florin?.idempotencyReplayed).toBe(true);
    expect((await graph.itemOf(person, linkedItem.id)).status).toBe("REMOVED");
  });

  test("of everything takes several logins and what is open, and can be said twice", async () => {
    const person = await registerPerson(platform);
    const first = await linkFor(person);
    await linkFor(person, "user_transactions_dynamic");
    dataOf(await begin(person));
    const [before, input] = [removals(), { id: first.virtualAccount.id, idempotencyKey: newKey() }];
    const said = () => platform.call(deleteMutation, { input }, { token: person.token });
    expect(dataOf(await said())).toEqual({ deleteVirtualAccount: { removed: true } });
    expect(dataOf(await said())).toEqual({ deleteVirtualAccount: { removed: true } });
    await eventually(async () => (await proofsOf(platform, person)).length === 2, 10_000);
    expect(removals() - before).toBe(2);
    expect(faultsOf(await hand(person, await graph.publicTokenOf()))).toEqual([
      "input.publicToken PUBLIC_TOKEN_INVALID",
    ]);
    const others = await platform.call(
      deleteMutation,
      { input: { ...input, idempotencyKey: newKey() } },
      { token: bo.token },
    );
    expect(codesOf(others)).toEqual(["NOT_FOUND"]);
  });
});

describe("demo data", () => {
  test("links a login for the first of the demo's people, once; staff see it and change nothing", async () => {
    await platform.area.seedDemo();
    const { password, identities } = await platform.area.seedDemo();
    const signIn = async (what: string) => {
      const input = { identifier: identities.find((one) => one.what === what)?.email, password };
      const text = "mutation ($input: LoginInput!) { login(input: $input) { accessToken } }";
      return dataOf<{ login: { accessToken: string } }>(await platform.call(text, { input })).login.accessToken;
    };
    const shown = await platform.call(
      "{ virtualAccount { id items { id institutionName } } }",
      {},
      { token: await signIn("customer") },
    );
    interface Shown {
      readonly virtualAccount: { readonly id: string; readonly items: readonly { readonly id: string }[] };
    }
    const { virtualAccount } = dataOf<Shown>(shown);
    expect(virtualAccount.items).toMatchObject([{ institutionName: "First Platypus Bank" }]);
    const token = await signIn("staff");
    const seen = await platform.call(
      "query ($id: ID!) { virtualAccount(id: $id) { items { id accounts { id } } } }",
      { id: virtualAccount.id },
      { token },
    );
    expect(dataOf(seen)).toMatchObject({ virtualAccount: { items: [{ id: virtualAccount.items[0]?.id }] } });
    const text = "mutation ($input: RemoveLinkedItemInput!) { removeLinkedItem(input: $input) { linkedItem { id } } }";
    const input = { itemId: virtualAccount.items[0]?.id, idempotencyKey: newKey() };
    expect(codesOf(await platform.call(text, { input }, { token }))).toEqual(["NOT_FOUND"]);
    expect(platform.logLines.some((line) => line.includes("linked:read") && line.includes("role:STAFF"))).toBe(true);
  });
});
