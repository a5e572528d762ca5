import type { Clock, IdSource } from "@florin/kernel";
import type { Logger, Metrics } from "@florin/telemetry";
import { deriveKey } from "../secret-box.js";
import { createLinkedWorker, type LinkedWorker, type LinkedWorkerOptions } from "./linked-worker.js";

/** What makes an area able to link accounts at other institutions. */
export interface LinkedOptions extends Pick<
  LinkedWorkerOptions,
  "openPlaid" | "vault" | "snapshotKey" | "policy" | "maxConnections" | "acceptsUnboundTokens" | "linkTokensPerDay"
> {
  /** Demo data: a public token for Ada, from the simulator or Plaid's sandbox. undefined: she has nothing linked. */
  readonly obtainDemoToken?: (() => Promise<string>) | undefined;
}

/** undefined: linking is not set up. The key under which Plaid knows people is the area's own. */
export async function startLinkedWorker(
  area: {
    readonly linked?: LinkedOptions | undefined;
    readonly databaseUrl: string;
    readonly timelineFile?: string | undefined;
    readonly masterKey: Uint8Array;
    readonly clock: Clock;
    readonly ids: IdSource;
    readonly logger: Logger;
    readonly metrics: Metrics;
    readonly random?: (() => number) | undefined;
  },
  wakeRelay: () => void,
): Promise<LinkedWorker | undefined> {
  const { linked, databaseUrl, timelineFile, masterKey, clock, ids, logger, metrics, random } = area;
  if (linked === undefined) return undefined;
  const clientUserKey = deriveKey(masterKey, "plaid-client-user");
  const own = { databaseUrl, timelineFile, clock, ids, logger, metrics, random };
  return createLinkedWorker({ ...own, ...linked, clientUserKey, wakeRelay });
}
