import { faultPoints } from "@florin/resilience";
import { whereRedisIs } from "@florin/testkit";
import { runFaultPoints } from "../../chaos/fault-points.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

// The short form, where an effect stands and its answer is lost: the way from outbox to inbox is struck point by point in packages/events/test/redis-processes.test.ts, the writer in
// subgraphs/ledger/test/writer-fault-points.test.ts. `npm run chaos -- fault-points` strikes all of them here too.
const points = faultPoints.filter((point) =>
  /^(gateway\.answer|accounts\.command\.after|ledger\.commit\.after-commit)/.test(point),
);

describeWithRedis("a kill at every fault point of a request", () => {
  it("loses nothing and doubles nothing, and no point is left out", async () => {
    const report = await runFaultPoints({ rounds: 1, seed: 1, points });
    expect(report.violations).toEqual([]);
    expect([...report.recorded].sort()).toEqual([...faultPoints].sort());
    expect(Object.keys(report.kills).sort()).toEqual([...points].sort());
  }, 600_000);

  it("doubles money when clients ask again under a new key: the control", async () => {
    const { violations } = await runFaultPoints({ rounds: 2, seed: 1, control: true });
    expect(violations.filter((violation) => violation.startsWith("doubled: "))).not.toEqual([]);
  }, 600_000);
});
