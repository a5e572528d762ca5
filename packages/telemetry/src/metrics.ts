import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

export type { Counter, Gauge, Histogram } from "prom-client";

interface MetricOptions<Label extends string> {
  /** `florin_<area>_<what>_<unit>`; counters end in `_total`, times are in seconds. */
  readonly name: string;
  readonly help: string;
  /** Only names with few values: an outcome, an area. Never an id, or the registry grows without end. */
  readonly labelNames?: readonly Label[];
}

/**
 * One process's metrics. There is no global registry: what may be measured is passed in. Asking twice for one name gives the same
 * metric, so that several areas in one process can share it; with other labels or as another kind it is a bug and throws.
 */
export interface Metrics {
  counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label>;
  histogram<Label extends string = never>(
    options: MetricOptions<Label> & { readonly buckets?: readonly number[] },
  ): Histogram<Label>;
  /** With `collect` the value is asked for when the metrics are read; the function must be quick and must not throw. */
  gauge<Label extends string = never>(
    options: MetricOptions<Label> & { readonly collect?: () => number },
  ): Gauge<Label>;
  /** The text that Prometheus reads, and its content type. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Seconds; from a cache hit to the longest request there is. */
const DEFAULT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @param options.processMetrics CPU, memory, event loop lag and garbage collection of this process; off in tests of a part. */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  const known = new Map<string, { readonly shape: string; readonly metric: unknown }>();

  function once<M>(kind: string, wanted: MetricOptions<string>, make: () => M): M {
    const shape = `${kind}(${[...(wanted.labelNames ?? [])].sort().join(",")})`;
    const found = known.get(wanted.name);
    if (found === undefined) {
      const metric = make();
      known.set(wanted.name, { shape, metric });
      return metric;
    }
    if (found.shape !== shape)
      throw new Error(`metric ${wanted.name} exists as ${found.shape}; use another name for ${shape}`);
    return found.metric as M; // same kind and labels, so what `make` would have made
  }

  return {
    counter: (wanted) => once("counter", wanted, () => new Counter({ ...base(wanted), registers: [registry] })),
    histogram: (wanted) =>
      once(
        "histogram",
        wanted,
        () =>
          new Histogram({ ...base(wanted), buckets: [...(wanted.buckets ?? DEFAULT_BUCKETS)], registers: [registry] }),
      ),
    gauge: (wanted) =>
      once("gauge", wanted, () => {
        const { collect } = wanted;
        const sampled = collect === undefined ? {} : { collect: setTo(collect) };
        return new Gauge({ ...base(wanted), ...sampled, registers: [registry] });
      }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function base<Label extends string>(wanted: MetricOptions<Label>) {
  return { name: wanted.name, help: wanted.help, labelNames: [...(wanted.labelNames ?? [])] };
}

function setTo(collect: () => number) {
  return function (this: { set(value: number): void }): void {
    this.set(collect());
  };
}
