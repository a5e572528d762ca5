import { maskPayload, startReplayLoop, type ReplayLoop } from "./dead-letters.js";
import { GroupModel, makeEvent, silent } from "../test/group-model.js";
import { VirtualTimers } from "../test/virtual-timers.js";

async function setUp(): Promise<{ group: GroupModel; timers: VirtualTimers; start(): ReplayLoop }> {
  const group = new GroupModel();
  const timers = new VirtualTimers();
  await group.park(makeEvent(1, "a"), new Error("broken"));
  await group.park(makeEvent(2, "a"), undefined);
  await group.park(makeEvent(3, "a"), undefined);
  return {
    group,
    timers,
    start: () => startReplayLoop({ group, store: group.replayStore, logger: silent, timers, pollMs: 5_000 }),
  };
}

const statuses = (group: GroupModel) => group.letters.map((letter) => letter.status);

test("leaves a parked key alone until it is asked, then applies it in order", async () => {
  const { group, timers, start } = await setUp();
  const loop = start();
  await timers.runUntil(() => timers.now() >= 20_000);
  expect(group.deliveries).toBe(0);
  group.requestReplay("a");
  await timers.runUntil(() => group.openLetters("a").length === 0);
  expect(group.appliedPositions()).toEqual([1n, 2n, 3n]);
  expect(statuses(group)).toEqual(["REPLAYED", "REPLAYED", "REPLAYED"]);
  await loop.stop(1_000);
});

test("stops at the first event that fails, which then holds the key, and does not try again unasked", async () => {
  const { group, timers, start } = await setUp();
  group.poison.add(2n);
  group.requestReplay("a");
  const loop = start();
  await timers.runUntil(() => timers.now() >= 60_000);
  expect(statuses(group)).toEqual(["REPLAYED", "PARKED", "WAITING"]);
  expect(group.appliedPositions()).toEqual([1n]);
  expect(group.deliveries).toBe(2);
  await loop.stop(1_000);
});

test("tries a fault that passes again before it gives a key up", async () => {
  const { group, timers, start } = await setUp();
  group.failuresLeft.set(2n, 4);
  group.requestReplay("a");
  const loop = start();
  await timers.runUntil(() => group.openLetters("a").length === 0);
  expect(group.appliedPositions()).toEqual([1n, 2n, 3n]);
  await loop.stop(1_000);
});

test("has no second effect for what was applied already", async () => {
  const { group, timers, start } = await setUp();
  group.inbox.add(1n);
  group.requestReplay("a");
  const loop = start();
  await timers.runUntil(() => group.openLetters("a").length === 0);
  expect(group.appliedPositions()).toEqual([2n, 3n]);
  await loop.stop(1_000);
});

test("lets the rest of a key through, unasked, once its head is discarded", async () => {
  const { group, timers, start } = await setUp();
  const loop = start();
  group.letters[0]!.status = "DISCARDED";
  await timers.runUntil(() => group.openLetters("a").length === 0);
  expect(group.appliedPositions()).toEqual([2n, 3n]);
  await loop.stop(1_000);
});

test("outlives a store that is away, and a wake-up makes it look at once", async () => {
  const { group, timers, start } = await setUp();
  group.requestReplay("a");
  group.isStoreAway = true;
  const loop = start();
  await timers.runUntil(() => timers.now() >= 10_000);
  group.isStoreAway = false;
  loop.wake();
  const wokenAt = timers.now();
  await timers.runUntil(() => group.applied.length === 3);
  expect(timers.now()).toBe(wokenAt);
  await loop.stop(1_000);
});

test("a masked payload shows names and ids, and nothing about people or money", () => {
  expect(
    maskPayload({
      accountId: "acct_01hf3k2m5n6p7q8r9s0t1v2w3x",
      transactionIds: ["txn_01hf3k2m5n6p7q8r9s0t1v2w3x_a1"],
      name: "Ada Lovelace",
      email: "usr_Ada@example.org",
      balance: { available: "12.50", count: 3 },
      isOpen: true,
      nothing: null,
    }),
  ).toEqual({
    accountId: "acct_01hf3k2m5n6p7q8r9s0t1v2w3x",
    transactionIds: ["txn_01hf3k2m5n6p7q8r9s0t1v2w3x_a1"],
    name: "***",
    email: "***",
    balance: { available: "***", count: "***" },
    isOpen: true,
    nothing: null,
  });
});
