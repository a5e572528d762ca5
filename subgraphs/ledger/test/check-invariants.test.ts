import { connectDatabase } from "@florin/db";
import { systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createTestDatabase, eventually } from "@florin/testkit";
import { startInvariantChecks } from "../src/tasks/check-invariants.js";

test("a broken rule becomes a metric and an error in the log, and goes away when it is mended", async () => {
  const testDatabase = await createTestDatabase();
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  const metrics = createMetrics({ processMetrics: false });
  const lines: string[] = [];
  const logger = createLogger({
    name: "test",
    level: "info",
    destination: { write: (line: string) => void lines.push(line) },
  });
  const checks = startInvariantChecks({
    databaseUrl: testDatabase.url,
    clock: systemClock,
    logger,
    metrics,
    haltsOnViolation: false, // test/write-halt.test.ts has what happens then
    everyMs: 20,
  });
  const shows = async (value: number) =>
    (await metrics.render()).includes(`florin_invariant_violations{area="ledger",invariant="I5"} ${value}`);

  await eventually(() => shows(0), 30_000);
  await admin.sql`update ledger.head set seq = seq + 1`;
  await eventually(() => shows(1), 30_000);
  expect(lines.join("")).toContain("INV-4 a book's records are numbered without a gap");
  await admin.sql`update ledger.head set seq = seq - 1`;
  await eventually(() => shows(0), 30_000);
  expect(await metrics.render()).toMatch(/florin_invariant_checked_timestamp_seconds{area="ledger"} 1[0-9]{9}/);

  await checks.stop();
  await admin.stop();
  await testDatabase.drop();
});
