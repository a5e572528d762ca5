import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { armFaultPoints, disarmFaultPoints, type FaultPoint } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import {
  callsOf,
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

async function linked(userName = "user_deposit_only"): Promise<LinkedLogin> {
  const login = await platform.link(userName, ["transactions"]);
  await settled(login);
  return login;
}

let shared: Promise<LinkedLogin> | undefined;

/** One login for tests that leave it whole, at rest. */
async function sharedLogin(): Promise<LinkedLogin> {
  shared ??= linked();
  const login = await shared;
  await settled(login);
  return login;
}

/** Every webhook was sent, worked on, and what it asked for is done. */
async function settled(login?: LinkedLogin): Promise<void> {
  await platform.simulator.control.webhooksSettled();
  await eventually(async () => {
    const waiting = await platform.database.sql`select from accounts.plaid_webhook where processed_at is null`;
    return waiting.length === 0;
  });
  await platform.atRest(login?.itemId);
}

async function requestedOf(login: LinkedLogin): Promise<bigint> {
  return (await platform.jobsOf(login.itemId)).reduce((sum, { requested }) => sum + requested, 0n);
}

async function storedWebhooks(): Promise<number> {
  const [row] = await platform.database.sql<{ count: number }[]>`
    select count(*)::int as count from accounts.plaid_webhook`;
  return row?.count ?? 0;
}

function fire(login: LinkedLogin, type: string, code: string, fields: Record<string, unknown> = {}): void {
  platform.simulator.control.items.sendWebhook(login.plaidItemId, { webhook_type: type, webhook_code: code, fields });
}

describe("a webhook that is Plaid's", () => {
  test("is answered and set to work once, however often the same delivery comes", async () => {
    const login = await sharedLogin();
    const before = { stored: await storedWebhooks(), requested: await requestedOf(login) };
    const { url } = platform.door;
    const taken = await captureDelivery(() => fire(login, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"));
    const statuses: number[] = [];
    for (let again = 0; again < 3; again++) {
      const { status } = await fetch(url, {
        method: "POST",
        headers: { "plaid-verification": taken.signature },
        body: taken.body,
      });
      statuses.push(status);
    }
    expect(statuses).toEqual([200, 200, 200]);
    await settled(login);
    expect(await storedWebhooks()).toBe(before.stored + 1);
    expect(await requestedOf(login)).toBe(before.requested + 1n);
  });

  test.each<FaultPoint>(["accounts.webhook.before-commit", "accounts.webhook.after-commit"])(
    "whose receiver dies at %s is sent again, and is one piece of work",
    async (point) => {
      const login = await sharedLogin();
      const before = { stored: await storedWebhooks(), requested: await requestedOf(login) };
      const taken = await captureDelivery(() => fire(login, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"));
      const send = async () =>
        (
          await fetch(platform.door.url, {
            method: "POST",
            headers: { "plaid-verification": taken.signature },
            body: taken.body,
          })
        ).status;
      armFaultPoints({ faults: `${point}:1:throw` });
      try {
        expect(await send()).toBe(503);
      } finally {
        disarmFaultPoints();
      }
      expect(await send()).toBe(200);
      await settled(login);
      expect(await storedWebhooks()).toBe(before.stored + 1);
      expect(await requestedOf(login)).toBe(before.requested + 1n);
    },
  );

  test.each([
    ["TRANSACTIONS", "DEFAULT_UPDATE"],
    ["TRANSACTIONS", "NEVER_HEARD_OF"],
    ["GARDENING", "ROSES_READY"],
  ])("of a kind that asks for nothing (%s %s) is kept, counted and answered", async (type, code) => {
    const login = await sharedLogin();
    const before = await requestedOf(login);
    const stored = await storedWebhooks();
    fire(login, type, code);
    await settled(login);
    expect(platform.door.statuses.at(-1)).toBe(200);
    expect(await storedWebhooks()).toBe(stored + 1);
    expect(await requestedOf(login)).toBe(before);
  });

  test("signed by a new key, and by another in the midst of a stream, is understood", async () => {
    const login = await sharedLogin();
    const { control } = platform.simulator;
    for (let round = 0; round < 4; round++) {
      control.items.changeTransactions(login.plaidItemId, { add: [{ amount: round, name: `Round ${round}` }] });
      if (round % 2 === 0) control.rotateKeys(0);
    }
    await settled(login);
    control.items.changeTransactions(login.plaidItemId, { add: [{ amount: 99, name: "After" }] });
    await settled(login);
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
  });

  test("while its key cannot be looked up is asked for again, and lost nowhere", async () => {
    const login = await sharedLogin();
    const { control } = platform.simulator;
    control.rotateKeys(0);
    const { id } = control.addFault({
      match: { endpoint: "/webhook_verification_key/get" },
      action: { kind: "status", status: 503 },
    });
    const stored = await storedWebhooks();
    fire(login, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE");
    await eventually(() => platform.door.statuses.at(-1) === 503);
    expect(await storedWebhooks()).toBe(stored);
    control.removeFaults(id);
  });
});

describe("a webhook that is not for us", () => {
  const forged = [
    "no-signature",
    "bad-signature",
    "alg-none",
    "hs256",
    "der-signature",
    "wrong-kid",
    "stranger-key",
    "expired-key",
    "stale-iat",
    "future-iat",
    "altered-body",
    "other-body",
    "other-environment",
  ] as const;

  test("is refused, and moves nothing: every forgery there is", async () => {
    const login = await sharedLogin();
    const { control } = platform.simulator;
    const before = { stored: await storedWebhooks(), requested: await requestedOf(login) };
    for (const attack of forged) {
      const answered = platform.door.statuses.length;
      control.items.sendWebhook(login.plaidItemId, {
        webhook_type: "TRANSACTIONS",
        webhook_code: "SYNC_UPDATES_AVAILABLE",
        attack,
      });
      await eventually(() => platform.door.statuses.length > answered);
      expect({ attack, status: platform.door.statuses[answered] }).toEqual({ attack, status: 401 });
    }
    const answered = platform.door.statuses.length;
    control.items.sendWebhook(login.plaidItemId, {
      webhook_type: "TRANSACTIONS",
      webhook_code: "SYNC_UPDATES_AVAILABLE",
      attack: "oversize-body",
    });
    await eventually(() => platform.door.statuses.length > answered);
    expect(platform.door.statuses[answered]).toBe(413);
    expect(await storedWebhooks()).toBe(before.stored);
    expect(await requestedOf(login)).toBe(before.requested);
  });

  test("because nobody here has its item is kept, answered as any other, and raises an alarm", async () => {
    const login = await sharedLogin();
    const before = await requestedOf(login);
    platform.simulator.control.items.sendWebhook(login.plaidItemId, {
      webhook_type: "TRANSACTIONS",
      webhook_code: "SYNC_UPDATES_AVAILABLE",
      attack: "unknown-item",
    });
    await settled(login);
    expect(platform.door.statuses.at(-1)).toBe(200);
    expect(await requestedOf(login)).toBe(before);
    expect(await platform.metricsText()).toContain("florin_linked_unknown_items_total 1");
  });
});

describe("how an item stands", () => {
  test("an item that will be disconnected still syncs, and says when it ends", async () => {
    const login = await linked();
    const { items } = platform.simulator.control;
    items.setState(login.plaidItemId, { state: "PENDING_DISCONNECT" });
    await eventually(async () => (await standsAs(platform, login)).startsWith("EXPIRING"));
    items.changeTransactions(login.plaidItemId, { add: [{ amount: 5, name: "Still here" }] });
    await settled(login);
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
    expect(await standsAs(platform, login)).toMatch(/^EXPIRING INSTITUTION_/);
    const [item] = await platform.database.sql<{ ends: boolean }[]>`
      select expires_at > now() + interval '5 days' as ends from accounts.linked_item where item_id = ${login.itemId}`;
    expect(item?.ends).toBe(true);
  });

  test("a login that broke asks for a repair and stops the calls; the repair brings everything that was missed", async () => {
    const login = await linked();
    const { items } = platform.simulator.control;
    items.setState(login.plaidItemId, { state: "LOGIN_REQUIRED" });
    await eventually(async () => (await standsAs(platform, login)) === "LOGIN_REQUIRED ITEM_LOGIN_REQUIRED");
    await settled(login);
    const calls = callsOf(platform, login, SYNC);
    await request(platform, login, "TRANSACTIONS", "LIABILITIES");
    await platform.atRest(login.itemId);
    expect(callsOf(platform, login, SYNC)).toBe(calls);
    items.setState(login.plaidItemId, { state: "HEALTHY" });
    await eventually(async () => (await standsAs(platform, login)) === "HEALTHY");
    await settled(login);
    expect(callsOf(platform, login, SYNC)).toBeGreaterThan(calls);
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
  });

  test("accounts that could be added are offered", async () => {
    const login = await linked();
    platform.simulator.control.items.changeAccounts(login.plaidItemId, {
      add: [{ key: "new", name: "New one", type: "depository", subtype: "savings" }],
    });
    await eventually(async () => {
      const [item] = await platform.database.sql<{ has: boolean }[]>`
        select has_new_accounts as has from accounts.linked_item where item_id = ${login.itemId}`;
      return item?.has;
    });
  });

  test("every change is told once it is there, with a status and a code and nothing else", async () => {
    const login = await linked();
    platform.simulator.control.items.setState(login.plaidItemId, { state: "LOCKED" });
    await eventually(async () => (await standsAs(platform, login)).startsWith("ACTION_AT_INSTITUTION"));
    const events = await platform.database.sql<{ audience: string[]; payload: Record<string, unknown> }[]>`
      select audience, payload from accounts.outbox where type = 'linked_item.updated' order by xid desc, ordinal desc`;
    const mine = events.find(({ payload }) => payload["status"] === "ACTION_AT_INSTITUTION");
    expect(Object.keys(mine?.payload ?? {}).sort()).toEqual(["itemId", "reason", "status"]);
    expect(mine?.audience.slice(1)).toEqual(["role:staff", "role:auditor"]);
  });
});

describe("webhooks that never came", () => {
  test("are made good by asking silent items how they are", async () => {
    const login = await linked();
    const { control } = platform.simulator;
    control.setDelivery({ mode: { kind: "drop" } });
    try {
      control.items.changeTransactions(login.plaidItemId, { add: [{ amount: 6, name: "Nobody told" }] });
      await platform.database.sql`
        update accounts.linked_item set next_poll_at = now() where item_id = ${login.itemId}`;
      const reconciler = await platform.startWorker({ reconcileEveryMs: 3_600_000 });
      await eventually(async () => (await storedOf(platform, login)).length === truthOf(platform, login).length);
      await platform.stopWorker(reconciler);
      expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
    } finally {
      control.setDelivery({ mode: { kind: "normal" } });
    }
  });
});

interface Delivery {
  readonly body: string;
  readonly signature: string;
}

/** Takes the next webhook at a door of its own, as somebody would who listens on the wire. */
async function captureDelivery(send: () => void): Promise<Delivery> {
  const worker = platform.door.worker;
  let taken: Delivery | undefined;
  platform.door.worker = {
    ...(worker ?? platform.worker),
    receiveWebhook: (rawBody, signature) => {
      taken = { body: Buffer.from(rawBody).toString("utf8"), signature: signature ?? "" };
      return Promise.resolve({ status: 200 });
    },
  };
  try {
    send();
    return await eventually(() => taken);
  } finally {
    platform.door.worker = worker;
  }
}
