import { formatTransactionId } from "@florin/kernel";
import { checkBooks } from "@florin/testkit";
import {
  customer,
  partner,
  staff,
  startLedger,
  unknownAccountId,
  uuidOfAccount,
  type TestLedger,
} from "./ledger-harness.js";

const ada = customer("ada");
const bo = customer("bo");
const usd = (amount: string) => ({ amount, currency: "USD" });

let ledger: TestLedger;
let wallet: string;
let other: string;
let keys = 0;

beforeAll(async () => {
  ledger = await startLedger();
  wallet = await ledger.openAccount(ada);
  other = await ledger.openAccount(bo);
  for (let i = 1; i <= 25; i++) await deposit(wallet, `${i}.00`, `salary ${i}`);
  await transfer("5.00", "lunch");
});

afterAll(async () => {
  await ledger.stop();
  const faults = await checkBooks(ledger.url, { areas: ["ledger"] });
  await ledger.drop();
  expect(faults).toEqual([]);
});

async function deposit(accountId: string, amount: string, reference: string): Promise<Record<string, unknown>> {
  const input = { accountId, amount: usd(amount), reference, idempotencyKey: `key-${++keys}` };
  const { data, errors } = await ledger.run(
    ada,
    `mutation($input: DepositInput!) { deposit(input: $input) { operation { id status } } }`,
    { input },
  );
  expect(errors).toBeUndefined();
  return (data?.["deposit"] as { operation: Record<string, unknown> }).operation;
}

async function transfer(amount: string, reference: string): Promise<void> {
  const input = {
    fromAccountId: wallet,
    toAccountId: other,
    amount: usd(amount),
    reference,
    idempotencyKey: `key-${++keys}`,
  };
  const { data } = await ledger.run(
    ada,
    `mutation($input: BookTransferInput!) { bookTransfer(input: $input) { operation { status } } }`,
    { input },
  );
  expect(data).toMatchObject({ bookTransfer: { operation: { status: "COMPLETED" } } });
}

/** What the gateway asks for an entity. */
async function entities(viewer: typeof ada | undefined, representations: readonly unknown[], selection: string) {
  const query = `query($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`;
  const { data, errors } = await ledger.run(viewer, query, { r: representations });
  return { rows: data?.["_entities"] as (Record<string, unknown> | null)[], errors: errors ?? [] };
}

const accountOf = (id: string) => ({ __typename: "Account", id });
const balanceFields = `available { amount currency } committed { amount } pendingIn { amount } pendingOut { amount } accountSeq asOf`;

describe("balances", () => {
  test("are the caller's own when none is named", async () => {
    const { data } = await ledger.run(bo, `{ balances { account { id } ${balanceFields} } }`);
    expect(data?.["balances"]).toMatchObject([
      { account: { id: other }, available: usd("5.00"), committed: { amount: "5.00" }, pendingIn: { amount: "0.00" } },
    ]);
  });

  test("two clocks: what was known before is still told as it was", async () => {
    const read = `... on Account { now: balance { ${balanceFields} } }`;
    const before = (await entities(ada, [accountOf(wallet)], read)).rows[0]!["now"] as Record<string, unknown>;
    await deposit(wallet, "1000.00", "bonus");
    const asked = `query($r: [_Any!]!, $k: DateTime, $v: DateTime) { _entities(representations: $r) { ... on Account {
      known: balance(knownAt: $k) { ${balanceFields} } value: balance(at: $v) { available { amount } accountSeq }
      now: balance { available { amount } } } } }`;
    const { data, errors } = await ledger.run(ada, asked, {
      r: [accountOf(wallet)],
      k: before["asOf"],
      v: "2000-01-01T00:00:00Z",
    });
    expect(errors).toBeUndefined();
    const [row] = data?.["_entities"] as Record<string, { available: { amount: string } }>[];
    expect(row!["known"]).toEqual(before);
    expect(row!["value"]).toEqual({ available: { amount: "0.00" }, accountSeq: "0" });
    expect(row!["now"]).not.toEqual({ available: before["available"] });
  });

  test("refuse a known time that has not come yet", async () => {
    const { rows, errors } = await entities(
      ada,
      [accountOf(wallet)],
      `... on Account { balance(knownAt: "2999-01-01T00:00:00Z") { accountSeq } }`,
    );
    expect(rows[0]).toEqual({ balance: null });
    expect(errors[0]?.extensions).toMatchObject({ code: "BAD_USER_INPUT", fields: [{ code: "KNOWN_AT_NOT_SEALED" }] });
  });

  test("at exactly one sequence, whatever came after", async () => {
    const key = { __typename: "AccountBalance", account: { id: wallet }, accountSeq: "3" };
    const { rows } = await entities(ada, [key], `... on AccountBalance { ${balanceFields} }`);
    expect(rows[0]).toMatchObject({ available: usd("6.00"), committed: { amount: "6.00" }, accountSeq: "3" });
  });

  test("coordinates carry all digits that the ledger keeps", async () => {
    const { rows } = await entities(
      bo,
      [accountOf(other)],
      `... on Account { balances(phase: COMMITTED) { address denomination phase net totalDebit totalCredit } }`,
    );
    expect(rows[0]?.["balances"]).toEqual([
      {
        address: "DEFAULT",
        denomination: "USD",
        phase: "COMMITTED",
        net: "5.0000000",
        totalDebit: "0.0000000",
        totalCredit: "5.0000000",
      },
    ]);
  });
});

describe("transactions", () => {
  const page = `query($r: [_Any!]!, $first: Int, $after: Cursor, $filter: TransactionFilter) { _entities(representations: $r) {
    ... on Account { transactions(first: $first, after: $after, filter: $filter) { totalCount
      pageInfo { hasNextPage hasPreviousPage endCursor }
      edges { cursor node { id type direction amount { amount } balanceAfter { amount } status description accountSeq
        counterparty { name accountId } } } } } } }`;
  interface Page {
    readonly pageInfo: { readonly hasNextPage: boolean; readonly hasPreviousPage: boolean; readonly endCursor: string };
    readonly edges: readonly { readonly cursor: string; readonly node: Record<string, unknown> }[];
  }

  async function list(variables: Record<string, unknown>, id = wallet, viewer = ada) {
    const { data, errors } = await ledger.run(viewer, page, { r: [accountOf(id)], ...variables });
    const [row] = data?.["_entities"] as ({ transactions: Page | null } | null)[];
    return { page: row?.transactions ?? undefined, errors: errors ?? [] };
  }

  test("a walk through the pages meets every row once, newest first", async () => {
    const seen: string[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < 50; pages++) {
      const { page: current } = await list({ first: 7, after });
      expect(current!.pageInfo.hasPreviousPage).toBe(after !== undefined);
      seen.push(...current!.edges.map((edge) => edge.node["accountSeq"] as string));
      if (!current!.pageInfo.hasNextPage) break;
      after = current!.pageInfo.endCursor;
    }
    const total = seen.length;
    expect(total).toBeGreaterThanOrEqual(26);
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => String(total - i)));
  });

  test("show type, direction, counterparty and balance as the account's owner sees them", async () => {
    const { page: received } = await list({}, other, bo);
    expect(received!.edges.map((edge) => edge.node)).toEqual([
      {
        id: formatTransactionId(uuidOfAccount(other), 1n),
        type: "TRANSFER",
        direction: "CREDIT",
        amount: { amount: "5.00" },
        balanceAfter: { amount: "5.00" },
        status: "POSTED",
        description: "lunch",
        accountSeq: "1",
        counterparty: { name: null, accountId: wallet },
      },
    ]);
    const { page: sent } = await list({ filter: { types: ["TRANSFER"] } });
    expect(sent!.edges.map((edge) => edge.node["direction"])).toEqual(["DEBIT"]);
    const { page: paidIn } = await list({ first: 1, filter: { types: ["DEPOSIT"], maxAmount: "1.00" } });
    expect(paidIn!.edges[0]?.node).toMatchObject({
      direction: "CREDIT",
      description: "salary 1",
      counterparty: { name: "CASH_IN", accountId: null },
    });
  });

  test("are narrowed by direction, amount, time and status", async () => {
    const count = async (filter: Record<string, unknown>) => (await list({ first: 100, filter })).page!.edges.length;
    expect(await count({ direction: "DEBIT" })).toBe(1);
    expect(await count({ minAmount: "24.00", maxAmount: "25.00" })).toBe(2);
    expect(await count({ bookedLt: "2000-01-01T00:00:00Z" })).toBe(0);
    expect(await count({ status: "PENDING" })).toBe(0);
    expect(await count({ types: ["CARD"] })).toBe(0);
  });

  test("refuse a page of 101, a forged cursor and a cursor of another account", async () => {
    const refusals = [
      await list({ first: 101 }),
      await list({ first: 0 }),
      await list({ after: "Zm9yZ2Vk" }),
      await list({ after: (await list({}, other, bo)).page!.edges[0]!.cursor }),
    ];
    for (const { page: none, errors } of refusals) {
      expect(none).toBeUndefined();
      expect(errors[0]?.extensions?.["code"]).toBe("BAD_USER_INPUT");
    }
  });
});

describe("somebody else's objects", () => {
  test("are null with NOT_FOUND in every reference, exactly like ids that never were", async () => {
    const operation = await deposit(wallet, "1.00", "secret");
    const references = [
      accountOf(wallet),
      accountOf(unknownAccountId()),
      accountOf("acct_nonsense"),
      { __typename: "AccountBalance", account: { id: wallet }, accountSeq: "1" },
      { __typename: "AccountBalance", account: { id: other }, accountSeq: "99" },
      { __typename: "Transaction", id: formatTransactionId(uuidOfAccount(wallet), 1n) },
      { __typename: "Operation", id: operation["id"] },
      { __typename: "PostingInstructionBatch", id: "pib_00000000000000000000000001" },
      { __typename: "Product", id: "prod_00000000000000000000000001" },
    ];
    for (const reference of references) {
      const { rows, errors } = await entities(bo, [reference], `__typename`);
      expect(rows).toEqual([null]);
      expect(errors.map((error) => error.extensions?.["code"])).toEqual(["NOT_FOUND"]);
    }
  });

  test("are not reached through Query either, nor by anybody's key but one's own", async () => {
    const operation = await deposit(wallet, "1.00", "secret");
    const asked = await ledger.run(bo, `query($id: ID!) { operation(id: $id) { id } }`, { id: operation["id"] });
    expect(asked.data).toEqual({ operation: null });
    expect(asked.errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
    const byKey = `query($key: ID!) { operationByKey(idempotencyKey: $key) { id } }`;
    expect((await ledger.run(ada, byKey, { key: `key-${keys}` })).data).toEqual({
      operationByKey: { id: operation["id"] },
    });
    expect((await ledger.run(bo, byKey, { key: `key-${keys}` })).data).toEqual({ operationByKey: null });
  });

  test("staff may read them and may not spend them", async () => {
    const { rows, errors } = await entities(staff, [accountOf(wallet)], `... on Account { balance { accountSeq } }`);
    expect(errors).toEqual([]);
    expect(rows[0]).not.toBeNull();
    const input = { fromAccountId: wallet, toAccountId: other, amount: usd("1.00"), idempotencyKey: "staff-1" };
    const spent = await ledger.run(
      staff,
      `mutation($input: BookTransferInput!) { bookTransfer(input: $input) { operation { id } } }`,
      { input },
    );
    expect(spent.errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
  });

  test("nothing is answered without a service token", async () => {
    for (const query of [`{ _service { sdl } }`, `{ balances { accountSeq } }`]) {
      const { data, errors } = await ledger.run(ada, query, {}, { authorization: "" });
      expect(data ?? null).toBeNull();
      expect(errors).toHaveLength(1);
    }
  });
});

describe("the office", () => {
  test("the trial balance balances, groups customers by product and is closed to customers", async () => {
    const query = `{ trialBalance { isBalanced rows { code account { id } denomination debit credit } } }`;
    const { data, errors } = await ledger.run(staff, query);
    expect(errors).toBeUndefined();
    const { isBalanced, rows } = data?.["trialBalance"] as {
      isBalanced: boolean;
      rows: { code: string; account: unknown; debit: string; credit: string }[];
    };
    expect(isBalanced).toBe(true);
    expect(rows.map((row) => [row.code, row.account === null])).toEqual([
      ["CASH_IN", false],
      ["wallet", true],
    ]);
    expect((await ledger.run(ada, query)).errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    const past = await ledger.run(
      staff,
      `{ trialBalance(at: "2000-01-01T00:00:00Z") { isBalanced at rows { code } } }`,
    );
    expect(past.data?.["trialBalance"]).toEqual({ isBalanced: true, at: "2000-01-01T00:00:00.000000Z", rows: [] });
  });

  test("finds internal accounts by code, which customers cannot read", async () => {
    const query = `{ internalAccount(code: "CASH_IN", currency: "USD") { id balance { committed { amount } } } }`;
    const found = (await ledger.run(staff, query)).data?.["internalAccount"] as { id: string };
    expect(found.id).toMatch(/^acct_/);
    expect((await ledger.run(ada, query)).errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    expect((await entities(ada, [accountOf(found.id)], `__typename`)).rows).toEqual([null]);
  });

  test("lists products with their versions, by id and by code", async () => {
    const { data } = await ledger.run(ada, `{ products { edges { node { id code latestVersion { id version } } } } }`);
    const { edges } = data?.["products"] as { edges: { node: { id: string; code: string } }[] };
    expect(edges.map((edge) => edge.node.code)).toContain("wallet");
    for (const { node } of edges)
      for (const id of [node.id, node.code]) {
        const one = await ledger.run(ada, `query($id: ID!) { product(id: $id) { id versions { version } } }`, { id });
        expect(one.data?.["product"]).toMatchObject({ id: node.id });
      }
  });

  test("a batch is there for its sender and for the scope ledger:read", async () => {
    await deposit(wallet, "1.00", "once more");
    const byKey = `query($key: ID!) { operationByKey(idempotencyKey: $key) { batch { id status instructions { id postings { side amount } } } } }`;
    const { data } = await ledger.run(ada, byKey, { key: `key-${keys}` });
    const { batch } = data?.["operationByKey"] as { batch: { id: string } };
    expect(batch).toMatchObject({
      status: "ACCEPTED",
      instructions: [{ postings: [{ amount: "1.0000000" }, { amount: "1.0000000" }] }],
    });
    const query = `query($id: ID!) { postingInstructionBatch(id: $id) { id seq } }`;
    expect((await ledger.run(partner, query, { id: batch.id })).data).toMatchObject({
      postingInstructionBatch: { id: batch.id },
    });
    expect((await ledger.run(bo, query, { id: batch.id })).errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
  });
});
