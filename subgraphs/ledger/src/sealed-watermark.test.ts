import { instantFromMicros, type Instant } from "@florin/kernel";
import { createSealedWatermark } from "./sealed-watermark.js";

const at = (micros: number): Instant => instantFromMicros(BigInt(micros));

/** A book whose known time is what the test says, and that counts how often it was asked. */
function book(knownAt: Instant | undefined) {
  const state = { knownAt, asked: 0 };
  const find = () => {
    state.asked++;
    return Promise.resolve(state.knownAt);
  };
  return { state, find };
}

test("T-3: what is sealed is sealed for good, so it is asked for once", async () => {
  const { state, find } = book(at(100));
  const watermark = createSealedWatermark({ find, waitMs: 0 });
  expect(await watermark.reach(at(100))).toBe(at(100));
  state.knownAt = undefined;
  expect(await watermark.reach(at(99))).toBe(at(100));
  expect(state.asked).toBe(1);
});

test("T-3: a read of a known time that is about to be sealed waits for it", async () => {
  const { state, find } = book(at(100));
  const watermark = createSealedWatermark({ find, waitMs: 60_000 });
  const reached = watermark.reach(at(101));
  await watermark.current();
  state.knownAt = at(250);
  expect(await reached).toBe(at(250));
});

test("T-3: the wait ends, and tells how far the book is sealed; all who wait share the question", async () => {
  const { state, find } = book(at(100));
  const watermark = createSealedWatermark({ find, waitMs: 60 });
  const reads = await Promise.all(Array.from({ length: 200 }, () => watermark.reach(at(101))));
  expect(new Set(reads)).toEqual(new Set([at(100)]));
  expect(state.asked).toBeLessThan(50);
  expect(await createSealedWatermark({ ...book(undefined), waitMs: 0 }).reach(at(1))).toBeUndefined();
});

test("more than a thousand waiting reads are refused, and the others are not", async () => {
  const { state, find } = book(at(100));
  const watermark = createSealedWatermark({ find, waitMs: 60_000 });
  const reads = Array.from({ length: 1_000 }, () => watermark.reach(at(101)));
  await expect(watermark.reach(at(101))).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
  state.knownAt = at(101);
  expect(new Set(await Promise.all(reads))).toEqual(new Set([at(101)]));
  expect(await watermark.reach(at(101))).toBe(at(101));
});

test("a database that is away is told to who asks, and asked again by the next", async () => {
  let isAway = true;
  const find = () => (isAway ? Promise.reject(new Error("away")) : Promise.resolve(at(5)));
  const watermark = createSealedWatermark({ find, waitMs: 0 });
  await expect(watermark.reach(at(5))).rejects.toThrow("away");
  isAway = false;
  expect(await watermark.reach(at(5))).toBe(at(5));
});
