import { randomBytes } from "node:crypto";
import type { Viewer } from "@florin/auth";
import type { Bus, EventStream } from "@florin/events";
import { createLiveDoor, startGateway, type GatewayOptions, type RunningGateway } from "@florin/gateway";
import type { Area } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import { createPlatformSealer } from "./area-foundations.js";
import { landingPage } from "./landing-page.js";
import { deriveSecret } from "./secrets.js";

/** What the gateway needs to be told of the world behind it, in this process or in others. */
export interface GatewayFoundations {
  readonly host: string;
  readonly port: number;
  readonly bus: Pick<Bus, "tap">;
  readonly masterKey: Uint8Array;
  readonly isDemo: boolean;
  readonly isProduction: boolean;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly streams: Readonly<Record<Area, EventStream>>;
  /** Shared by gateways for kept answers; undefined: each keeps its own. */
  readonly redisUrl?: string | undefined;
}

export function composeGateway(
  foundations: GatewayFoundations,
  own: Pick<
    GatewayOptions,
    "subgraphs" | "serviceTokens" | "exchangeApiKey" | "jwks" | "readiness" | "receivePlaidWebhook"
  >,
): Promise<RunningGateway> {
  const { host, port, bus, verifyViewer, streams, logger, metrics, isDemo, isProduction } = foundations;
  const sealer = createPlatformSealer(foundations.masterKey);
  return startGateway({
    ...{ host, port, verifyViewer, sealer, logger, metrics },
    ...own,
    introspection: !isProduction,
    landingPage: landingPage({ isDemo }),
    responseCache: {
      secret: deriveSecret(foundations.masterKey, "response-cache"),
      bus,
      streams,
      clock: systemClock,
      randomBytes,
      redisUrl: foundations.redisUrl,
    },
    live: createLiveDoor({ verifyViewer, sealer, bus, streams, clock: systemClock, logger, metrics }),
  });
}
