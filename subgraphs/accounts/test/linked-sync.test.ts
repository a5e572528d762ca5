import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { claimItem, lockLeasedItem } from "@florin/db/accounts";
import { armFaultPoints, disarmFaultPoints, type FaultPoint } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import {
  callsOf,
  productsOf,
  request,
  standsAs,
  startLinkedPlatform,
  storedOf,
  truthOf,
  type LinkedLogin,
  type LinkedPlatform,
} from "./linked-platform.js";

const SYNC = "/transactions/sync";

let platform: LinkedPlatform;
beforeAll(async () => {
  platform = await startLinkedPlatform();
});
afterAll(() => platform.stop());

/** As many transactions at the institution as make three pages. */
function addThreePages(login: LinkedLogin): void {
  const add = Array.from({ length: 50 }, (_, at) => ({ amount: at + 0.25, name: `Bulk ${at}` }));
  platform.simulator.control.items.changeTransactions(login.plaidItemId, { add });
}

/** Linked, read, and at rest. */
async function linked(userName?: string, products?: readonly string[]): Promise<LinkedLogin> {
  const login = await platform.link(userName, products);
  await platform.atRest(login.itemId);
  return login;
}

let shared: Promise<LinkedLogin> | undefined;

/** One login for tests that leave it whole, at rest: each link costs a dozen calls. */
async function sharedLogin(): Promise<LinkedLogin> {
  shared ??= linked("user_deposit_only", ["transactions"]);
  const login = await shared;
  await platform.simulator.control.webhooksSettled();
  await expectEqualToInstitution(login);
  await platform.atRest(login.itemId);
  return login;
}

async function expectEqualToInstitution(login: LinkedLogin): Promise<void> {
  await eventually(async () => {
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
    return true;
  }, 15_000);
}

/** What portfolio makes of all that it was handed. */
async function foldHandedOver(login: LinkedLogin): Promise<Map<string, string>> {
  const folded = new Map<string, string>();
  const versions = await platform.handedOver(login.itemId, "TRANSACTIONS");
  expect(versions.map(({ version }) => version)).toEqual(versions.map((_, at) => String(at + 1)));
  for (const { rows } of versions)
    for (const row of rows) {
      if (row.change === "REMOVED") folded.delete(row.linkedTransactionId);
      else folded.set(row.linkedTransactionId, row.amount);
    }
  return folded;
}

describe("the first sync of a login", () => {
  test("waits for the webhook when nothing is ready, and then has everything that the institution has", async () => {
    const slow = await startLinkedPlatform({
      simulator: { notReadyCalls: 1, initialPullMs: 300, historicalPullMs: 200 },
    });
    try {
      const login = await slow.link("user_good", undefined, { days: 90 });
      await eventually(async () => (await productsOf(slow, login))["TRANSACTIONS"] === "NOT_READY NOT_READY");
      const [item] = await slow.database.sql<{ cursor: string | null }[]>`
        select transactions_cursor as cursor from accounts.linked_item where item_id = ${login.itemId}`;
      expect(item?.cursor).toBeNull();
      await eventually(async () => (await productsOf(slow, login))["TRANSACTIONS"] === "READY", 10_000);
      await slow.atRest();
      expect(await storedOf(slow, login)).toEqual(truthOf(slow, login));
      expect((await storedOf(slow, login)).length).toBeGreaterThan(20);
      expect(await standsAs(slow, login)).toBe("HEALTHY");
    } finally {
      await slow.stop();
    }
  });

  test("hears the webhook that came while it was being told that nothing is ready", async () => {
    const slow = await startLinkedPlatform({
      simulator: { notReadyCalls: 1, initialPullMs: 20, historicalPullMs: 0 },
    });
    try {
      slow.simulator.control.addFault({
        match: { endpoint: SYNC },
        action: { kind: "latency", when: "after", ms: 400 },
        times: 1,
      });
      const login = await slow.link("user_deposit_only", ["transactions"]);
      // Far sooner than by the pause after "not ready", which is half a minute.
      await eventually(async () => (await productsOf(slow, login))["TRANSACTIONS"] === "READY", 10_000);
      await slow.atRest();
      expect(await storedOf(slow, login)).toEqual(truthOf(slow, login));
    } finally {
      await slow.stop();
    }
  });

  test("of somebody who invests only has no cursor for ever, and is no failure", async () => {
    const login = await linked("user_investment_only", ["investments"]);
    await request(platform, login, "TRANSACTIONS");
    await platform.atRest(login.itemId);
    const [item] = await platform.database.sql<{ cursor: string | null }[]>`
      select transactions_cursor as cursor from accounts.linked_item where item_id = ${login.itemId}`;
    expect(item?.cursor).toBeNull();
    await eventually(async () => (await productsOf(platform, login))["INVESTMENTS"] === "READY", 10_000);
  });

  test("takes everything that a hostile institution may send", async () => {
    const login = await linked("user_hostile");
    await expectEqualToInstitution(login);
    await eventually(async () => {
      expect(await productsOf(platform, login)).toEqual({
        BALANCES: "READY",
        INVESTMENTS: "READY",
        LIABILITIES: "READY",
        TRANSACTIONS: "READY",
      });
      return true;
    }, 10_000);
    const holdings = await platform.handedOver(login.itemId, "HOLDINGS");
    expect(holdings.at(-1)?.rows.filter(({ row }) => row === "HOLDING").length).toBe(
      platform.simulator.control.items.get(login.plaidItemId).investments.holdings.length,
    );
  });
});

describe("a run of several pages", () => {
  test.each([1, 2, 3])(
    "begins again when the data moved before page %i, and nothing is lost or doubled",
    async (page) => {
      const login = await sharedLogin();
      const { control } = platform.simulator;
      const { id } = control.addFault({
        match: { endpoint: SYNC, itemId: login.plaidItemId, nthCall: page },
        action: { kind: "error", errorCode: "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION" },
        times: 1,
      });
      addThreePages(login);
      await eventually(() => control.faults().find((fault) => fault.id === id)?.struck === 1, 10_000);
      await expectEqualToInstitution(login);
      expect((await foldHandedOver(login)).size).toBe(truthOf(platform, login).length);
    },
  );

  test("meets a real change between its pages and has it too", async () => {
    const login = await sharedLogin();
    const { control } = platform.simulator;
    control.addFault({
      match: { endpoint: SYNC, itemId: login.plaidItemId, nthCall: 2 },
      action: { kind: "latency", ms: 250 },
      times: 1,
    });
    const before = callsOf(platform, login, SYNC);
    addThreePages(login);
    await eventually(() => callsOf(platform, login, SYNC) > before);
    const [gone] = truthOf(platform, login);
    control.items.changeTransactions(login.plaidItemId, {
      add: [{ amount: 9.99, name: "In between" }],
      remove: [gone?.plaidId ?? ""],
    });
    await expectEqualToInstitution(login);
  });

  test("that lost its staged pages, as after a crash of the server, does not go on without them", async () => {
    const login = await sharedLogin();
    const { control } = platform.simulator;
    const before = callsOf(platform, login, SYNC);
    control.addFault({
      match: { endpoint: SYNC, itemId: login.plaidItemId, nthCall: 2 },
      action: { kind: "latency", ms: 250 },
      times: 1,
    });
    addThreePages(login);
    await eventually(() => callsOf(platform, login, SYNC) > before);
    await platform.database.sql`delete from accounts.linked_transaction_staged`;
    await expectEqualToInstitution(login);
    expect((await foldHandedOver(login)).size).toBe(truthOf(platform, login).length);
  });

  test("that the data never lets end reads the whole history, and finds what is not there any more", async () => {
    const login = await sharedLogin();
    const ghost = await addGhost(login);
    const { control } = platform.simulator;
    control.addFault({
      match: { endpoint: SYNC, itemId: login.plaidItemId },
      action: { kind: "error", errorCode: "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION" },
      times: 6,
    });
    control.items.changeTransactions(login.plaidItemId, { add: [{ amount: 1, name: "News" }] });
    await expectEqualToInstitution(login);
    expect((await foldHandedOver(login)).has(ghost)).toBe(false);
  });

  test("whose cursor is refused reads the whole history", async () => {
    const login = await sharedLogin();
    await addGhost(login);
    platform.simulator.control.addFault({
      match: { endpoint: SYNC, itemId: login.plaidItemId },
      action: { kind: "error", errorCode: "INVALID_FIELD" },
      times: 1,
    });
    await request(platform, login, "TRANSACTIONS");
    await expectEqualToInstitution(login);
    expect(await standsAs(platform, login)).toBe("HEALTHY");
  });
});

/** A row that the institution does not have. Its id. */
async function addGhost(login: LinkedLogin): Promise<string> {
  const [ghost] = await platform.database.sql<{ id: string }[]>`
    insert into accounts.linked_transaction (linked_transaction_id, item_id, linked_account_id, plaid_transaction_id, amount, name,
      is_pending, date, first_seen_at, changed_at)
    select gen_random_uuid(), item_id, linked_account_id, 'ghost-' || gen_random_uuid(), 1, 'Ghost', false, '2026-01-01', now(), now()
    from accounts.linked_account where item_id = ${login.itemId} limit 1 returning linked_transaction_id as id`;
  return ghost?.id ?? "";
}

describe("a worker that dies", () => {
  const points: FaultPoint[] = [
    "accounts.sync.after-fetch",
    "accounts.sync.before-commit",
    "accounts.sync.after-commit",
  ];

  test.each(points)(
    "at %s leaves a run that another finishes, with nothing lost and nothing doubled",
    async (point) => {
      const login = await sharedLogin();
      armFaultPoints({ faults: `${point}:1:throw` });
      try {
        addThreePages(login);
        await expectEqualToInstitution(login);
      } finally {
        disarmFaultPoints();
      }
      await platform.atRest(login.itemId);
      expect((await foldHandedOver(login)).size).toBe(truthOf(platform, login).length);
    },
  );

  test("and comes back late writes nothing: its lease has another epoch", async () => {
    const login = await sharedLogin();
    const { sql } = platform.database;
    const lease = await claimItem(sql, login.itemId, { owner: "sleeper", leaseMs: 150 });
    expect(lease).toBeDefined();
    addThreePages(login);
    await expectEqualToInstitution(login);
    const found = await platform.database.transaction((tx) => lockLeasedItem(tx, lease ?? never()));
    expect(found).toBeUndefined();
  });
});

function never(): never {
  throw new Error("there is no lease");
}

describe("two workers and a storm of webhooks on one item", () => {
  test("keep one line of cursors: every change once, in order, and fewer runs than webhooks", async () => {
    const second = await platform.startWorker();
    const login = await linked("user_deposit_only", ["transactions"]);
    const { control } = platform.simulator;
    const before = callsOf(platform, login, SYNC);
    for (let round = 0; round < 40; round++) {
      const [first] = truthOf(platform, login);
      const remove = round % 4 === 3 && first !== undefined ? [first.plaidId] : [];
      control.items.changeTransactions(login.plaidItemId, { add: [{ amount: round, name: `Storm ${round}` }], remove });
      if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await control.webhooksSettled();
    await expectEqualToInstitution(login);
    await platform.atRest(login.itemId);
    const folded = await foldHandedOver(login);
    expect([...folded.values()].sort()).toEqual(
      truthOf(platform, login)
        .map(({ amount }) => amount)
        .sort(),
    );
    expect(callsOf(platform, login, SYNC) - before).toBeLessThan(40);
    const jobs = await platform.jobsOf(login.itemId);
    expect(jobs.find(({ kind }) => kind === "TRANSACTIONS")?.requested).toBeGreaterThan(40n);
    expect(jobs.every(({ requested, done }) => requested === done)).toBe(true);
    await platform.stopWorker(second);
  });
});

describe("a pending transaction that is posted", () => {
  interface Edited {
    readonly name: string;
    readonly category: string | null;
    readonly note: string | null;
  }

  async function withPending(name: string): Promise<{ readonly login: LinkedLogin; readonly pendingId: string }> {
    const login = await linked("user_deposit_only", ["transactions"]);
    const { items } = platform.simulator.control;
    const { added } = items.changeTransactions(login.plaidItemId, { add: [{ amount: 42.5, name, pending: true }] });
    await expectEqualToInstitution(login);
    const pendingId = added[0] ?? "";
    await platform.database.sql`
      update accounts.linked_transaction set user_category = 'Mine', user_note = 'keep me'
      where item_id = ${login.itemId} and plaid_transaction_id = ${pendingId}`;
    return { login, pendingId };
  }

  async function posted(login: LinkedLogin): Promise<readonly Edited[]> {
    return platform.database.sql<Edited[]>`
      select name, user_category as category, user_note as note from accounts.linked_transaction
      where item_id = ${login.itemId} and removed_at is null and not is_pending and amount = 42.5 order by name`;
  }

  test("keeps what the person made of it", async () => {
    const { login, pendingId } = await withPending("Corner shop");
    platform.simulator.control.items.changeTransactions(login.plaidItemId, {
      add: [{ amount: 42.5, name: "CORNER SHOP 0912 AMSTERDAM", pendingTransactionId: pendingId }],
      remove: [pendingId],
    });
    await expectEqualToInstitution(login);
    expect(await posted(login)).toEqual([{ name: "CORNER SHOP 0912 AMSTERDAM", category: "Mine", note: "keep me" }]);
  });

  test("keeps it also when the institution does not say which it was, and there is one candidate", async () => {
    const { login, pendingId } = await withPending("Corner shop");
    platform.simulator.control.items.changeTransactions(login.plaidItemId, { remove: [pendingId] });
    await expectEqualToInstitution(login);
    platform.simulator.control.items.changeTransactions(login.plaidItemId, {
      add: [{ amount: 42.5, name: "CORNER SHOP 0912 AMSTERDAM" }],
    });
    await expectEqualToInstitution(login);
    expect(await posted(login)).toEqual([{ name: "CORNER SHOP 0912 AMSTERDAM", category: "Mine", note: "keep me" }]);
  });

  test("leaves it when two could be meant", async () => {
    const { login, pendingId } = await withPending("Corner shop");
    platform.simulator.control.items.changeTransactions(login.plaidItemId, {
      add: [
        { amount: 42.5, name: "CORNER SHOP ONE" },
        { amount: 42.5, name: "CORNER SHOP TWO" },
      ],
      remove: [pendingId],
    });
    await expectEqualToInstitution(login);
    expect((await posted(login)).map(({ category }) => category)).toEqual([null, null]);
  });
});
