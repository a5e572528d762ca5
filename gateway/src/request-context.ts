import type { Viewer } from "@florin/auth";

/** Overall budget of a read; each fetch inside has 2 s at most. */
export const READ_BUDGET_MS = 10_000;
/** Mutations may be asked to wait up to 10 s for their outcome (api.md, "Idempotency"); the answer needs some room behind it. */
export const WRITE_BUDGET_MS = 12_000;

/** Who asks, on whose behalf subgraphs are called, and what they told beside the data. One per request or per live event. */
export interface GatewayContext {
  readonly viewer: Viewer | undefined;
  /** The viewer's verified access token: every subgraph verifies it again. */
  readonly viewerToken: string | undefined;
  readonly correlationId: string;
  readonly clientAddress: string | undefined;
  /** Opened and verified: `ledger=123;accounts=45`. */
  readonly consistency: string | undefined;
  /** For an event of a live query: nothing that was fetched before the event may answer it. */
  readonly isLive: boolean;
  /** When the request came in, on the scale of `performance.now()`. */
  readonly startedAt: number;
  /** Filled by the data sources; shared with the copy that Apollo Server makes of this object. */
  readonly outcome: Outcome;
}

export interface Outcome {
  isReplay: boolean;
  /** A mutation was sent on: what is fetched after it must not come from a replica. */
  hasMutated: boolean;
  /** Outbox positions that this request's writes reached. */
  readonly written: Map<string, bigint>;
}

/** @param facts `startedAt` on the scale of `performance.now()`, so that budgets can be counted down from it. */
export function createRequestContext(facts: {
  readonly viewer: Viewer | undefined;
  readonly viewerToken: string | undefined;
  readonly correlationId: string;
  readonly clientAddress?: string | undefined;
  readonly consistency?: string | undefined;
  readonly isLive?: boolean;
  readonly startedAt?: number;
}): GatewayContext & Record<string, unknown> {
  return {
    viewer: facts.viewer,
    viewerToken: facts.viewerToken,
    correlationId: facts.correlationId,
    clientAddress: facts.clientAddress,
    consistency: facts.consistency,
    isLive: facts.isLive ?? false,
    startedAt: facts.startedAt ?? performance.now(),
    outcome: { isReplay: false, hasMutated: false, written: new Map() },
  };
}
