import { connectDatabase } from "@florin/db";
import { eventually } from "@florin/testkit";
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
  transaction,
  uuidOf,
  type Platform,
} from "./portfolio-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

interface InvestmentsAnswer {
  readonly investments: { readonly holdings: readonly { readonly quantity: string; readonly ordinal: number }[] };
}

async function quantities(person: { readonly principal: string }): Promise<string[]> {
  const answer = await platform.call("{ investments { holdings { quantity ordinal } } }", {}, person);
  return dataOf<InvestmentsAnswer>(answer).investments.holdings.map(({ quantity }) => quantity);
}

async function countRows(table: string, itemId: string): Promise<number> {
  const [row] = await platform.database.sql<{ count: number }[]>`
    select count(*)::integer as count from ${platform.database.sql(`portfolio.${table}`)}
    where item_id = ${uuidOf("linkedItem", itemId)}`;
  return row!.count;
}

test("a version shows when its last page is there, and not before", async () => {
  const item = newItem(newPerson());
  const many = Array.from({ length: 700 }, (_, n) => holding("a", "s", { quantity: String(n + 1) }));
  const pages = item.say("HOLDINGS", [security("s"), ...many]);
  expect(pages.length).toBeGreaterThan(1);
  await platform.tell("accounts", ...item.say("ACCOUNTS", [account({ accountId: "a", type: "investment" })]));
  await platform.tell("accounts", ...pages.slice(1));
  expect(await quantities(item.person)).toEqual([]);
  expect(await countRows("snapshot_page", item.itemId)).toBe(pages.length - 1);
  await platform.tell("accounts", pages[0]!);
  expect(await quantities(item.person)).toEqual(many.map((_, n) => String(n + 1)));
  expect(await countRows("snapshot_page", item.itemId)).toBe(0);
});

test("a set that is empty is news: what was held is held no more, and history says so", async () => {
  const item = newItem(newPerson());
  await platform.tell("accounts", ...item.say("ACCOUNTS", [account({ accountId: "a", type: "investment" })]));
  await platform.tell("accounts", ...item.say("HOLDINGS", [security("s"), holding("a", "s"), holding("a", "s")]));
  expect(await quantities(item.person)).toEqual(["10", "10"]);
  await platform.tell("accounts", ...item.say("HOLDINGS", []));
  expect(await quantities(item.person)).toEqual([]);
  const history = await platform.database.sql`
    select version::integer as version, ordinal, quantity from portfolio.holding_history
    where item_id = ${uuidOf("linkedItem", item.itemId)} order by version, ordinal`;
  expect([...history]).toEqual([
    { version: 1, ordinal: 0, quantity: "10" },
    { version: 1, ordinal: 1, quantity: "10" },
    { version: 2, ordinal: 0, quantity: null },
    { version: 2, ordinal: 1, quantity: null },
  ]);
});

test("a version that was lost is healed by the next where a version is the whole set; a change waits for the one before", async () => {
  const item = newItem(newPerson());
  await platform.tell("accounts", ...item.say("ACCOUNTS", [account({ accountId: "a", type: "investment" })]));
  const [lost, newest] = [
    item.say("HOLDINGS", [security("s"), holding("a", "s", { quantity: "1" })]),
    item.say("HOLDINGS", [security("s"), holding("a", "s", { quantity: "2" })]),
  ];
  await platform.tell("accounts", ...newest);
  expect(await quantities(item.person)).toEqual(["2"]);
  await platform.tell("accounts", ...lost);
  expect(await quantities(item.person)).toEqual(["2"]);

  const first = item.say("TRANSACTIONS", [transaction("a", "1")]);
  const second = item.say("TRANSACTIONS", [transaction("a", "2")]);
  await platform.tell("accounts", ...second);
  expect(await countRows("linked_transaction", item.itemId)).toBe(0);
  await platform.tell("accounts", ...first);
  expect(await countRows("linked_transaction", item.itemId)).toBe(2);
});

test("a page that was tampered with, or sealed with another key, is parked and changes nothing", async () => {
  const item = newItem(newPerson());
  await platform.tell("accounts", ...item.say("ACCOUNTS", [account({ accountId: "a", type: "investment" })]));
  const [page] = item.say("HOLDINGS", [security("s"), holding("a", "s")]);
  const payload = { ...(page!.payload as object), capturedAt: "2026-11-21T10:00:00.000000Z" };
  await platform.tell("accounts", { ...page!, payload });
  expect(await quantities(item.person)).toEqual([]);
  const [letter] = await platform.database.sql<{ error: string }[]>`
    select error from portfolio.dead_letter where key = ${item.itemId}`;
  expect(letter?.error).toMatch(/does not open. Check that accounts and portfolio have the same snapshot key/);
});

test("removal deletes all that is kept of the item, counts it, and nothing that comes later brings it back", async () => {
  const person = newPerson();
  const [item, other] = [newItem(person), newItem(person)];
  const roster = [account({ accountId: "a", type: "investment" })];
  for (const one of [item, other]) {
    await platform.tell(
      "accounts",
      ...one.say(
        "ACCOUNTS",
        roster.map((row) => ({ ...row, linkedAccountId: newLinkedAccountId() })),
      ),
    );
    await platform.tell("accounts", ...one.say("HOLDINGS", [security("s"), holding("a", "s")]));
    await platform.tell("accounts", ...one.say("TRANSACTIONS", [transaction("a", "1"), transaction("a", "2")]));
  }
  const later = item.say("HOLDINGS", [security("s"), holding("a", "s")]);
  item.say("TRANSACTIONS", []); // never arrives, so the one after it waits
  const waiting = item.say("TRANSACTIONS", [transaction("a", "3")]);
  await platform.tell("accounts", ...waiting, item.removal(), item.removal(), ...later);

  for (const table of [
    "snapshot_page",
    "linked_account",
    "holding",
    "holding_history",
    "security",
    "linked_transaction",
    "applied_snapshot",
    "linked_balance_history",
  ])
    expect([table, await countRows(table, item.itemId)]).toEqual([table, 0]);
  expect(await quantities(person)).toEqual(["10"]);
  const [proof] = await platform.database.sql<{ rows: Record<string, number> }[]>`
    select purged_rows as rows from portfolio.item_removal where item_id = ${uuidOf("linkedItem", item.itemId)}`;
  expect(proof!.rows).toMatchObject({
    snapshot_page: 1,
    linked_account: 1,
    holding: 1,
    linked_transaction: 2,
    security: 1,
  });
});

test("history cannot be changed, and is deleted with its item alone", async () => {
  const item = newItem(newPerson());
  await platform.tell("accounts", ...item.say("ACCOUNTS", [account({ accountId: "a" })]));
  const id = uuidOf("linkedItem", item.itemId);
  const { sql } = platform.database;
  await expect(sql`delete from portfolio.linked_balance_history where item_id = ${id}`).rejects.toThrow(/append-only/);
  await expect(sql`update portfolio.linked_balance_history set current = 5 where item_id = ${id}`).rejects.toThrow(
    /append-only/,
  );
  await expect(sql`truncate portfolio.holding_history`).rejects.toThrow(/append-only/);
});

test("each applied version is told with its person, item and product, and to nobody else", async () => {
  const item = newItem(newPerson());
  await platform.tell("accounts", ...item.say("ACCOUNTS", [account({ accountId: "a" })]));
  const told = await eventually(async () => {
    const events = await platform.area.stream.range(0n, 1_000);
    return events.find((event) => event.key === item.itemId);
  });
  expect(told).toMatchObject({
    type: "portfolio.updated",
    audience: [item.person.principal, "role:staff", "role:auditor"],
    payload: { userId: item.person.principal, itemId: item.itemId, products: ["ACCOUNTS"] },
  });
});

test("its role reads and writes its own tables, and changes no history", async () => {
  const own = connectDatabase({ url: platform.url, area: "portfolio", applicationName: "test", maxConnections: 1 });
  for (const query of [
    "select * from accounts.linked_item_token",
    "select * from accounts.linked_account",
    "select * from ledger.balance",
    "update portfolio.holding_history set quantity = 0",
    "delete from portfolio.own_flow",
    "delete from portfolio.item_removal",
  ])
    await expect(own.sql.unsafe(query)).rejects.toThrow(/permission denied/);
  await own.stop();
});

test("nothing is answered to whoever is not signed in", async () => {
  expect(codesOf(await platform.call("{ investments { holdings { quantity } } }"))).toEqual(["UNAUTHENTICATED"]);
});
