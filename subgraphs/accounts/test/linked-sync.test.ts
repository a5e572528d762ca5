import { afterEach, describe, expect, test } from "@jest/globals";
import { eventually } from "@florin/testkit";
import { startLinkedPlatform, type LinkedLogin, type LinkedPlatform } from "./linked-platform.js";

let platform: LinkedPlatform;
afterEach(() => platform.stop());

interface StoredTransaction {
  readonly plaidId: string;
  readonly amount: string;
  readonly isPending: boolean;
  readonly name: string;
}

async function storedOf(login: LinkedLogin): Promise<StoredTransaction[]> {
  return platform.database.sql<StoredTransaction[]>`
    select plaid_transaction_id as "plaidId", trim_scale(amount)::text as amount, is_pending as "isPending", name
    from accounts.linked_transaction where item_id = ${login.itemId} and removed_at is null order by plaid_transaction_id`;
}

function truthOf(login: LinkedLogin): StoredTransaction[] {
  return platform.simulator.control.items
    .get(login.plaidItemId)
    .transactions.map((one) => ({
      plaidId: one.transaction_id,
      amount: String(one.amount),
      isPending: one.pending,
      name: one.name ?? "",
    }))
    .sort((a, b) => (a.plaidId < b.plaidId ? -1 : 1));
}

async function productsOf(login: LinkedLogin) {
  const rows = await platform.database.sql<{ product: string; status: string; reason: string | null }[]>`
    select product, status, reason from accounts.linked_product where item_id = ${login.itemId} order by product`;
  return Object.fromEntries(
    rows.map(({ product, status, reason }) => [product, reason === null ? status : `${status} ${reason}`]),
  );
}

describe("the first sync of a login", () => {
  test("waits for the webhook when nothing is ready, and then has everything that the institution has", async () => {
    platform = await startLinkedPlatform({
      simulator: { notReadyCalls: 1, initialPullMs: 300, historicalPullMs: 300 },
    });
    const login = await platform.link("user_good");
    await eventually(async () => (await productsOf(login))["TRANSACTIONS"] === "NOT_READY NOT_READY");
    const [waiting] = await platform.database.sql<{ cursor: string | null }[]>`
      select transactions_cursor as cursor from accounts.linked_item where item_id = ${login.itemId}`;
    expect(waiting?.cursor).toBeNull();
    await eventually(async () => (await productsOf(login))["TRANSACTIONS"] === "READY", 10_000);
    await platform.atRest();
    expect(await storedOf(login)).toEqual(truthOf(login));
    expect((await storedOf(login)).length).toBeGreaterThan(20);
    expect(await productsOf(login)).toEqual({
      BALANCES: "READY",
      INVESTMENTS: "READY",
      LIABILITIES: "READY",
      TRANSACTIONS: "READY",
    });
  });
});
