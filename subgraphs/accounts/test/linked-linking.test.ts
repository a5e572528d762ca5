import { cancelOpenAttempts } from "@florin/db/accounts";
import { armFaultPoints, disarmFaultPoints, FaultInjected } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import type { Uuid } from "@florin/kernel";
import { RequestError } from "@florin/kernel";
import { goThrough, readPublicToken } from "./hosted-page.js";
import type { PublicTokenRequest } from "../src/linked/link-sessions.js";
import { makePublicToken, startLinkedPlatform, type LinkedPlatform } from "./linked-platform.js";

// From a visit to Link to an item and to its end, with every line on the way at which a process may die or an answer be lost.

let platform: LinkedPlatform;
beforeAll(async () => {
  platform = await startLinkedPlatform();
});
afterAll(() => platform.stop());
afterEach(() => {
  disarmFaultPoints();
  platform.simulator.control.removeFaults();
});

let made = 0;
const key = () => `link-${++made}`;
const operations = () => platform.worker.linkOperations;
const timeLeftMs = () => 5_000;

async function person(): Promise<Uuid> {
  const userId = crypto.randomUUID() as Uuid;
  await platform.database.sql`
    insert into accounts.app_user (user_id, email, full_name, country, password_hash, roles, created_at)
    values (${userId}, ${`linking-${++made}@example.test`}, 'Person', 'NL', '$argon2id$none', array['CUSTOMER'], now())`;
  return userId;
}

const visit = (userId: Uuid, itemId?: Uuid, selectsAccounts = false) =>
  operations().createLinkToken({ userId, itemId, selectsAccounts, idempotencyKey: key(), timeLeftMs });
const hand = (userId: Uuid, publicToken: string, more: Partial<PublicTokenRequest> = {}) =>
  operations().exchangePublicToken({
    userId,
    publicToken,
    idempotencyKey: key(),
    correlationId: "test",
    timeLeftMs,
    ...more,
  });

const publicTokenOf = (linkToken: string) => readPublicToken(platform.simulator.url, linkToken);

const unbound = (institutionId = "ins_109508", userName = "user_good") =>
  makePublicToken(platform.simulator.url, {
    userName,
    institutionId,
    products: ["transactions", "liabilities", "investments"],
    webhook: platform.door.url,
  });

interface ItemRow {
  readonly itemId: Uuid;
  readonly status: string;
  readonly reason: string | null;
  readonly plaidItemId: string | null;
}
const itemsOf = (userId: Uuid) =>
  platform.database.sql<ItemRow[]>`
    select item_id as "itemId", status, status_reason as reason, plaid_item_id as "plaidItemId" from accounts.linked_item
    where user_id = ${userId} order by created_at`;
const statusesOf = async (userId: Uuid) =>
  (
    await platform.database.sql<{ status: string }[]>`
      select status from accounts.link_attempt where user_id = ${userId} order by created_at`
  ).map(({ status }) => status);
const calls = (endpoint: string, status = 200) => platform.simulator.control.calls({ endpoint, status }).length;

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof RequestError)) throw new Error("it was not refused", { cause: error });
  return error.fields[0]?.code ?? error.code;
}

describe("a visit to the hosted page", () => {
  test("becomes an item by its webhook, without the application's help; handing the token over too is safe", async () => {
    const userId = await person();
    const page = await visit(userId);
    await goThrough(page, { institutionId: "ins_109508" });
    await eventually(async () => (await itemsOf(userId)).length === 1, 10_000);
    const [item] = await itemsOf(userId);
    const outcome = await hand(userId, await publicTokenOf(page.linkToken));
    expect(outcome).toMatchObject({ itemId: item?.itemId, rejection: undefined, isReplay: true });
    expect(await statusesOf(userId)).toEqual(["LINKED"]);
  });

  test("becomes an item by a poll when its webhooks are lost", async () => {
    const userId = await person();
    platform.door.worker = undefined;
    const page = await visit(userId);
    await goThrough(page, { institutionId: "ins_109508" });
    platform.clock.pass(60);
    await operations().finishDueSessions("test");
    platform.door.worker = platform.worker;
    expect(await itemsOf(userId)).toMatchObject([{ status: "HEALTHY" }]);
  });

  test("of one person gives nothing to another, who has a visit of his own open", async () => {
    const [ada, bo] = [await person(), await person()];
    platform.door.worker = undefined;
    const page = await visit(ada);
    await goThrough(page, { institutionId: "ins_109508" });
    await visit(bo);
    expect(await refusalOf(hand(bo, await publicTokenOf(page.linkToken)))).toBe("PUBLIC_TOKEN_INVALID");
    platform.door.worker = platform.worker;
    expect(await itemsOf(bo)).toEqual([]);
    expect((await hand(ada, await publicTokenOf(page.linkToken))).rejection).toBeUndefined();
  });
});

describe("the same login a second time", () => {
  test("is refused before the exchange, while another login at the same institution is not", async () => {
    const userId = await person();
    await goThrough(await visit(userId), { institutionId: "ins_109508" });
    await eventually(async () => (await itemsOf(userId)).length === 1, 10_000);
    const [first] = await itemsOf(userId);
    await platform.atRest(first?.itemId);
    platform.door.worker = undefined;
    const before = calls("/item/public_token/exchange");
    const again = await visit(userId);
    // Fewer accounts of the same login are the same login still.
    await goThrough(again, { institutionId: "ins_109508", accounts: (name) => /check|sav/i.test(name) });
    const publicToken = await publicTokenOf(again.linkToken);
    expect(await hand(userId, publicToken)).toMatchObject({
      itemId: first?.itemId,
      rejection: { code: "ALREADY_LINKED" },
    });
    expect(await hand(userId, publicToken)).toMatchObject({
      itemId: first?.itemId,
      rejection: { code: "ALREADY_LINKED" },
    });
    expect(calls("/item/public_token/exchange")).toBe(before);
    const other = await visit(userId);
    await goThrough(other, { institutionId: "ins_109508", userName: "user_loans" });
    expect((await hand(userId, await publicTokenOf(other.linkToken))).rejection).toBeUndefined();
    platform.door.worker = platform.worker;
    expect(await itemsOf(userId)).toHaveLength(2);
  });

  test("is one item when two visits end at the same time", async () => {
    const userId = await person();
    platform.door.worker = undefined;
    const pages = [await visit(userId), await visit(userId)];
    for (const page of pages) await goThrough(page, { institutionId: "ins_109508" });
    const tokens = await Promise.all(pages.map((page) => publicTokenOf(page.linkToken)));
    const outcomes = await Promise.all(tokens.map((token) => hand(userId, token)));
    platform.door.worker = platform.worker;
    expect(new Set(outcomes.map(({ itemId }) => itemId)).size).toBe(1);
    expect(await itemsOf(userId)).toHaveLength(1);
    expect((await statusesOf(userId)).sort()).toEqual(["DUPLICATE", "LINKED"]);
  });

  test("takes the first one's place where it made that one void: accounts keep their ids, and people their words", async () => {
    const userId = await person();
    const link = async () => {
      await visit(userId);
      return (await hand(userId, await unbound("ins_56"))).itemId;
    };
    const old = await link();
    await platform.atRest(old);
    const { sql } = platform.database;
    const before = await sql<{ id: Uuid }[]>`
      select linked_account_id as id from accounts.linked_account where item_id = ${old} order by 1`;
    await sql`
      update accounts.linked_transaction set user_note = 'mine' where linked_transaction_id = (
        select linked_transaction_id from accounts.linked_transaction where item_id = ${old} order by 1 limit 1)`;
    const fresh = await link();
    await eventually(async () => (await itemsOf(userId))[0]?.status === "REMOVED", 15_000);
    await platform.atRest(fresh);
    const after = await sql<{ id: Uuid }[]>`
      select linked_account_id as id from accounts.linked_account where item_id = ${fresh} and removed_at is null order by 1`;
    expect(before.length).toBeGreaterThan(0);
    expect(after).toEqual(before);
    const kept = await sql<{ note: string; item: Uuid }[]>`
      select user_note as note, item_id as item from accounts.linked_transaction t
      where user_note is not null and removed_at is null and item_id in (${old}, ${fresh})`;
    expect(kept).toEqual([{ note: "mine", item: fresh }]);
    expect(await itemsOf(userId)).toMatchObject([{ reason: "DUPLICATE" }, { status: "HEALTHY" }]);
    const rosters = await platform.handedOver(fresh, "ACCOUNTS");
    expect(rosters.at(-1)?.rows).toHaveLength(before.length);
  });
});

describe("a repair", () => {
  test("makes an item healthy, exchanges nothing, and takes away accounts that are no longer shared", async () => {
    const userId = await person();
    await visit(userId);
    const { itemId } = await hand(userId, await unbound());
    await platform.atRest(itemId);
    const [item] = await itemsOf(userId);
    platform.simulator.control.items.setState(item?.plaidItemId ?? "", { state: "LOGIN_REQUIRED" });
    await eventually(async () => (await itemsOf(userId))[0]?.status === "LOGIN_REQUIRED", 10_000);
    const before = calls("/item/public_token/exchange");
    const page = await visit(userId, itemId, true);
    await goThrough(page, { accounts: (name) => !/check/i.test(name) });
    await eventually(async () => (await itemsOf(userId))[0]?.status === "HEALTHY", 10_000);
    await platform.atRest(itemId);
    const names = await platform.database.sql<{ name: string; isRemoved: boolean }[]>`
      select name, removed_at is not null as "isRemoved" from accounts.linked_account where item_id = ${itemId}`;
    expect(names.filter(({ isRemoved }) => isRemoved).map(({ name }) => name)).toEqual([
      expect.stringMatching(/check/i) as string,
    ]);
    expect(calls("/item/public_token/exchange")).toBe(before);
    expect(await hand(userId, await publicTokenOf(page.linkToken))).toMatchObject({ itemId });
    expect(await statusesOf(userId)).toEqual(["LINKED", "REPAIRED"]);
  });
});

describe("accounts that are new at the institution", () => {
  test("are announced, offered by themselves in a repair, and read when they were added", async () => {
    const userId = await person();
    await visit(userId);
    const { itemId } = await hand(userId, await unbound());
    await platform.atRest(itemId);
    const [item] = await itemsOf(userId);
    const account = { key: "rainy-day", name: "Rainy Day", mask: "7171", type: "depository", subtype: "savings" };
    platform.simulator.control.items.changeAccounts(item?.plaidItemId ?? "", { add: [account] });
    const flag = async () => {
      const [row] = await platform.database.sql<{ flag: boolean }[]>`
        select has_new_accounts as flag from accounts.linked_item where item_id = ${itemId}`;
      return row?.flag;
    };
    await eventually(async () => (await flag()) === true, 10_000);
    await goThrough(await visit(userId, itemId));
    await eventually(async () => (await flag()) === false, 10_000);
    await platform.atRest(itemId);
    const [added] = await platform.database.sql<{ mask: string }[]>`
      select mask from accounts.linked_account where item_id = ${itemId} and name = 'Rainy Day' and removed_at is null`;
    expect(added).toEqual({ mask: "7171" });
  });
});

describe("an exchange during which everything is removed", () => {
  test("is undone at the institution's side", async () => {
    const userId = await person();
    await visit(userId);
    const publicToken = await unbound();
    platform.simulator.control.addFault({
      match: { endpoint: "/item/public_token/exchange" },
      action: { kind: "latency", when: "after", ms: 400 },
      times: 1,
    });
    const before = calls("/item/remove");
    const outcome = refusalOf(hand(userId, publicToken));
    await eventually(async () => (await statusesOf(userId))[0] === "EXCHANGING");
    await platform.database.transaction((tx) => cancelOpenAttempts(tx, userId, "TEST", platform.clock.now()));
    expect(await outcome).toBe("LINK_NOT_STORED");
    expect(calls("/item/remove") - before).toBe(1);
    expect([await itemsOf(userId), await statusesOf(userId)]).toEqual([[], ["EXITED"]]);
  });
});

describe("an exchange whose answer is lost", () => {
  test("is asked again, and made when the first had not arrived", async () => {
    const userId = await person();
    await visit(userId);
    platform.simulator.control.addFault({
      match: { endpoint: "/item/public_token/exchange" },
      action: { kind: "reset", when: "before" },
      times: 1,
    });
    expect((await hand(userId, await unbound())).rejection).toBeUndefined();
    expect(await statusesOf(userId)).toEqual(["LINKED"]);
  });

  test("leaves no silent orphan: the attempt says LOST, the person what to do, the log what was made", async () => {
    const userId = await person();
    await visit(userId);
    platform.simulator.control.addFault({
      match: { endpoint: "/item/public_token/exchange" },
      action: { kind: "reset", when: "after" },
      times: 1,
    });
    const publicToken = await unbound();
    expect(await refusalOf(hand(userId, publicToken))).toBe("LINK_ANSWER_LOST");
    expect(await refusalOf(hand(userId, publicToken))).toBe("LINK_ANSWER_LOST");
    expect(await statusesOf(userId)).toEqual(["LOST"]);
    expect(platform.logLines.join("\n")).toContain("its token is lost");
    // The way back that the message names.
    await visit(userId);
    expect((await hand(userId, await unbound())).rejection).toBeUndefined();
  });
});

describe("a process that dies", () => {
  /** Dies there once, and is found by the next look when its claim has run out. */
  async function dieAt(point: string): Promise<{ userId: Uuid; again: () => Promise<unknown> }> {
    const userId = await person();
    await visit(userId);
    const request = { publicToken: await unbound(), idempotencyKey: key() };
    armFaultPoints({ faults: `${point}:1:throw` });
    await expect(hand(userId, request.publicToken, request)).rejects.toThrow(FaultInjected);
    disarmFaultPoints();
    return {
      userId,
      again: () => {
        platform.clock.pass(180);
        return hand(userId, request.publicToken, request);
      },
    };
  }

  test("before the exchange loses nothing", async () => {
    const { userId, again } = await dieAt("accounts.link.before-exchange");
    expect(await again()).toMatchObject({ rejection: undefined });
    expect(await statusesOf(userId)).toEqual(["LINKED"]);
  });

  test.each(["accounts.link.after-exchange", "accounts.link.before-store"])(
    "at %s has lost the token, and says so",
    async (point) => {
      const { userId, again } = await dieAt(point);
      expect(await refusalOf(again())).toBe("LINK_ANSWER_LOST");
      expect(await itemsOf(userId)).toEqual([]);
    },
  );

  test("after the store has made one item", async () => {
    const { userId, again } = await dieAt("accounts.link.after-store");
    expect(await again()).toMatchObject({ isReplay: true });
    expect(await itemsOf(userId)).toHaveLength(1);
  });

  test.each(["accounts.link.before-create", "accounts.link.after-create"])(
    "at %s leaves a key under which the page can be had",
    async (point) => {
      const userId = await person();
      const request = { userId, itemId: undefined, selectsAccounts: false, idempotencyKey: key(), timeLeftMs };
      armFaultPoints({ faults: `${point}:1:throw` });
      await expect(operations().createLinkToken(request)).rejects.toThrow(FaultInjected);
      disarmFaultPoints();
      platform.clock.pass(60);
      expect((await operations().createLinkToken(request)).linkToken).toMatch(/^link-/);
      expect(await statusesOf(userId)).toEqual(["OPEN"]);
    },
  );
});

describe("an item that cannot be stored", () => {
  test("is removed at the institution's side with the token in memory", async () => {
    const userId = await person();
    await visit(userId);
    const { sql } = platform.database;
    await sql`
      create function pg_temp_refuse() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$`;
    await sql`create trigger refuse before insert on accounts.linked_item_token for each row execute function pg_temp_refuse()`;
    const before = calls("/item/remove");
    try {
      expect(await refusalOf(hand(userId, await unbound()))).toBe("LINK_NOT_STORED");
    } finally {
      await sql`drop trigger refuse on accounts.linked_item_token`;
      await sql`drop function pg_temp_refuse()`;
    }
    expect(calls("/item/remove") - before).toBe(1);
    expect([await itemsOf(userId), await statusesOf(userId)]).toEqual([[], ["FAILED"]]);
  });
});

describe("a demo's login", () => {
  test("is linked once, though two processes begin at the same time, and again after a failure", async () => {
    const userId = await person();
    const link = (obtainPublicToken: () => Promise<string>) =>
      operations().linkDirectly({ userId, obtainPublicToken, correlationId: "test" });
    await expect(link(() => Promise.reject(new Error("away")))).rejects.toThrow("away");
    const made = await Promise.all([link(() => unbound()), link(() => unbound())]);
    expect(made.filter((itemId) => itemId !== undefined)).toHaveLength(1);
    expect(await link(() => unbound())).toBeUndefined();
    expect(await itemsOf(userId)).toHaveLength(1);
  });
});

describe("at the end of a day", () => {
  test("that somebody walked out of is over when its page is", async () => {
    const userId = await person();
    await goThrough(await visit(userId), { leave: true });
    platform.clock.pass(5 * 3_600);
    await operations().finishDueSessions("test");
    expect(await statusesOf(userId)).toEqual(["EXITED"]);
  });

  test("a visit that died before it had a page is over too", async () => {
    const userId = await person();
    armFaultPoints({ faults: "accounts.link.before-create:1:throw" });
    await expect(visit(userId)).rejects.toThrow(FaultInjected);
    platform.clock.pass(5 * 3_600);
    await operations().finishDueSessions("test");
    expect(await statusesOf(userId)).toEqual(["FAILED"]);
  });
});
