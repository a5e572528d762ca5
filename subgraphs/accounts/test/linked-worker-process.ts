import { armFaultPoints, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createLinkedWorker } from "../src/linked/linked-worker.js";
import { testWorkerOptions } from "./linked-platform.js";

// A worker in a process of its own, which may be killed as no promise ever is: run by linked-deaths.test.ts.
const { DATABASE_URL = "", SIMULATOR_URL = "", WEBHOOK_URL = "", FLORIN_FAULT } = process.env;
armFaultPoints({ faults: FLORIN_FAULT });
await createLinkedWorker(
  testWorkerOptions({
    databaseUrl: DATABASE_URL,
    simulatorUrl: SIMULATOR_URL,
    webhookUrl: WEBHOOK_URL,
    clock: systemClock,
    logger: createLogger({ name: "worker", level: "info" }),
    metrics: createMetrics({ processMetrics: false }),
    policy: { leaseMs: 1_000 },
  }),
);
