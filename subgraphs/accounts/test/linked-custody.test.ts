import { connectDatabase, type Database } from "@florin/db";
import { claimItem, releaseItem } from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { createDerivedKeyProvider, createTokenVault } from "@florin/plaid";
import { armFaultPoints, disarmFaultPoints, FaultInjected, randomIds } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import { requestRemoval } from "../src/linked/removal-request.js";
import { rewrapTokens } from "../src/linked/token-rotation.js";
import { startLinkedPlatform, type LinkedLogin, type LinkedPlatform } from "./linked-platform.js";

// Access tokens while they are kept, turned and given up, and what is left when an item is gone.

let platform: LinkedPlatform;
let worker: Database;
beforeAll(async () => {
  platform = await startLinkedPlatform();
  const role = { area: "accounts", role: "florin_linked_worker" } as const;
  worker = connectDatabase({ url: platform.url, applicationName: "test-worker", maxConnections: 4, ...role });
});
afterAll(async () => {
  await worker.stop();
  await platform.stop();
});
afterEach(() => {
  disarmFaultPoints();
  platform.simulator.control.removeFaults();
});

const operations = () => platform.worker.linkOperations;
async function linked(): Promise<LinkedLogin> {
  const login = await platform.link("user_deposit_only", ["transactions"]);
  await platform.atRest(login.itemId);
  return login;
}
async function standingOf(itemId: Uuid) {
  const [row] = await platform.database.sql<{ status: string; reason: string | null; isOpen: boolean | null }[]>`
    select status, status_reason as reason, (select rotation_started_at is not null from accounts.linked_item_token t
      where t.item_id = i.item_id) as "isOpen" from accounts.linked_item i where item_id = ${itemId}`;
  return row;
}
/** Reads the item again with whatever token is stored; resolves when Plaid answered. */
async function readAgain(itemId: Uuid, plaidItemId: string): Promise<number> {
  platform.simulator.control.clearCalls();
  await platform.database.sql`
    update accounts.linked_job set requested = requested + 1, not_before = now() where item_id = ${itemId} and kind = 'ITEM'`;
  platform.worker.wake();
  await platform.atRest(itemId);
  return platform.simulator.control.calls({ endpoint: "/item/get", itemId: plaidItemId, status: 200 }).length;
}
const lose = (endpoint: string, when: "before" | "after") =>
  platform.simulator.control.addFault({ match: { endpoint }, action: { kind: "reset", when }, times: 1 });

describe("tokens at rest", () => {
  test("can be read by the worker's role and by no other of the area, and are sealed", async () => {
    const { itemId } = await linked();
    const people = connectDatabase({ url: platform.url, area: "accounts", applicationName: "test", maxConnections: 1 });
    try {
      await expect(people.sql`select ciphertext from accounts.linked_item_token`).rejects.toThrow(/permission denied/);
      await expect(people.sql`select link_sealed from accounts.link_attempt`).rejects.toThrow(/permission denied/);
      await expect(people.sql`update accounts.linked_item set transactions_cursor = 'x'`).rejects.toThrow(/permission/);
    } finally {
      await people.stop();
    }
    const [row] = await worker.sql<{ ciphertext: Uint8Array; kek: string }[]>`
      select ciphertext, kek_id as kek from accounts.linked_item_token where item_id = ${itemId}`;
    expect(Buffer.from(row?.ciphertext ?? []).toString("latin1")).not.toContain("access-");
    expect(row?.kek).toMatch(/^derived-/);
  });

  test("turn to a new key in steps, and an interrupted turn goes on where it was", async () => {
    const login = await linked();
    const [next, old] = [new Uint8Array(32).fill(77), new Uint8Array(32).fill(5)];
    const keys = createDerivedKeyProvider({ masterKey: next, previousMasterKeys: [old] });
    const turning = { database: worker, vault: createTokenVault({ keys, environment: "simulator" }) };
    const first = await rewrapTokens(turning, { limit: 1 });
    expect(first).toEqual({ rewrapped: 1, remaining: expect.any(Number) as number });
    const rest = await rewrapTokens(turning, { limit: 1_000 });
    expect(rest).toEqual({ rewrapped: first.remaining, remaining: 0 });
    expect(await rewrapTokens(turning, { limit: 1_000 })).toEqual({ rewrapped: 0, remaining: 0 });
    // And back, so that the platform's own worker reads them again.
    const back = createDerivedKeyProvider({ masterKey: old, previousMasterKeys: [next] });
    const vault = createTokenVault({ keys: back, environment: "simulator" });
    await rewrapTokens({ database: worker, vault }, { limit: 1_000 });
    expect(await readAgain(login.itemId, login.plaidItemId)).toBe(1);
  });
});

describe("a token's rotation", () => {
  test("leaves the item working under another token", async () => {
    const login = await linked();
    expect(await operations().rotateToken(login.itemId, "test")).toBe("ROTATED");
    expect(await standingOf(login.itemId)).toEqual({ status: "HEALTHY", reason: null, isOpen: false });
    expect(await readAgain(login.itemId, login.plaidItemId)).toBe(1);
  });

  test("waits while a sync has the item", async () => {
    const { itemId } = await linked();
    const lease = await claimItem(worker.sql, itemId, { owner: "a sync", leaseMs: 30_000 });
    expect(await operations().rotateToken(itemId, "test")).toBe("BUSY");
    if (lease !== undefined) await releaseItem(worker.sql, lease);
    expect(await operations().rotateToken(itemId, "test")).toBe("ROTATED");
  });

  test("that never arrived keeps the old token; one whose answer was lost says TOKEN_LOST", async () => {
    const kept = await linked();
    lose("/item/access_token/invalidate", "before");
    expect(await operations().rotateToken(kept.itemId, "test")).toBe("KEPT");
    expect(await standingOf(kept.itemId)).toEqual({ status: "HEALTHY", reason: null, isOpen: false });
    const lost = await linked();
    lose("/item/access_token/invalidate", "after");
    expect(await operations().rotateToken(lost.itemId, "test")).toBe("TOKEN_LOST");
    expect(await standingOf(lost.itemId)).toEqual({
      status: "TOKEN_LOST",
      reason: "ROTATION_ANSWER_LOST",
      isOpen: false,
    });
  });

  test.each([
    ["accounts.rotate.before-call", "HEALTHY"],
    ["accounts.rotate.after-call", "TOKEN_LOST"],
  ])("that died at %s is settled later as %s", async (point, status) => {
    const { itemId } = await linked();
    armFaultPoints({ faults: `${point}:1:throw` });
    await expect(operations().rotateToken(itemId, "test")).rejects.toThrow(FaultInjected);
    disarmFaultPoints();
    expect(await standingOf(itemId)).toMatchObject({ status: "HEALTHY", isOpen: true });
    platform.clock.pass(600);
    expect(await operations().recoverRotations("test")).toBe(1);
    expect(await standingOf(itemId)).toMatchObject({ status, isOpen: false });
  });
});

describe("a removal", () => {
  const remove = (itemId: Uuid) =>
    worker.transaction((tx) =>
      requestRemoval({ clock: platform.clock, ids: randomIds }, tx, {
        itemId,
        requestedBy: "usr_test",
        reason: "REQUESTED",
        correlationId: "test",
      }),
    );
  interface Removal {
    readonly outcome: string | null;
    readonly isPurged: boolean;
    readonly tokens: number | null;
  }
  async function removalOf(itemId: Uuid): Promise<Removal | undefined> {
    const [row] = await platform.database.sql<Removal[]>`
      select remote_outcome as outcome, purged_at is not null as "isPurged",
        (purged_rows ->> 'linkedItemToken')::integer as tokens
      from accounts.linked_item_removal where item_id = ${itemId}`;
    return row;
  }
  const purged = (itemId: Uuid) =>
    eventually(async () => {
      platform.clock.pass(30);
      platform.worker.wake();
      return (await removalOf(itemId))?.isPurged === true;
    }, 15_000);

  test("of an item that is gone at the institution's side succeeds", async () => {
    const { itemId, plaidItemId } = await linked();
    platform.simulator.control.items.setState(plaidItemId, { state: "REMOVED", announce: false });
    expect(await remove(itemId)).toBe(true);
    expect(await remove(itemId)).toBe(false);
    await purged(itemId);
    expect(await removalOf(itemId)).toEqual({ outcome: "GONE", isPurged: true, tokens: 1 });
  });

  test("of an item without a token is a matter of our own rows", async () => {
    const { itemId } = await linked();
    await worker.sql`delete from accounts.linked_item_token where item_id = ${itemId}`;
    await remove(itemId);
    await purged(itemId);
    expect(await removalOf(itemId)).toEqual({ outcome: "NO_TOKEN", isPurged: true, tokens: 0 });
  });

  test("is tried again while the institution's side is away, and nothing is purged before", async () => {
    const { itemId } = await linked();
    platform.simulator.control.addFault({
      match: { endpoint: "/item/remove" },
      action: { kind: "status", status: 500 },
    });
    await remove(itemId);
    await eventually(async () => (await platform.jobsOf(itemId)).some(({ failures }) => failures > 0), 10_000);
    expect(await removalOf(itemId)).toMatchObject({ outcome: null, isPurged: false });
    platform.simulator.control.removeFaults();
    await purged(itemId);
    expect(await removalOf(itemId)).toMatchObject({ outcome: "REMOVED" });
  });

  test.each([
    "accounts.remove.before-call",
    "accounts.remove.after-call",
    "accounts.remove.before-purge",
    "accounts.remove.after-purge",
  ])("that died at %s comes to its end, once", async (point) => {
    const { itemId, plaidItemId } = await linked();
    const before = platform.simulator.control.calls({
      endpoint: "/item/remove",
      itemId: plaidItemId,
      status: 200,
    }).length;
    armFaultPoints({ faults: `${point}:1:throw` });
    await remove(itemId);
    await eventually(async () => (await platform.jobsOf(itemId)).some(({ failures }) => failures > 0), 10_000);
    disarmFaultPoints();
    await purged(itemId);
    const after = platform.simulator.control.calls({
      endpoint: "/item/remove",
      itemId: plaidItemId,
      status: 200,
    }).length;
    expect(after - before).toBe(1);
    const [row] = await platform.database.sql<{ proof: number; job: boolean }[]>`
      select length(proof_digest) as proof from accounts.linked_item_removal where item_id = ${itemId}`;
    expect(row?.proof).toBe(32);
  });
});
