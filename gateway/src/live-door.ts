import type { Sealer, Viewer } from "@florin/auth";
import type { Bus, EventStream } from "@florin/events";
import type { Area, Clock } from "@florin/kernel";
import { newCorrelationId, type Logger, type Metrics } from "@florin/telemetry";
import { checkOperation } from "./check-operation.js";
import type { FlorinGateway } from "./florin-gateway.js";
import { formatErrors } from "./format-error.js";
import { createLiveQueries } from "./live/index.js";
import { createRequestContext } from "./request-context.js";
import type { LiveQueriesDoor } from "./start-gateway.js";

export interface LiveDoorOptions {
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly sealer: Sealer;
  readonly bus: Pick<Bus, "tap">;
  readonly streams: Readonly<Record<Area, EventStream>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Live queries with the query path's own checks, contexts and error list, for `GatewayOptions.live`. */
export function createLiveDoor(options: LiveDoorOptions): (gateway: FlorinGateway) => LiveQueriesDoor {
  return (gateway) => {
    const live = createLiveQueries({
      ...options,
      snapshot: () => gateway.snapshot(),
      checkOperation: (operation, viewer) =>
        checkOperation(gateway.snapshotOf(operation.snapshot.schema), { ...operation, viewer }),
      createContext: (caller, consistency) =>
        createRequestContext({
          viewer: caller.viewer,
          viewerToken: caller.accessToken,
          correlationId: newCorrelationId(),
          clientAddress: caller.clientAddress,
          consistency,
          isLive: true,
        }),
      formatErrors: (errors, correlationId) => formatErrors(errors, correlationId, options.logger),
    });
    for (const what of ["sockets", "subscriptions", "groups", "feeds"] as const) {
      const help = `Live queries: ${what} open now.`;
      options.metrics.gauge({ name: `florin_gateway_live_${what}`, help, collect: () => live.counts()[what] });
    }
    return live;
  };
}
