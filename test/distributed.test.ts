import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { whereRedisIs } from "@florin/testkit";
import { startTestPlatform } from "./platform-fixture.js";
import { testAuthorizationMatrix } from "./suites/authorization-matrix.js";
import { testConcurrentTransfers } from "./suites/concurrent-transfers.js";

// The same suites as for one process, over many: a gateway, accounts, two ledgers, PostgreSQL and Redis, each a process of its own.

const describeWithRedis = whereRedisIs(describe, describe.skip);

describeWithRedis("the tour over many processes", () => {
  it("registers, moves money, follows it live, loses its socket and resumes with no gap and no repeat", async () => {
    const platform = await startTestPlatform("distributed");
    const script = fileURLToPath(new URL("../scripts/tour.mjs", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script], {
      env: { ...process.env, FLORIN_URL: platform.url },
      timeout: 100_000,
    });
    expect(stdout).toContain("100.00 available");
    expect(stdout).toContain("no gap and no repeat");
    expect(stdout).toMatch(/^done in/m);
    expect(await platform.stop()).toEqual([]);
  }, 150_000);
});

describeWithRedis("concurrent transfers over many processes", () => testConcurrentTransfers("distributed"));
// In CI the same matrix runs over one process (test/authorization-matrix.test.ts), and its minutes are counted.
if (process.env["CI"] !== "true")
  describeWithRedis("who may do what, over many processes", () => testAuthorizationMatrix("distributed"));
