import { PoisonEvent } from "@florin/events";
import { formatId, type EventEnvelope, type Json, type Uuid } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger } from "@florin/telemetry";
import { eventually } from "@florin/testkit";
import { createAccountCommandsGroup } from "../src/tasks/account-commands.js";
import { openTestBook, type TestBook } from "./test-book.js";

let book: TestBook;
let group: ReturnType<typeof createAccountCommandsGroup>;
beforeAll(async () => {
  book = await openTestBook();
  const { database } = book.startWriter();
  const logger = createLogger({ name: "test", level: "silent" });
  group = createAccountCommandsGroup({ database, writer: book.writer, logger });
});
afterAll(async () => {
  expect(await book.findings()).toEqual([]);
  await book.stop();
});

let position = 0n;
function event(type: string, accountId: Uuid, payload: { readonly [name: string]: Json }): EventEnvelope {
  const key = formatId("account", accountId);
  return {
    eventId: randomIds.next(),
    stream: "accounts",
    position: ++position,
    key,
    type,
    schemaVersion: 1,
    occurredAt: systemClock.now(),
    correlationId: "test-correlation",
    changeId: key,
    audience: ["usr_ada"],
    payload: { accountId: key, requestedBy: "usr_ada", ...payload },
  };
}
const opening = (accountId: Uuid) =>
  event("account.open", accountId, { owners: ["usr_ada"], product: "wallet", currency: "USD", parameters: {} });

async function answersAbout(accountId: Uuid, count: number) {
  return await eventually(async () => {
    const rows = await book.admin.sql<{ type: string; changeId: string; causationId: string; payload: object }[]>`
      select type, change_id as "changeId", causation_id as "causationId", payload from ledger.outbox
      where key = ${formatId("account", accountId)} order by position`;
    return rows.length >= count ? [...rows] : undefined;
  });
}

test("account.open opens the account once, however often it is delivered, and says what caused the answer", async () => {
  const accountId = randomIds.next();
  const open = opening(accountId);
  await group.handle(open);
  await group.handle(open);
  const answers = await answersAbout(accountId, 1);
  expect(answers).toMatchObject([
    {
      type: "account.opened",
      changeId: formatId("account", accountId),
      causationId: formatId("event", open.eventId),
      payload: { currency: "USD", parameters: {} },
    },
  ]);
  expect(await book.admin.sql`select command_id from ledger.command`).toHaveLength(0);
  const owners = await book.admin.sql<{ principal: string }[]>`
    select principal from ledger.account_owner where account_id = ${accountId}`;
  expect(owners.map((row) => row.principal)).toEqual(["usr_ada"]);
});

test("account.close right behind account.open closes what was opened, under the request's id", async () => {
  const accountId = randomIds.next();
  await group.handle(opening(accountId));
  await group.handle(event("account.close", accountId, { requestId: "cmd_request" }));
  const answers = await answersAbout(accountId, 2);
  expect(answers).toMatchObject([{ type: "account.opened" }, { type: "account.closed", changeId: "cmd_request" }]);
});

test.each<[string, { readonly [name: string]: Json }]>([
  ["an account's id of another kind", { accountId: "usr_1", owners: ["usr_ada"], product: "wallet", currency: "USD" }],
  ["no owner", { owners: [], product: "wallet", currency: "USD" }],
])("a payload with %s is poison, and nothing is stored", async (_what, payload) => {
  const poison = event("account.open", randomIds.next(), payload);
  await expect(group.handle(poison)).rejects.toThrow(PoisonEvent);
  expect(await book.admin.sql`select 1 from ledger.inbox where event_id = ${poison.eventId}`).toHaveLength(0);
});
