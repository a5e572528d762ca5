import { SimulatorClock } from "../src/clock.js";

const START = new Date("2026-01-01T00:00:00.000Z");

it("stands still until told, and runs what falls due in the order of its time, each at its own time", async () => {
  const clock = new SimulatorClock({ mode: "virtual", startAt: START });
  const ran: string[] = [];
  const note = (name: string) => () => void ran.push(`${name}@${clock.now().toISOString().slice(17, 23)}`);
  clock.schedule(3_000, note("c"));
  clock.schedule(1_000, () => {
    note("a")();
    clock.schedule(1_000, note("b"));
  });
  const cancel = clock.schedule(1_500, note("never"));
  cancel();
  clock.schedule(9_000, note("later"));
  await clock.advance(5_000);
  expect(ran).toEqual(["a@01.000", "b@02.000", "c@03.000"]);
  expect(clock.now().toISOString()).toBe("2026-01-01T00:00:05.000Z");
  expect(clock.pending).toBe(1);
});

it("waits for work that takes time, so that what it schedules is met by the same advance", async () => {
  const clock = new SimulatorClock({ mode: "virtual", startAt: START });
  let isRetried = false;
  clock.schedule(10, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    clock.schedule(30_000, () => void (isRetried = true));
  });
  await clock.advance(60_000);
  expect(isRetried).toBe(true);
});

it("is not held up for ever by work that never ends", async () => {
  const clock = new SimulatorClock({ mode: "virtual", startAt: START, settleMs: 10 });
  clock.schedule(0, () => new Promise<void>(() => undefined));
  await clock.advance(1);
  expect(clock.now().getTime()).toBe(START.getTime() + 1);
});

it("moves forward only", async () => {
  const clock = new SimulatorClock({ mode: "virtual", startAt: START });
  await expect(clock.set(new Date("2025-12-31"))).rejects.toThrow("forward only");
  await expect(clock.advance(-1)).rejects.toThrow("forward only");
  await clock.set(new Date("2026-02-01T00:00:00Z"));
  expect(clock.now().toISOString()).toBe("2026-02-01T00:00:00.000Z");
});

it("in real mode keeps wall time from where it was set, and runs by itself what falls due", async () => {
  const clock = new SimulatorClock({ mode: "real", startAt: START });
  await clock.advance(86_400_000);
  expect(clock.now().getTime() - START.getTime()).toBeGreaterThanOrEqual(86_400_000);
  await new Promise<void>((resolve) => void clock.schedule(5, resolve));
  let ran = false;
  clock.schedule(3_600_000, () => void (ran = true));
  await clock.advance(3_600_000);
  expect(ran).toBe(true);
  clock.stop();
});
