import { sendJson, startHttpServer } from "@florin/graph";
import type { Logger, Metrics } from "@florin/telemetry";

/**
 * `GET /metrics` on a port of its own, for Prometheus: the door of an area answers services alone, and a scraper has no key. Bind it
 * where only the scraper reaches it.
 */
export async function serveMetrics(options: {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
}): Promise<{ readonly url: string; stop(deadlineMs: number): Promise<void> }> {
  const { metrics, logger } = options;
  const { url, stop } = await startHttpServer({
    host: options.host,
    port: options.port,
    onFault: (error) => logger.error({ err: error }, "the metrics could not be rendered"),
    handle: async (request, response) => {
      if (request.method !== "GET" || request.url?.split("?")[0] !== "/metrics")
        return sendJson(response, 404, { errors: [{ message: "Use GET /metrics." }] });
      const text = await metrics.render();
      response.writeHead(200, { "content-type": metrics.contentType, "content-length": Buffer.byteLength(text) });
      response.end(text);
    },
  });
  return { url, stop };
}
