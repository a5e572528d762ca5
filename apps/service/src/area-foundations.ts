import { createSealer } from "@florin/auth";
import type { Bus } from "@florin/events";
import type { Logger, Metrics } from "@florin/telemetry";
import { deriveSecret } from "./secrets.js";

/** How each area is put together, in one process with the others or in one of its own. */
export interface AreaFoundations {
  /** Migrated. */
  readonly databaseUrl: string;
  readonly timelineFile?: string | undefined;
  readonly bus: Bus;
  readonly masterKey: Uint8Array;
  readonly isDemo: boolean;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** `iss` of access tokens. */
export const ISSUER = "florin";

/** What accounts seals for portfolio: institutions' answers on their way (packages/linked-data). */
export function snapshotKeyOf(masterKey: Uint8Array): Buffer {
  return deriveSecret(masterKey, "linked-snapshots");
}

export function createPlatformSealer(masterKey: Uint8Array) {
  return createSealer(deriveSecret(masterKey, "sealer"));
}
