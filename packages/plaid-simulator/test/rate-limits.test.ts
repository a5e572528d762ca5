import fc from "fast-check";
import { SimulatorClock } from "../src/clock.js";
import { LIMITED_ENDPOINTS, RateLimits } from "../src/rate-limits.js";

const START = new Date("2026-03-01T12:00:00Z");
const ENVIRONMENTS = ["production", "sandbox"] as const;

function limitsOf(environment: (typeof ENVIRONMENTS)[number], scale = 1) {
  const clock = new SimulatorClock({ mode: "virtual", startAt: START });
  return { clock, limits: new RateLimits(clock, environment, scale) };
}

/** How many calls pass before the first refusal, and what that says. */
function takeUntilRefused(limits: RateLimits, endpoint: string, itemOf: (call: number) => string | undefined) {
  for (let call = 0; call < 25_000; call += 1) {
    const refusal = limits.take(endpoint, itemOf(call));
    if (refusal !== undefined) return { passed: call, refusal };
  }
  throw new Error(`${endpoint} never refused`);
}

describe("the table of limits (§1.6)", () => {
  const cases = Object.entries(LIMITED_ENDPOINTS).flatMap(([endpoint, limited]) =>
    ENVIRONMENTS.map((environment) => ({ endpoint, environment, ...limited[environment] })),
  );

  test.each(cases.filter(({ perItem }) => perItem !== null))(
    "$endpoint in $environment: $perItem a minute of one Item",
    ({ endpoint, environment, perItem }) => {
      const { limits } = limitsOf(environment);
      const { passed, refusal } = takeUntilRefused(limits, endpoint, () => "item-1");
      expect(passed).toBe(perItem);
      expect(refusal).toMatchObject({ error_type: "RATE_LIMIT_EXCEEDED", status: 429 });
      expect(limits.take(endpoint, "item-2")).toBeUndefined();
    },
  );

  test.each(cases.filter(({ perClient }) => perClient !== null))(
    "$endpoint in $environment: $perClient a minute of the client",
    ({ endpoint, environment, perClient }) => {
      const { limits } = limitsOf(environment);
      const { passed } = takeUntilRefused(limits, endpoint, (call) => `item-${call}`);
      expect(passed).toBe(perClient);
    },
  );

  test("the figures that our own limiter is built on", () => {
    const perMinute = (endpoint: string) => LIMITED_ENDPOINTS[endpoint]?.production;
    expect(perMinute("/accounts/balance/get")).toEqual({ perItem: 5, perClient: 1_200 });
    expect(perMinute("/liabilities/get")).toEqual({ perItem: 15, perClient: 1_000 });
    expect(perMinute("/transactions/sync")).toEqual({ perItem: 50, perClient: 2_500 });
  });
});

describe("buckets", () => {
  test("fill evenly on the simulator's clock", async () => {
    const { clock, limits } = limitsOf("production");
    takeUntilRefused(limits, "/accounts/balance/get", () => "item-1");
    await clock.advance(11_999);
    expect(limits.take("/accounts/balance/get", "item-1")?.error_code).toBe("BALANCE_LIMIT");
    await clock.advance(1);
    expect(limits.take("/accounts/balance/get", "item-1")).toBeUndefined();
    expect(limits.take("/accounts/balance/get", "item-1")).toBeDefined();
    await clock.advance(3_600_000);
    expect(takeUntilRefused(limits, "/accounts/balance/get", () => "item-1").passed).toBe(5);
  });

  test("a refused Item uses up nothing of the client's", () => {
    const { limits } = limitsOf("sandbox");
    for (let call = 0; call < 1_000; call += 1) limits.take("/accounts/balance/get", "item-1");
    const { passed } = takeUntilRefused(limits, "/accounts/balance/get", (call) => `item-${call + 2}`);
    expect(passed).toBe(100 - 25);
  });

  test("endpoints without a limit, and a scale without end, refuse nothing", () => {
    const { limits } = limitsOf("production");
    for (let call = 0; call < 1_000; call += 1) expect(limits.take("/link/token/create", undefined)).toBeUndefined();
    const unlimited = limitsOf("production", Infinity).limits;
    for (let call = 0; call < 1_000; call += 1) expect(unlimited.take("/item/get", "item-1")).toBeUndefined();
  });

  test("a scale makes them larger or smaller, and never smaller than one call", () => {
    const passed = (scale: number) =>
      takeUntilRefused(limitsOf("production", scale).limits, "/transactions/refresh", () => "item-1").passed;
    expect([0.01, 1, 10].map(passed)).toEqual([1, 2, 20]);
    expect(() => limitsOf("production", 0)).toThrow(/above 0/);
  });

  test("no minute ever sees more than what was in the bucket plus what flowed in", async () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 20_000 }), calls: fc.integer({ min: 0, max: 20 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, limits } = limitsOf("production");
        let passed = 0;
        for (const { waitMs, calls } of steps) {
          await clock.advance(waitMs);
          for (let call = 0; call < calls; call += 1) {
            if (limits.take("/item/get", "item-1") === undefined) passed += 1;
          }
        }
        const minutes = (clock.now().getTime() - START.getTime()) / 60_000;
        expect(passed).toBeLessThanOrEqual(15 + 15 * minutes + 1e-6);
      }),
      { numRuns: 30 },
    );
  });
});
