import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { refreshAtLogin } from "../src/linked/refresh-at-login.js";
import { formatId } from "@florin/kernel";
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

let platform: LinkedPlatform;
beforeAll(async () => {
  platform = await startLinkedPlatform({ policy: { balanceCallsPerPerson: 2, revokedGraceMs: 0 } });
});
afterAll(() => platform.stop());

async function linked(userName?: string, products?: readonly string[]): Promise<LinkedLogin> {
  const login = await platform.link(userName, products);
  await eventually(async () => {
    await platform.atRest(login.itemId);
    // Investment transactions come in their own time, by webhook.
    return Object.values(await productsOf(platform, login)).every((state) => /^(READY|NOT_APPLICABLE)/.test(state));
  }, 15_000);
  return login;
}

async function serve(login: LinkedLogin, ...kinds: Parameters<typeof request>[2][]): Promise<void> {
  await request(platform, login, ...kinds);
  await platform.atRest(login.itemId);
}

interface StoredAccount {
  readonly id: string;
  readonly plaidId: string;
  readonly name: string;
  readonly available: string | null;
  readonly current: string | null;
  readonly source: string;
  readonly isRemoved: boolean;
}

async function accountsOf(login: LinkedLogin): Promise<readonly StoredAccount[]> {
  return platform.database.sql<StoredAccount[]>`
    select linked_account_id as id, plaid_account_id as "plaidId", name, trim_scale(available)::text as available,
      trim_scale(current)::text as current, balance_source as source, removed_at is not null as "isRemoved"
    from accounts.linked_account where item_id = ${login.itemId} order by name`;
}

async function rosterHandedOver(login: LinkedLogin): Promise<string[]> {
  const versions = await platform.handedOver(login.itemId, "ACCOUNTS");
  return (versions.at(-1)?.rows ?? []).map(({ data }) => data.name).sort();
}

describe("products of one login", () => {
  test("are each by themselves: one that does not apply disturbs no other", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    expect(await productsOf(platform, login)).toEqual({
      BALANCES: "READY",
      INVESTMENTS: "NOT_APPLICABLE NO_INVESTMENT_ACCOUNTS",
      LIABILITIES: "NOT_APPLICABLE NO_LIABILITY_ACCOUNTS",
      TRANSACTIONS: "READY",
    });
    expect(await standsAs(platform, login)).toBe("HEALTHY");
    expect(await platform.handedOver(login.itemId, "LIABILITIES")).toEqual([]);
  });

  test("a refusal of liabilities leaves holdings as they are and as fresh as they can be", async () => {
    const login = await linked();
    platform.simulator.control.addFault({
      match: { endpoint: "/liabilities/get", itemId: login.plaidItemId },
      action: { kind: "error", errorCode: "NO_LIABILITY_ACCOUNTS" },
      times: 1,
    });
    await serve(login, "LIABILITIES", "HOLDINGS");
    expect(await productsOf(platform, login)).toMatchObject({
      INVESTMENTS: "READY",
      LIABILITIES: "NOT_APPLICABLE NO_LIABILITY_ACCOUNTS",
    });
    expect((await platform.handedOver(login.itemId, "HOLDINGS")).length).toBe(2);
    expect((await platform.handedOver(login.itemId, "LIABILITIES")).length).toBe(1);
  });

  test("an error is no empty list: no failure of the institution hands over holdings, and the next success does", async () => {
    const login = await linked();
    const { control } = platform.simulator;
    const before = await platform.handedOver(login.itemId, "HOLDINGS");
    expect(before.at(-1)?.rows.length).toBeGreaterThan(10);
    for (const errorCode of [
      "INTERNAL_SERVER_ERROR",
      "INSTITUTION_DOWN",
      "PRODUCT_NOT_READY",
      "NO_INVESTMENT_ACCOUNTS",
    ]) {
      control.addFault({
        match: { endpoint: "/investments/holdings/get", itemId: login.plaidItemId },
        action: { kind: "error", errorCode },
      });
      await serve(login, "HOLDINGS");
      expect((await productsOf(platform, login))["INVESTMENTS"]).toContain(errorCode);
      expect(await platform.handedOver(login.itemId, "HOLDINGS")).toEqual(before);
      control.removeFaults();
    }
    await serve(login, "HOLDINGS");
    expect((await productsOf(platform, login))["INVESTMENTS"]).toBe("READY");
    expect((await platform.handedOver(login.itemId, "HOLDINGS")).length).toBe(2);
    expect(await standsAs(platform, login)).toBe("HEALTHY");
  });

  test("holdings and investment transactions share a product, and neither hides the other's failure", async () => {
    const login = await linked();
    platform.simulator.control.addFault({
      match: { endpoint: "/investments/transactions/get", itemId: login.plaidItemId },
      action: { kind: "error", errorCode: "ACCESS_NOT_GRANTED" },
      times: 1,
    });
    await serve(login, "INVESTMENT_TRANSACTIONS");
    expect(await standsAs(platform, login)).toBe("LOGIN_REQUIRED ACCESS_NOT_GRANTED");
    await platform.database.sql`
      update accounts.linked_item set status = 'HEALTHY', status_reason = null where item_id = ${login.itemId}`;
    await serve(login, "HOLDINGS");
    expect((await productsOf(platform, login))["INVESTMENTS"]).toBe("FAILING ACCESS_NOT_GRANTED");
    await serve(login, "INVESTMENT_TRANSACTIONS");
    expect((await productsOf(platform, login))["INVESTMENTS"]).toBe("READY");
  });

  test("investment transactions are read whole, over several pages, with the window that was read", async () => {
    const login = await linked("user_investment_only", ["investments"]);
    // The institution is asked not to keep us waiting: the answer comes with a webhook.
    await eventually(
      async () => (await platform.handedOver(login.itemId, "INVESTMENT_TRANSACTIONS")).length > 0,
      10_000,
    );
    const { investments } = platform.simulator.control.items.get(login.plaidItemId);
    const [version] = await platform.handedOver(login.itemId, "INVESTMENT_TRANSACTIONS");
    const handed = (version?.rows ?? []).flatMap((row) =>
      row.row === "TRANSACTION" ? [row.data.investmentTransactionId] : [],
    );
    expect(handed.sort()).toEqual(investments.transactions.map((one) => one.investment_transaction_id).sort());
    expect(handed.length).toBeGreaterThan(0);
    const [item] = await platform.database.sql<{ has: boolean }[]>`
      select has_investment_history as has from accounts.linked_item where item_id = ${login.itemId}`;
    expect(item?.has).toBe(true);
  });
});

describe("the history of investments", () => {
  test("is read whole again when more of it came while it was read", async () => {
    const login = await linked("user_investment_only", ["investments"]);
    const { control } = platform.simulator;
    const windows = async () =>
      platform.database.sql<{ days: number }[]>`
        select (payload->>'to')::date - (payload->>'from')::date as days from accounts.outbox
        where type = 'linked_item.snapshot' and payload->>'product' = 'INVESTMENT_TRANSACTIONS'
          and key = ${formatId("linkedItem", login.itemId)} and payload->>'page' = '0' order by xid, ordinal`;
    const before = (await windows()).length;
    await platform.database.sql`
      update accounts.linked_item set has_investment_history = false where item_id = ${login.itemId}`;
    const endpoint = "/investments/transactions/get";
    const { id } = control.addFault({
      match: { endpoint, itemId: login.plaidItemId },
      action: { kind: "latency", ms: 300 },
      times: 1,
    });
    await request(platform, login, "INVESTMENT_TRANSACTIONS");
    await eventually(() => control.faults().find((one) => one.id === id)?.struck === 1);
    control.items.sendWebhook(login.plaidItemId, {
      webhook_type: "INVESTMENTS_TRANSACTIONS",
      webhook_code: "HISTORICAL_UPDATE",
      fields: { new_investments_transactions: 1, cancelled_investments_transactions: 0 },
    });
    await control.webhooksSettled();
    await eventually(async () => (await windows()).length >= before + 2);
    expect((await windows()).slice(before).every(({ days }) => days > 700)).toBe(true);
    await serve(login, "INVESTMENT_TRANSACTIONS");
    expect((await windows()).at(-1)?.days).toBe(90);
  });
});

describe("the roster of a login", () => {
  test("loses an account that is gone, softly, and its transactions with it; what comes back is there again", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    const [first, ...others] = await accountsOf(login);
    const before = await storedOf(platform, login);
    platform.simulator.control.items.changeAccounts(login.plaidItemId, { remove: [first?.plaidId ?? ""] });
    await serve(login, "ACCOUNTS");
    expect((await accountsOf(login)).find(({ id }) => id === first?.id)?.isRemoved).toBe(true);
    expect(await rosterHandedOver(login)).toEqual(others.map(({ name }) => name).sort());
    expect((await storedOf(platform, login)).length).toBeLessThanOrEqual(before.length);
    const [kept] = await platform.database.sql<{ count: number }[]>`
      select count(*)::int as count from accounts.linked_transaction where item_id = ${login.itemId} and removed_at is null`;
    expect(kept?.count).toBe(before.length);
  });

  test("knows an account again that came under another id, and keeps what hangs on it", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    const [known] = await accountsOf(login);
    await platform.database.sql`
      update accounts.linked_account set plaid_account_id = 'of-before' where linked_account_id = ${known?.id ?? ""}`;
    await serve(login, "ACCOUNTS");
    const again = (await accountsOf(login)).find(({ id }) => id === known?.id);
    expect(again).toMatchObject({ plaidId: known?.plaidId, isRemoved: false });
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
  });

  test("gives up an account that the person withdrew at the institution", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    const [first] = await accountsOf(login);
    platform.simulator.control.items.setState(login.plaidItemId, {
      state: "ACCOUNT_REVOKED",
      accountId: first?.plaidId ?? "",
    });
    await eventually(async () => (await accountsOf(login)).find(({ id }) => id === first?.id)?.isRemoved === true);
    await platform.atRest(login.itemId);
    expect(await rosterHandedOver(login)).not.toContain(first?.name);
    expect(await standsAs(platform, login)).toBe("HEALTHY");
    const reconciler = await platform.startWorker({ reconcileEveryMs: 3_600_000 });
    await eventually(async () => {
      const left = await platform.database.sql`
        select from accounts.linked_transaction where linked_account_id = ${first?.id ?? ""}`;
      return left.length === 0;
    });
    await platform.stopWorker(reconciler);
    expect((await accountsOf(login)).find(({ id }) => id === first?.id)).toMatchObject({
      current: null,
      isRemoved: true,
    });
  });
});

describe("permission that was withdrawn", () => {
  test("stops every call, and after the time of grace everything is deleted", async () => {
    const login = await linked();
    platform.simulator.control.items.setState(login.plaidItemId, { state: "REVOKED" });
    await eventually(async () => (await standsAs(platform, login)) === "REMOVED PERMISSION_REVOKED", 10_000);
    await platform.atRest(login.itemId);
    const [left] = await platform.database.sql<{ rows: number; purged: boolean }[]>`
      select (select count(*)::int from accounts.linked_transaction where item_id = ${login.itemId}) as rows,
        purged_at is not null as purged from accounts.linked_item where item_id = ${login.itemId}`;
    expect(left).toEqual({ rows: 0, purged: true });
  });
});

// From here on the clock moves, and webhooks would be stale.
describe("balances", () => {
  async function balanceOf(login: LinkedLogin, id: string): Promise<string> {
    const account = (await accountsOf(login)).find((one) => one.id === id);
    return `${account?.source} ${account?.current}`;
  }

  test("are asked of the institution once within their time, then from the cache when the person's budget is used up", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    const [first] = await accountsOf(login);
    const id = first?.id ?? "";
    const { items } = platform.simulator.control;
    items.setBalances(login.plaidItemId, { balances: [{ accountId: first?.plaidId ?? "", current: 77.77 }] });
    expect(await balanceOf(login, id)).toMatch(/^CACHED/);
    await serve(login, "BALANCES");
    expect(await balanceOf(login, id)).toBe("REALTIME 77.77");
    await serve(login, "BALANCES");
    expect(callsOf(platform, login, "/accounts/balance/get")).toBe(1);

    // A cached one does not cover it while it is fresh.
    await serve(login, "ACCOUNTS");
    expect(await balanceOf(login, id)).toBe("REALTIME 77.77");

    platform.clock.pass(601);
    await serve(login, "BALANCES");
    platform.clock.pass(601);
    await serve(login, "BALANCES");
    expect(callsOf(platform, login, "/accounts/balance/get")).toBe(2);
    expect(await balanceOf(login, id)).toMatch(/^CACHED/);
    expect((await productsOf(platform, login))["BALANCES"]).toBe("READY BUDGET_USED_UP");
  });

  test("may have no current amount", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    const [first] = await accountsOf(login);
    platform.simulator.control.items.setBalances(login.plaidItemId, {
      balances: [{ accountId: first?.plaidId ?? "", current: null, available: 12 }],
    });
    await serve(login, "BALANCES");
    expect((await accountsOf(login)).find(({ id }) => id === first?.id)).toMatchObject({
      current: null,
      available: "12",
    });
  });
});

describe("signing in", () => {
  test("reads again what is older than it may be, and nothing that is fresh", async () => {
    const login = await linked("user_deposit_only", ["transactions"]);
    const calls = () =>
      callsOf(platform, login, "/accounts/get") +
      callsOf(platform, login, "/transactions/sync") +
      callsOf(platform, login, "/liabilities/get");
    const signIn = () =>
      platform.database.transaction((tx) => refreshAtLogin({ clock: platform.clock }, tx, login.userId, "test-login"));
    const before = calls();
    await signIn();
    await platform.atRest(login.itemId);
    expect(calls()).toBe(before);
    platform.clock.pass(601);
    await signIn();
    await platform.atRest(login.itemId);
    expect(calls()).toBe(before + 2);
  });
});
