import { setTimeout as delay } from "node:timers/promises";
import { startRepeatingTask } from "./repeating-task.js";

const nobody = (): never => {
  throw new Error("no round fails here");
};

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("waited for five seconds");
    await delay(1);
  }
}

test("rounds follow one another and never overlap, however long one takes", async () => {
  let [running, most, rounds] = [0, 0, 0];
  const task = startRepeatingTask({
    everyMs: 1,
    onFailure: nobody,
    round: async () => {
      most = Math.max(most, ++running);
      await delay(5);
      running--;
      rounds++;
    },
  });
  await until(() => rounds >= 3);
  await task.stop();
  expect([most, running]).toEqual([1, 0]);
});

test("a round that fails is told, and the next one comes all the same", async () => {
  const failures: unknown[] = [];
  const task = startRepeatingTask({
    everyMs: 1,
    round: () => Promise.reject(new Error("no")),
    onFailure: (error) => void failures.push(error),
  });
  await until(() => failures.length >= 2);
  await task.stop();
  expect(failures[0]).toEqual(new Error("no"));
});

test("a stop waits for the round that runs, which hears of it, and no other begins", async () => {
  let rounds = 0;
  let heard = false;
  const task = startRepeatingTask({
    everyMs: 1,
    startsNow: true,
    onFailure: nobody,
    round: async (isStopped) => {
      rounds++;
      await until(isStopped);
      heard = true;
    },
  });
  expect(rounds).toBe(1); // at once
  await task.stop();
  expect([rounds, heard]).toEqual([1, true]);
});

test("every 0 ms is never", async () => {
  await startRepeatingTask({ everyMs: 0, startsNow: true, round: nobody, onFailure: nobody }).stop();
});
