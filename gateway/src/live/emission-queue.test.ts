import { EmissionQueue, type Emission } from "./emission-queue.js";
import { LiveQueryError } from "./live-error.js";

function createQueue(conflates = false) {
  const calls = { closed: 0, overflows: 0 };
  const queue = new EmissionQueue({
    limit: 3,
    conflates,
    startCursor: "c0",
    onClose: () => calls.closed++,
    onOverflow: () => calls.overflows++,
  });
  return { queue, calls };
}

const emission = (number: number, key = String(number)): Emission => ({
  cursor: `c${number}`,
  key,
  result: { data: { number } },
});

async function taken(queue: EmissionQueue): Promise<unknown> {
  const { value, done } = await queue.next();
  return done === true ? "done" : value.formatted.data?.["number"];
}

test("hands out in order, and ends after what was waiting", async () => {
  const { queue, calls } = createQueue();
  for (const number of [1, 2]) queue.push(emission(number));
  queue.end();
  queue.push(emission(3));
  expect([await taken(queue), await taken(queue), await taken(queue)]).toEqual([1, 2, "done"]);
  expect(calls).toEqual({ closed: 1, overflows: 0 });
});

test("overflow ends it with the cursor of the last emission handed out, not of the last one queued", async () => {
  const { queue, calls } = createQueue();
  queue.push(emission(1));
  await queue.next();
  for (const number of [2, 3, 4, 5, 6]) queue.push(emission(number));
  const error = await queue.next().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LiveQueryError);
  expect(error).toMatchObject({ extensions: { code: "SLOW_CONSUMER", cursor: "c1" } });
  expect(await taken(queue)).toBe("done");
  expect(calls).toEqual({ closed: 1, overflows: 1 });
});

test("before anything was handed out the cursor is where the subscription started", async () => {
  const { queue } = createQueue();
  for (const number of [1, 2, 3, 4]) queue.push(emission(number));
  await expect(queue.next()).rejects.toMatchObject({ extensions: { cursor: "c0" } });
});

test("a conflating queue keeps the latest of each key, in the order of the latest", async () => {
  const { queue, calls } = createQueue(true);
  const keys = ["a", "b", "c", "d", "a", "e", "b"];
  keys.forEach((key, index) => queue.push(emission(index + 1, key)));
  queue.end();
  const numbers = [];
  for (let next = await taken(queue); next !== "done"; next = await taken(queue)) numbers.push(next);
  expect(numbers).toEqual([3, 4, 5, 6, 7]);
  expect(calls.overflows).toBe(0);
});

test("room waits until one was taken, or the queue is closed", async () => {
  const { queue } = createQueue();
  for (const number of [1, 2, 3]) queue.push(emission(number));
  let hasRoom = false;
  const waiting = queue.room().then(() => (hasRoom = true));
  await Promise.resolve();
  expect(hasRoom).toBe(false);
  await queue.next();
  await waiting;
  queue.push(emission(4));
  const second = queue.room();
  await queue.return();
  await expect(second).resolves.toBeUndefined();
});

test("the client's farewell wakes a waiting reader and closes once", async () => {
  const { queue, calls } = createQueue();
  const reader = taken(queue);
  await queue.return();
  await queue.return();
  expect(await reader).toBe("done");
  expect(calls.closed).toBe(1);
});
