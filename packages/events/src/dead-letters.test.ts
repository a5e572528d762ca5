import { maskPayload, replayKey, startReplayLoop } from "./dead-letters.js";
import { GroupModel, makeEvent, silent } from "../test/group-model.js";
import { VirtualTimers } from "../test/virtual-timers.js";

async function parkThree(group: GroupModel): Promise<void> {
  await group.park(makeEvent(1, "a"), new Error("broken"), 5);
  await group.park(makeEvent(2, "a"), undefined, 0);
  await group.park(makeEvent(3, "a"), undefined, 0);
}

const statuses = (group: GroupModel) => group.letters.map((letter) => letter.status);

test("a replay applies a key in order and resolves its letters", async () => {
  const group = new GroupModel();
  await parkThree(group);
  expect(await replayKey(group, group.replayStore, "a")).toEqual({ replayed: 3, failed: undefined });
  expect(group.appliedPositions()).toEqual([1n, 2n, 3n]);
  expect(statuses(group)).toEqual(["REPLAYED", "REPLAYED", "REPLAYED"]);
});

test("a replay stops at the first failure, which then holds the key", async () => {
  const group = new GroupModel();
  await parkThree(group);
  group.poison.add(2n);
  const outcome = await replayKey(group, group.replayStore, "a");
  expect(outcome).toEqual({ replayed: 1, failed: { id: 2n, error: "PoisonEvent: does not parse" } });
  expect(statuses(group)).toEqual(["REPLAYED", "PARKED", "WAITING"]);
  expect(group.appliedPositions()).toEqual([1n]);
});

test("a replay of what was applied already has no second effect", async () => {
  const group = new GroupModel();
  await parkThree(group);
  group.inbox.add(1n);
  await replayKey(group, group.replayStore, "a");
  expect(group.appliedPositions()).toEqual([2n, 3n]);
});

test("the loop leaves a parked key alone and goes through it once its head is discarded", async () => {
  const group = new GroupModel();
  const timers = new VirtualTimers();
  await parkThree(group);
  const loop = startReplayLoop({ group, store: group.replayStore, logger: silent, timers, pollMs: 5_000 });
  await timers.runUntil(() => timers.now() >= 20_000);
  expect(group.deliveries).toBe(0);
  group.setStatus(1n, "DISCARDED");
  await timers.runUntil(() => group.openLetters("a").length === 0);
  expect(group.appliedPositions()).toEqual([2n, 3n]);
  await loop.stop();
});

test("the loop outlives a store that is away, and a wake-up makes it look at once", async () => {
  const group = new GroupModel();
  const timers = new VirtualTimers();
  await group.park(makeEvent(1, "a"), undefined, 0);
  group.isStoreAway = true;
  const loop = startReplayLoop({ group, store: group.replayStore, logger: silent, timers, pollMs: 5_000 });
  await timers.runUntil(() => timers.now() >= 10_000);
  group.isStoreAway = false;
  loop.wake();
  const wokenAt = timers.now();
  await timers.runUntil(() => group.applied.length === 1);
  expect(timers.now()).toBe(wokenAt);
  await loop.stop();
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
