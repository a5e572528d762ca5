import { describe, expect, test } from "@jest/globals";
import { createMetrics } from "./metrics.js";

describe("metrics", () => {
  test("renders counters, gauges and histograms as Prometheus reads them", async () => {
    const metrics = createMetrics({ processMetrics: false });
    metrics
      .counter({ name: "florin_requests_total", help: "Requests", labelNames: ["outcome"] })
      .inc({ outcome: "ok" }, 2);
    metrics.gauge({ name: "florin_queue_length", help: "Queue" }).set(4);
    metrics.histogram({ name: "florin_wait_seconds", help: "Wait", buckets: [0.1, 1] }).observe(0.5);
    const text = await metrics.render();
    expect(text).toContain('florin_requests_total{outcome="ok"} 2');
    expect(text).toContain("florin_queue_length 4");
    expect(text).toContain('florin_wait_seconds_bucket{le="0.1"} 0');
    expect(text).toContain('florin_wait_seconds_bucket{le="1"} 1');
    expect(metrics.contentType).toContain("text/plain");
  });

  test("asks a sampled gauge for its value each time it is read", async () => {
    const metrics = createMetrics({ processMetrics: false });
    let depth = 1;
    metrics.gauge({ name: "florin_depth", help: "Depth", collect: () => depth });
    expect(await metrics.render()).toContain("florin_depth 1");
    depth = 7;
    expect(await metrics.render()).toContain("florin_depth 7");
  });

  test("shares a metric that is asked for twice and refuses another under its name", async () => {
    const metrics = createMetrics({ processMetrics: false });
    const wanted = { name: "florin_shared_total", help: "Shared", labelNames: ["area"] } as const;
    metrics.counter(wanted).inc({ area: "ledger" });
    metrics.counter(wanted).inc({ area: "ledger" });
    expect(await metrics.render()).toContain('florin_shared_total{area="ledger"} 2');
    expect(() => metrics.counter({ ...wanted, labelNames: ["other"] })).toThrow(/exists as counter\(area\)/);
    expect(() => metrics.gauge({ name: wanted.name, help: "Shared", labelNames: ["area"] })).toThrow(
      /use another name/,
    );
  });

  test("keeps two registries apart and shows the process when asked", async () => {
    const [one, other] = [createMetrics(), createMetrics({ processMetrics: false })];
    one.counter({ name: "florin_only_here_total", help: "Here" }).inc();
    expect(await one.render()).toContain("florin_only_here_total 1");
    expect(await one.render()).toContain("process_cpu_seconds_total");
    expect(await other.render()).not.toContain("florin_only_here_total");
  });
});
