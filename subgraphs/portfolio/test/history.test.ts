import type { EventStream } from "@florin/events";
import { randomIds } from "@florin/resilience";
import { createTestDatabase } from "@florin/testkit";
import {
  dataOf,
  newPerson,
  opened,
  opening,
  posted,
  startPlatform,
  toEnvelope,
  type ToldEvent,
} from "./portfolio-platform.js";

/** A stream as its area keeps it: what was published and delivered long ago. */
function keptStream(stream: "accounts" | "ledger", told: readonly ToldEvent[]) {
  const events = told.map((event, index) => toEnvelope(stream, BigInt(index + 1), event));
  let reads = 0;
  const kept: EventStream = {
    stream,
    head: () => Promise.resolve(BigInt(events.length)),
    range: (after, limit) => {
      reads++;
      return Promise.resolve(events.slice(Number(after), Number(after) + limit));
    },
  };
  return { kept, reads: () => reads };
}

test("what was told before the area was there is read once, and with it how a balance came about", async () => {
  const onDatabase = await createTestDatabase();
  const person = newPerson();
  const id = randomIds.next();
  const accounts = keptStream("accounts", [
    { key: "usr_x", type: "user.registered", payload: {} },
    opening(person, id),
  ]);
  const balances = Array.from({ length: 1_200 }, (_, n) =>
    posted(id, n + 1, `${n + 1}.00`, { asOf: "2026-11-02T10:00:00.000000Z" }),
  );
  const ledger = keptStream("ledger", [opened(id), { ...posted(randomIds.next(), 1, "x") }, ...balances]);
  const history = [accounts.kept, ledger.kept];
  const query = `{ netWorth { total { amount } } cashFlow(from: "2026-11-01", to: "2026-11-03", interval: DAY) { in { amount } } }`;
  const expected = {
    netWorth: { total: { amount: "1200.00" } },
    cashFlow: [{ in: { amount: "0" } }, { in: { amount: "1200.00" } }, { in: { amount: "0" } }],
  };

  const first = await startPlatform({ onDatabase, history });
  expect(dataOf(await first.call(query, {}, person))).toEqual(expected);
  const [letters] = await first.database.sql<{ count: number }[]>`
    select count(*)::integer as count from portfolio.dead_letter`;
  expect(letters?.count).toBe(1);
  await first.stop();

  const reads = [accounts.reads(), ledger.reads()];
  const second = await startPlatform({ onDatabase, history });
  expect(dataOf(await second.call(query, {}, person))).toEqual(expected);
  expect([accounts.reads(), ledger.reads()]).toEqual(reads);
  await second.stop();
  await onDatabase.drop();
});
