import { eventually } from "@florin/testkit";
import {
  codesOf,
  dataOf,
  faultsOf,
  registerPerson,
  startPlatform,
  type Person,
  type Platform,
} from "./accounts-platform.js";

let platform: Platform;
let ada: Person;
let bo: Person;
beforeAll(async () => {
  platform = await startPlatform();
  ada = await registerPerson(platform);
  bo = await registerPerson(platform);
});
afterAll(() => platform.stop());

const fields = "account { id name status currency productId openedAt closedAt parameters } rejection { code message }";
const openMutation = `mutation ($input: OpenAccountInput!) { openAccount(input: $input) { ${fields} } }`;
const closeMutation = `mutation ($input: CloseAccountInput!) { closeAccount(input: $input) { ${fields} } }`;

interface Outcome {
  readonly account: { readonly id: string; readonly status: string; readonly name: string };
  readonly rejection: { readonly code: string } | null;
}

let keys = 0;
const newKey = () => `account-key-${++keys}`;
const open = (person: Person, input: Record<string, unknown> = {}) =>
  platform.call(
    openMutation,
    { input: { productId: "current_account", currency: "USD", idempotencyKey: newKey(), ...input } },
    { token: person.token },
  );
const close = (person: Person, accountId: string, input: Record<string, unknown> = {}) =>
  platform.call(closeMutation, { input: { accountId, idempotencyKey: newKey(), ...input } }, { token: person.token });
const opened = async (response: ReturnType<typeof open>) =>
  dataOf<{ openAccount: Outcome }>(await response).openAccount;
const closed = async (response: ReturnType<typeof close>) =>
  dataOf<{ closeAccount: Outcome }>(await response).closeAccount;
async function statusOf(id: string, person = ada): Promise<string> {
  const response = await platform.call("query ($id: ID!) { account(id: $id) { status } }", { id }, person);
  return dataOf<{ account: { status: string } }>(response).account.status;
}

describe("openAccount", () => {
  test("waits for the ledger and shows the open account", async () => {
    const response = await open(ada, { name: " Rent ", parameters: { arrangedOverdraft: "10.00" } });
    expect(dataOf(response)).toMatchObject({
      openAccount: {
        account: {
          name: "Rent",
          status: "OPEN",
          currency: "USD",
          productId: "prod_current",
          openedAt: expect.stringMatching(/Z$/) as string,
          closedAt: null,
          parameters: { arrangedOverdraft: "10.00" },
        },
        rejection: null,
      },
    });
    expect(response.extensions?.florin?.written?.["accounts"]).toMatch(/^\d+$/);
    expect(response.extensions?.florin?.idempotencyReplayed).toBeUndefined();
  });

  test("answers PENDING when told not to wait, and is open soon", async () => {
    const { account } = await opened(open(ada, { waitMs: 0 }));
    expect(account.status).toBe("PENDING");
    await eventually(async () => (await statusOf(account.id)) === "OPEN");
  });

  test("replays to the same account, and says so", async () => {
    const input = { idempotencyKey: newKey(), name: "Once" };
    const first = await opened(open(ada, input));
    const response = await open(ada, { ...input, waitMs: 10 });
    expect(dataOf<{ openAccount: Outcome }>(response).openAccount.account.id).toBe(first.account.id);
    expect(response.extensions?.florin?.idempotencyReplayed).toBe(true);
  });

  test("joins the first call while that waits", async () => {
    platform.ledger.isSilent = true;
    const input = { idempotencyKey: newKey(), name: "Joined" };
    const { account } = await opened(open(ada, { ...input, waitMs: 0 }));
    const joined = open(ada, { ...input, waitMs: 5_000 });
    platform.ledger.isSilent = false;
    await platform.ledger.publish("account.rejected", account.id, {
      accountId: account.id,
      code: "PRODUCT_UNKNOWN",
      message: "No such product.",
    });
    expect(await opened(joined)).toMatchObject({ account: { id: account.id, status: "REJECTED" } });
  });

  test("is woken when another process applied the answer", async () => {
    const own = await startPlatform();
    own.ledger.isSilent = true;
    const person = await registerPerson(own);
    const input = { productId: "current_account", currency: "USD", idempotencyKey: "woken", waitMs: 8_000 };
    const other = await startPlatform({ onDatabase: { url: own.url, drop: () => Promise.resolve() } });
    const begun = performance.now();
    try {
      // Its own ledger is silent; the other process's relay finds the command at its next poll, and its ledger answers.
      expect(dataOf(await own.call(openMutation, { input }, { token: person.token }))).toMatchObject({
        openAccount: { account: { status: "OPEN" } },
      });
      expect(performance.now() - begun).toBeLessThan(6_000);
    } finally {
      await other.stop();
      await own.stop();
    }
  });

  test("makes one account of twenty equal calls at once", async () => {
    const input = { idempotencyKey: newKey(), name: "Twenty" };
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => opened(open(ada, input))));
    expect(new Set(outcomes.map((outcome) => outcome.account.id)).size).toBe(1);
    const rows = await platform.database.sql`select from accounts.account where name = 'Twenty'`;
    expect(rows).toHaveLength(1);
  });

  test("keeps keys of one person apart from another's", async () => {
    const input = { idempotencyKey: newKey(), name: "Same key" };
    const [first, second] = [await opened(open(ada, input)), await opened(open(bo, input))];
    expect(second.account.id).not.toBe(first.account.id);
  });

  test("refuses the same key with another input, and for another operation", async () => {
    const input = { idempotencyKey: newKey(), name: "First" };
    const { account } = await opened(open(ada, input));
    expect(codesOf(await open(ada, { ...input, name: "Second" }))).toEqual(["IDEMPOTENCY_KEY_REUSED"]);
    const crossed = await close(ada, account.id, { idempotencyKey: input.idempotencyKey });
    expect(codesOf(crossed)).toEqual(["IDEMPOTENCY_KEY_REUSED"]);
    expect(await statusOf(account.id)).toBe("OPEN");
  });

  test("shows the ledger's refusal as a result, and again in the replay", async () => {
    const input = { idempotencyKey: newKey(), productId: "no_such_product" };
    const refused = { account: { status: "REJECTED" }, rejection: { code: "PRODUCT_UNKNOWN" } };
    expect(await opened(open(ada, input))).toMatchObject(refused);
    expect(await opened(open(ada, input))).toMatchObject(refused);
  });

  test.each([
    [{ productId: "" }, ["input.productId PRODUCT_INVALID"]],
    [{ productId: "p".repeat(101) }, ["input.productId PRODUCT_INVALID"]],
    [{ currency: "ZZZ" }, ["input.currency CURRENCY_UNKNOWN"]],
    [{ name: "" }, ["input.name FIELD_REQUIRED"]],
    [{ name: "n".repeat(101) }, ["input.name NAME_TOO_LONG"]],
    [{ parameters: [1] }, ["input.parameters PARAMETERS_INVALID"]],
    [{ parameters: "x" }, ["input.parameters PARAMETERS_INVALID"]],
    [{ parameters: { a: "x".repeat(5_000) } }, ["input.parameters PARAMETERS_TOO_LARGE"]],
    [{ idempotencyKey: "" }, ["input.idempotencyKey KEY_INVALID"]],
    [{ waitMs: -1 }, ["input.waitMs WAIT_OUT_OF_RANGE"]],
    [{ waitMs: 10_001 }, ["input.waitMs WAIT_OUT_OF_RANGE"]],
    [
      { productId: "", currency: "ZZZ", name: "", waitMs: -1 },
      [
        "input.productId PRODUCT_INVALID",
        "input.currency CURRENCY_UNKNOWN",
        "input.name FIELD_REQUIRED",
        "input.waitMs WAIT_OUT_OF_RANGE",
      ],
    ],
  ])("refuses %j", async (change, faults) => {
    const response = await open(ada, change);
    expect(codesOf(response)).toEqual(["BAD_USER_INPUT"]);
    expect(faultsOf(response)).toEqual(faults);
  });

  test("is for people: nobody and partners may not", async () => {
    const input = { productId: "wallet", currency: "USD", idempotencyKey: newKey() };
    expect(codesOf(await platform.call(openMutation, { input }))).toEqual(["UNAUTHENTICATED"]);
  });
});

describe("closeAccount", () => {
  test("closes an empty account for good", async () => {
    const { account } = await opened(open(ada));
    const input = { idempotencyKey: newKey() };
    const outcome = { account: { status: "CLOSED", closedAt: expect.any(String) as string }, rejection: null };
    expect(await closed(close(ada, account.id, input))).toMatchObject(outcome);
    const replay = await close(ada, account.id, input);
    expect(dataOf<{ closeAccount: Outcome }>(replay).closeAccount).toMatchObject(outcome);
    expect(replay.extensions?.florin?.idempotencyReplayed).toBe(true);
    expect(await closed(close(ada, account.id))).toMatchObject({
      account: { status: "CLOSED" },
      rejection: { code: "ACCOUNT_NOT_OPEN" },
    });
  });

  test("leaves an account with money open and says why; the same key says it again, another may try again", async () => {
    const { account } = await opened(open(ada));
    platform.ledger.funded.add(account.id);
    const input = { idempotencyKey: newKey() };
    const refused = { account: { status: "OPEN" }, rejection: { code: "BALANCE_NOT_ZERO" } };
    expect(await closed(close(ada, account.id, input))).toMatchObject(refused);
    platform.ledger.funded.delete(account.id);
    expect(await closed(close(ada, account.id, input))).toMatchObject(refused);
    expect(await closed(close(ada, account.id))).toMatchObject({ account: { status: "CLOSED" }, rejection: null });
  });

  test("shows PENDING_CLOSURE while the ledger decides; a second request joins the first", async () => {
    const { account } = await opened(open(ada));
    platform.ledger.isSilent = true;
    const first = await closed(close(ada, account.id, { waitMs: 0 }));
    expect(first).toMatchObject({ account: { status: "PENDING_CLOSURE" }, rejection: null });
    const second = close(ada, account.id, { waitMs: 5_000 });
    await eventually(async () => (await statusOf(account.id)) === "PENDING_CLOSURE");
    platform.ledger.isSilent = false;
    await platform.ledger.publish("account.close_rejected", account.id, {
      accountId: account.id,
      code: "BALANCE_NOT_ZERO",
      message: "Move the money away first.",
    });
    expect(await closed(second)).toMatchObject({
      account: { status: "OPEN" },
      rejection: { code: "BALANCE_NOT_ZERO" },
    });
    const commands = await platform.database.sql`
      select from accounts.outbox where type = 'account.close' and key = ${account.id}`;
    expect(commands).toHaveLength(1);
  });

  test("refuses at once what was never open", async () => {
    const { account } = await opened(open(ada, { productId: "no_such_product" }));
    expect(await closed(close(ada, account.id))).toMatchObject({
      account: { status: "REJECTED" },
      rejection: { code: "ACCOUNT_NOT_OPEN" },
    });
  });

  test("does not know somebody else's account, an internal one, or nonsense", async () => {
    const [internal] = await platform.database.sql<{ id: string }[]>`
      select account_id as id from accounts.account where kind = 'INTERNAL' limit 1`;
    const answers = [
      await close(bo, ada.walletId),
      await close(bo, "acct_00000000000000000000000000"),
      await close(bo, "nonsense"),
      await close(bo, internal!.id),
    ];
    expect(answers.map(codesOf)).toEqual(answers.map(() => ["NOT_FOUND"]));
    expect(new Set(answers.map((answer) => answer.errors?.[0]?.message)).size).toBe(1);
    expect(await statusOf(ada.walletId)).toBe("OPEN");
    const kept = await platform.database.sql`
      select from accounts.idempotency_key where principal = ${bo.id} and operation = 'closeAccount'`;
    expect(kept).toHaveLength(0);
  });
});

describe("answers of the ledger", () => {
  test("that come again or late change nothing", async () => {
    const { account } = await opened(open(ada));
    await closed(close(ada, account.id));
    const event = await platform.ledger.publish("account.opened", account.id, {
      accountId: account.id,
      productId: "prod_x",
      productVersionId: "prdv_x",
      currency: "USD",
      parameters: {},
      openedAt: "2026-01-01T00:00:00.000000Z",
    });
    await eventually(async () => {
      const rows = await platform.database.sql`select from accounts.inbox where event_id = ${event.eventId}`;
      return rows.length === 1;
    });
    expect(await statusOf(account.id)).toBe("CLOSED");
  });

  test("that cannot be read are parked, and hold their account only", async () => {
    const { account } = await opened(open(ada));
    await platform.ledger.publish("account.closed", account.id, { accountId: account.id, closedAt: "yesterday" });
    await eventually(async () => {
      const rows = await platform.database.sql`
        select from accounts.dead_letter where key = ${account.id} and status = 'PARKED'`;
      return rows.length === 1;
    });
    expect(await statusOf(account.id)).toBe("OPEN");
    expect((await opened(open(bo))).account.status).toBe("OPEN");
  });

  test("the database refuses a status that does not follow, and a position that goes back", async () => {
    const { account } = await opened(open(ada));
    await closed(close(ada, account.id));
    const { sql } = platform.database;
    const change = (set: Promise<unknown>) => expect(set).rejects.toMatchObject({ code: "FL002" });
    await change(
      sql`update accounts.account set status = 'OPEN', closed_at = null where name = 'USD account' and status = 'CLOSED'`,
    );
    await change(sql`update accounts.account set ledger_position = 0 where ledger_position > 0`);
  });
});

describe("reading", () => {
  const list =
    "query ($filter: AccountFilter, $first: Int, $after: Cursor) { accounts(filter: $filter, first: $first, after: $after) { totalCount edges { cursor node { id status } } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
  interface Listed {
    readonly accounts: {
      readonly totalCount: number | null;
      readonly edges: readonly {
        readonly cursor: string;
        readonly node: { readonly id: string; readonly status: string };
      }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  }

  test("walks all accounts of a person once, in pages", async () => {
    const cy = await registerPerson(platform);
    const made = [cy.walletId];
    for (let i = 0; i < 6; i++) made.push((await opened(open(cy))).account.id);
    const found: string[] = [];
    for (let after: string | null = null; ;) {
      const response = await platform.call(list, { first: 3, after }, cy);
      const { accounts } = dataOf<Listed>(response);
      expect(accounts.totalCount).toBe(7);
      found.push(...accounts.edges.map((edge) => edge.node.id));
      if (!accounts.pageInfo.hasNextPage) break;
      after = accounts.pageInfo.endCursor;
    }
    expect(found).toEqual(made);
  });

  test("filters by status and currency", async () => {
    const dee = await registerPerson(platform);
    await opened(open(dee, { productId: "no_such_product" }));
    await opened(open(dee, { currency: "EUR" }));
    const count = async (filter: object) =>
      dataOf<Listed>(await platform.call(list, { filter }, dee)).accounts.totalCount;
    expect([await count({}), await count({ status: "REJECTED" }), await count({ currency: "EUR" })]).toEqual([3, 1, 1]);
    expect(await count({ status: "CLOSED", currency: "EUR" })).toBe(0);
  });

  test.each([
    [{ first: 0 }, "first PAGE_SIZE"],
    [{ first: 101 }, "first PAGE_SIZE"],
    [{ after: "forged" }, "after CURSOR_INVALID"],
  ])("refuses %j", async (variables, fault) => {
    expect(faultsOf(await platform.call(list, variables, ada))).toEqual([fault]);
  });

  test("shows nobody anything, and a person nothing of another's", async () => {
    const query = "query ($id: ID!) { account(id: $id) { id name } }";
    expect(codesOf(await platform.call(query, { id: ada.walletId }))).toEqual(["UNAUTHENTICATED"]);
    const foreign = await platform.call(query, { id: ada.walletId }, bo);
    const missing = await platform.call(query, { id: "acct_00000000000000000000000000" }, bo);
    expect(codesOf(foreign)).toEqual(["NOT_FOUND"]);
    expect(foreign.data).toEqual({ account: null });
    expect(JSON.stringify(foreign)).toBe(JSON.stringify(missing));
  });

  test("guards entities in the same way", async () => {
    const query = `query ($representations: [_Any!]!) {
      _entities(representations: $representations) { ... on Account { id name } ... on User { id email } } }`;
    const representations = [
      { __typename: "Account", id: ada.walletId },
      { __typename: "User", id: ada.id },
      { __typename: "Account", id: bo.walletId },
      { __typename: "User", id: bo.id },
      { __typename: "User", id: "nonsense" },
    ];
    const response = await platform.call(query, { representations }, bo);
    const entities = (response.data as { _entities: ({ id: string } | null)[] })._entities;
    expect(entities.map((entity) => entity?.id ?? null)).toEqual([null, null, bo.walletId, bo.id, null]);
    expect(codesOf(response)).toEqual(["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]);
    const anonymous = await platform.call(query, { representations });
    expect((anonymous.data as { _entities: unknown[] })._entities).toEqual([null, null, null, null, null]);
  });

  test("waits for what the client has seen elsewhere, and says so when that does not come", async () => {
    const query = "query ($id: ID!) { account(id: $id) { id } }";
    const seen = { token: ada.token, consistency: `ledger=${platform.ledger.head()}` };
    expect(codesOf(await platform.call(query, { id: ada.walletId }, seen))).toEqual([]);
    const ahead = { token: ada.token, consistency: `ledger=${platform.ledger.head() + 1_000n}` };
    const response = await platform.call(query, { id: ada.walletId }, ahead);
    expect(codesOf(response)).toEqual(["TEMPORARILY_UNAVAILABLE"]);
    expect(response.errors?.[0]?.extensions?.["retryAfterMs"]).toBe(500);
  });

  test("answers nothing without a service token", async () => {
    const response = await platform.call("{ _service { sdl } }", {}, { serviceToken: ada.token });
    expect(response.data).toBeUndefined();
    expect(response.errors).toHaveLength(1);
  });
});
