import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { armFaultPoints, disarmFaultPoints, faultPoint, faultPoints, FaultInjected } from "./fault-points.js";

afterEach(() => disarmFaultPoints());

test("an unarmed point does nothing", () => {
  expect(() => faultPoints.forEach(faultPoint)).not.toThrow();
});

test("an armed point strikes at its nth passing and at no other", () => {
  armFaultPoints({ faults: "relay.after-publish:3:throw,relay.after-number:1:throw" });
  faultPoint("relay.after-publish");
  faultPoint("relay.after-publish");
  expect(() => faultPoint("relay.after-publish")).toThrow(FaultInjected);
  expect(() => faultPoint("relay.after-publish")).not.toThrow();
  expect(() => faultPoint("relay.after-number")).toThrow("relay.after-number");
});

test("a delay stands the whole process still", () => {
  armFaultPoints({ faults: "relay.after-publish:1:delay:30" });
  const begun = performance.now();
  faultPoint("relay.after-publish");
  expect(performance.now() - begun).toBeGreaterThanOrEqual(29);
});

test("a recording run writes each point once, in order of first passing", () => {
  const directory = mkdtempSync(join(tmpdir(), "florin-faults-"));
  const file = join(directory, "points");
  armFaultPoints({ recordTo: file });
  for (const point of ["relay.after-publish", "relay.after-number", "relay.after-publish"] as const) faultPoint(point);
  expect(readFileSync(file, "utf8")).toBe("relay.after-publish\nrelay.after-number\n");
  rmSync(directory, { recursive: true });
});

test.each([
  ["nowhere:1:kill", /no fault point.*relay\.after-publish/],
  ["relay.after-publish:0:kill", /count from 1/],
  ["relay.after-publish:1:explode", /the action is/],
  ["relay.after-publish:1:delay", /the action is/],
])("%s is refused with what to write instead", (faults, message) => {
  expect(() => armFaultPoints({ faults })).toThrow(message);
});

test("no point is registered twice", () => {
  expect(new Set(faultPoints).size).toBe(faultPoints.length);
});
