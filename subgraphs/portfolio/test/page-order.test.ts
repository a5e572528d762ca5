import type { SnapshotProduct, SnapshotRow } from "@florin/linked-data";
import { formatId } from "@florin/kernel";
import { randomIds } from "@florin/resilience";
import fc from "fast-check";
import {
  account,
  holding,
  newItem,
  newLinkedAccountId,
  newPerson,
  security,
  startPlatform,
  transaction,
  uuidOf,
  type Item,
  type Platform,
  type ToldEvent,
} from "./portfolio-platform.js";

/*
 * Pages may come in any order, twice, or late, as a bus delivers them again: the end is the same as when each came once, in its order. The
 * model is the rows themselves, folded by hand.
 */
let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const ACCOUNTS = ["a", "b"] as const;
const ids = Array.from({ length: 6 }, () => formatId("linkedTransaction", randomIds.next()));

const holdings = fc.array(
  fc.record({ account: fc.constantFrom(...ACCOUNTS), quantity: fc.integer({ min: 1, max: 99 }) }),
  {
    maxLength: 4,
  },
);
const changes = fc.array(
  fc.record({ id: fc.constantFrom(...ids), amount: fc.option(fc.integer({ min: 1, max: 99 })) }),
  {
    maxLength: 5,
  },
);
/** Days of October. */
const window = fc
  .record({
    from: fc.integer({ min: 1, max: 28 }),
    length: fc.integer({ min: 0, max: 27 }),
    rows: fc.array(fc.nat(5), { maxLength: 4 }),
  })
  .map(({ from, length, rows }) => ({ from, to: Math.min(28, from + length), rows: [...new Set(rows)] }));

const story = fc.record({
  holdings: fc.array(holdings, { maxLength: 3 }),
  changes: fc.array(changes, { maxLength: 3 }),
  windows: fc.array(window, { maxLength: 3 }),
});

const day = (n: number): string => `2026-10-${String(n).padStart(2, "0")}`;

function toRows(set: readonly { readonly account: string; readonly quantity: number }[]): SnapshotRow<"HOLDINGS">[] {
  return [security("s"), ...set.map((one) => holding(one.account, "s", { quantity: String(one.quantity) }))];
}

function toTrades(one: {
  readonly from: number;
  readonly rows: readonly number[];
}): SnapshotRow<"INVESTMENT_TRANSACTIONS">[] {
  return one.rows.map((n) => ({
    row: "TRANSACTION",
    data: {
      investmentTransactionId: `t${n}`,
      accountId: "a",
      securityId: null,
      date: day(one.from),
      transactionDatetime: null,
      name: "a trade",
      quantity: "1",
      amount: String(one.from),
      price: "1",
      fees: null,
      type: "buy",
      subtype: "buy",
      currency: { isoCode: "USD", unofficialCode: null },
    },
  }));
}

/** Each row a page of its own, as sealing makes pages of what does not fit one. */
function sayInPages<Product extends SnapshotProduct>(
  item: Item,
  product: Product,
  rows: readonly SnapshotRow<Product>[],
  days: object = {},
): ToldEvent[] {
  const filler = "x".repeat(200 * 1024);
  const wide = rows.map(
    (row) => JSON.parse(JSON.stringify(row).replace('"a trade"', `"a trade ${filler}"`)) as typeof row,
  );
  return item.say(product, product === "INVESTMENT_TRANSACTIONS" ? wide : rows, days);
}

async function stateOf(item: Item): Promise<object> {
  const { sql } = platform.database;
  const id = uuidOf("linkedItem", item.itemId);
  const [held, moved, traded, waiting] = await Promise.all([
    sql<{ a: string; q: string }[]>`
      select plaid_account_id as a, quantity as q from portfolio.holding where item_id = ${id} order by a, ordinal`,
    sql<{ t: string; amount: string }[]>`
      select florin.border_id('ltx', linked_transaction_id) as t, amount from portfolio.linked_transaction
      where item_id = ${id} order by t`,
    sql<{ t: string; date: string }[]>`
      select plaid_investment_transaction_id as t, date::text as date from portfolio.investment_transaction
      where item_id = ${id} order by t`,
    sql<{ count: number }[]>`select count(*)::integer as count from portfolio.snapshot_page where item_id = ${id}`,
  ]);
  return {
    held: held.map(({ a, q }) => `${a} ${q}`),
    moved: Object.fromEntries(moved.map(({ t, amount }) => [t, amount])),
    traded: Object.fromEntries(traded.map(({ t, date }) => [t, date])),
    waiting: waiting[0]?.count,
  };
}

type Story = typeof story extends fc.Arbitrary<infer Value> ? Value : never;

function foldByHand(told: Story): object {
  const moved = new Map<string, string>();
  for (const set of told.changes) {
    for (const { id, amount } of set) if (amount === null) moved.delete(id);
    for (const { id, amount } of set) if (amount !== null) moved.set(id, String(amount));
  }
  const traded = new Map<string, string>();
  for (const { from, to, rows } of told.windows) {
    for (const [id, date] of traded) if (date >= day(from) && date <= day(to)) traded.delete(id);
    for (const n of rows) traded.set(`t${n}`, day(from));
  }
  const last = told.holdings.at(-1) ?? [];
  const held = ACCOUNTS.flatMap((one) =>
    last.filter(({ account: at }) => at === one).map(({ quantity }) => `${one} ${quantity}`),
  );
  return {
    held,
    moved: Object.fromEntries([...moved].sort()),
    traded: Object.fromEntries([...traded].sort()),
    waiting: 0,
  };
}

/** Within a run removals come first, and a transaction stands once in it. */
function toChanges(set: Story["changes"][number]): SnapshotRow<"TRANSACTIONS">[] {
  const removed = set.flatMap(({ id, amount }) =>
    amount === null ? [{ change: "REMOVED" as const, linkedTransactionId: id }] : [],
  );
  return [
    ...removed,
    ...set.flatMap(({ id, amount }) => (amount === null ? [] : [transaction("a", String(amount), { id })])),
  ];
}

test("any order, repetition or late delivery of pages ends as each page once in its order does", async () => {
  await fc.assert(
    fc.asyncProperty(
      story,
      fc.array(fc.nat(), { maxLength: 30 }),
      fc.infiniteStream(fc.nat()),
      async (told, again, shuffle) => {
        const item = newItem(newPerson());
        const roster = ACCOUNTS.map((accountId) =>
          account({ accountId, type: "investment", linkedAccountId: newLinkedAccountId() }),
        );
        const events = [
          ...item.say("ACCOUNTS", roster),
          ...told.holdings.flatMap((set) => sayInPages(item, "HOLDINGS", toRows(set))),
          ...told.changes.flatMap((set) => sayInPages(item, "TRANSACTIONS", toChanges(set))),
          ...told.windows.flatMap((one) =>
            sayInPages(item, "INVESTMENT_TRANSACTIONS", toTrades(one), { from: day(one.from), to: day(one.to) }),
          ),
        ].map((event) => ({ ...event, eventId: randomIds.next() }));
        // Some of them again, once under the same event's id and once as an event of its own.
        const repeated = again.map((pick) => events[pick % events.length]!);
        const all = [...events, ...repeated, ...repeated.map((event) => ({ ...event, eventId: randomIds.next() }))];
        const keyed = all
          .map((event) => ({ event, key: shuffle.next().value as number }))
          .sort((x, y) => x.key - y.key);
        await platform.tell("accounts", ...keyed.map(({ event }) => event));
        expect(await stateOf(item)).toEqual(foldByHand(told));
      },
    ),
    { numRuns: 10, endOnFailure: true },
  );
});
