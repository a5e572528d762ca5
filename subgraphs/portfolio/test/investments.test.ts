import type { SnapshotRow } from "@florin/linked-data";
import {
  account,
  codesOf,
  dataOf,
  holding,
  newItem,
  newLinkedAccountId,
  newPerson,
  security,
  startPlatform,
  type Caller,
  type Item,
  type Platform,
} from "./portfolio-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

type InvestmentRow = Extract<SnapshotRow<"INVESTMENT_TRANSACTIONS">, { row: "TRANSACTION" }>;

const trade = (id: string, date: string, more: Partial<InvestmentRow["data"]> = {}): InvestmentRow => ({
  row: "TRANSACTION",
  data: {
    investmentTransactionId: id,
    accountId: "a",
    securityId: null,
    date,
    transactionDatetime: null,
    name: `trade ${id}`,
    quantity: "1",
    amount: "-5.25",
    price: "5.25",
    fees: null,
    type: "sell",
    subtype: "sell",
    currency: { isoCode: "USD", unofficialCode: null },
    ...more,
  },
});

async function itemWithAccount(): Promise<Item & { readonly linkedAccountId: string }> {
  const item = newItem(newPerson());
  const linkedAccountId = newLinkedAccountId();
  const roster = [account({ accountId: "a", type: "investment", linkedAccountId }), account({ accountId: "checking" })];
  await platform.tell("accounts", ...item.say("ACCOUNTS", roster));
  return { ...item, linkedAccountId };
}

interface Answer {
  readonly investments: {
    readonly accounts: readonly { readonly id: string }[];
    readonly holdings: readonly Record<string, unknown>[];
    readonly securities: readonly (Record<string, unknown> & { readonly id: string })[];
    readonly transactions: {
      readonly totalCount: number;
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
      readonly edges: readonly { readonly node: Record<string, unknown> & { readonly id: string } }[];
    };
  };
}

const whole = `query ($first: Int, $after: Cursor) { investments {
  accounts { id }
  holdings { account { id } security { id name currency { isoCode unofficialCode } } ordinal quantity institutionPrice institutionPriceAsOf
    institutionPriceDatetime institutionValue costBasis currency { isoCode unofficialCode } vestedQuantity vestedValue capturedAt
    taxLots { institutionLotId originalPurchaseDatetime quantity purchasePrice costBasis currentValue positionType } }
  securities { id name tickerSymbol type subtype isCashEquivalent closePrice closePriceAsOf figi isin cusip marketIdentifierCode sector industry
    currency { isoCode unofficialCode } updateDatetime cfiCode
    optionContract { contractType expirationDate strikePrice underlyingSecurityTicker }
    fixedIncome { yieldRate { percentage type } maturityDate issueDate faceValue } }
  transactions(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor }
    edges { node { id account { id } security { id } date transactionDatetime name quantity amount price fees type subtype
      currency { isoCode unofficialCode } } } }
} }`;

async function investmentsOf(person: Caller, variables: object = {}): Promise<Answer["investments"]> {
  return dataOf<Answer>(await platform.call(whole, { ...variables }, person)).investments;
}

test("exact to the last digit: seventeen of a quantity, ten millionths of a dollar, lots that are none and lots that are absent", async () => {
  const item = await itemWithAccount();
  await platform.tell(
    "accounts",
    ...item.say("HOLDINGS", [
      security("s", {
        name: "a".repeat(50_000),
        currency: { isoCode: null, unofficialCode: "BTC" },
        closePriceAsOf: "2026-06-31",
        type: "prediction market",
        fixedIncome: {
          yieldRate: { percentage: "1.5", type: null },
          maturityDate: "2030-02-30",
          issueDate: null,
          faceValue: null,
        },
      }),
      holding("a", "s", {
        quantity: "0.12345678901234567",
        institutionPrice: "0.0000001",
        institutionValue: "23631.9805",
        taxLots: [],
      }),
      holding("a", "s", {
        quantity: "-3",
        taxLots: [
          {
            institutionLotId: null,
            originalPurchaseDatetime: "2020-01-02T03:04:05-05:00",
            quantity: "1.50",
            purchasePrice: null,
            costBasis: "12.30",
            currentValue: null,
            positionType: "LONG",
          },
        ],
      }),
      holding("a", "nobody describes it"),
    ]),
  );
  const { accounts, holdings, securities } = await investmentsOf(item.person);
  expect(accounts).toEqual([{ id: item.linkedAccountId }]);
  expect(holdings).toMatchObject([
    {
      security: { name: null, currency: { isoCode: null, unofficialCode: null } },
      quantity: "10",
      taxLots: null,
      ordinal: 0,
    },
    {
      security: { currency: { unofficialCode: "BTC" } },
      ordinal: 0,
      quantity: "0.12345678901234567",
      institutionPrice: "0.0000001",
      institutionValue: "23631.9805",
      taxLots: [],
      capturedAt: "2026-11-20T10:00:00.000000Z",
    },
    {
      ordinal: 1,
      quantity: "-3",
      taxLots: [
        {
          quantity: "1.50",
          costBasis: "12.30",
          originalPurchaseDatetime: "2020-01-02T08:04:05.000000Z",
          positionType: "LONG",
        },
      ],
    },
  ]);
  expect(securities).toHaveLength(2);
  expect(securities.find(({ name }) => name !== null)).toMatchObject({
    type: "prediction market",
    closePriceAsOf: null,
    fixedIncome: { yieldRate: { percentage: "1.5" }, maturityDate: null },
    optionContract: null,
  });
});

test("a security that has a FIGI keeps its id when the institution's own id changes", async () => {
  const item = await itemWithAccount();
  const ids: string[] = [];
  for (const plaidId of ["before", "after"]) {
    await platform.tell(
      "accounts",
      ...item.say("HOLDINGS", [security(plaidId, { figi: "BBG000B9XRY4" }), holding("a", plaidId)]),
    );
    ids.push((await investmentsOf(item.person)).securities[0]!.id);
  }
  expect(ids[0]).toBe(ids[1]);
});

test("investment transactions: a window replaces its days, pages follow one another, newest first", async () => {
  const item = await itemWithAccount();
  const days = Array.from({ length: 25 }, (_, n) => `2026-10-${String(n + 1).padStart(2, "0")}`);
  await platform.tell(
    "accounts",
    ...item.say(
      "INVESTMENT_TRANSACTIONS",
      [security("s"), ...days.map((day) => trade(day, day, { securityId: "s" }))],
      { from: "2026-01-01", to: "2026-10-31" },
    ),
  );
  await platform.tell(
    "accounts",
    ...item.say(
      "INVESTMENT_TRANSACTIONS",
      [trade("2026-10-24", "2026-10-24", { amount: "7" }), trade("new", "2026-10-25")],
      { from: "2026-10-20", to: "2026-10-31" },
    ),
  );
  const seen: { id: string; date: unknown; amount: unknown }[] = [];
  for (let after: string | null = null; ;) {
    const { transactions } = await investmentsOf(item.person, { first: 10, after });
    expect(transactions.totalCount).toBe(21);
    seen.push(...transactions.edges.map(({ node: { id, date, amount } }) => ({ id, date, amount })));
    if (!transactions.pageInfo.hasNextPage) break;
    after = transactions.pageInfo.endCursor;
  }
  expect(seen.map(({ date }) => date)).toEqual(["2026-10-25", "2026-10-24", ...days.slice(0, 19).reverse()]);
  expect(seen[1]!.amount).toBe("7");
  const forged = await platform.call(whole, { after: Buffer.from("x".repeat(40)).toString("base64url") }, item.person);
  expect(codesOf(forged)).toEqual(["BAD_USER_INPUT"]);
});

test("holdings of an account: null where its item never told of any, or its kind holds none; empty where there are none", async () => {
  const item = newItem(newPerson());
  const [broker, checking] = [newLinkedAccountId(), newLinkedAccountId()];
  const roster = [
    account({ accountId: "a", type: "investment", linkedAccountId: broker }),
    account({ accountId: "b", linkedAccountId: checking }),
  ];
  await platform.tell("accounts", ...item.say("ACCOUNTS", roster));
  const query =
    "query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on LinkedAccount { holdings { quantity } } } }";
  const ask = async () => {
    const keys = [broker, checking].map((id) => ({ __typename: "LinkedAccount", id }));
    return dataOf<{ _entities: unknown[] }>(await platform.call(query, { keys }, item.person))._entities;
  };
  expect(await ask()).toEqual([{ holdings: null }, { holdings: null }]);
  await platform.tell("accounts", ...item.say("HOLDINGS", []));
  expect(await ask()).toEqual([{ holdings: [] }, { holdings: null }]);
  await platform.tell("accounts", ...item.say("HOLDINGS", [security("s"), holding("b", "s")]));
  expect(await ask()).toEqual([{ holdings: [] }, { holdings: [{ quantity: "10" }] }]);
});

test("a security and a trade of somebody else are not there, by their ids either", async () => {
  const item = await itemWithAccount();
  await platform.tell("accounts", ...item.say("HOLDINGS", [security("s"), holding("a", "s")]));
  await platform.tell(
    "accounts",
    ...item.say("INVESTMENT_TRANSACTIONS", [trade("t", "2026-10-01")], { from: "2026-10-01", to: "2026-10-02" }),
  );
  const { securities, transactions } = await investmentsOf(item.person);
  const keys = [
    { __typename: "Security", id: securities[0]!.id },
    { __typename: "InvestmentTransaction", id: transactions.edges[0]!.node.id },
  ];
  const query =
    "query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on Security { id } ... on InvestmentTransaction { id name } } }";
  expect(dataOf(await platform.call(query, { keys }, item.person))).toEqual({
    _entities: [{ id: securities[0]!.id }, { id: transactions.edges[0]!.node.id, name: "trade t" }],
  });
  expect(codesOf(await platform.call(query, { keys }, newPerson()))).toEqual(["NOT_FOUND", "NOT_FOUND"]);
  expect(dataOf(await platform.call(query, { keys }, { ...newPerson(), roles: ["AUDITOR"] }))).toBeTruthy();
});
