import type { Sql } from "@florin/db";
import { insertPlaidCalls, type PlaidCallRecord } from "@florin/db/accounts";
import { isUuid, type Clock } from "@florin/kernel";
import type { ProviderCall } from "@florin/plaid";
import { startRepeatingTask } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { SyncMeters } from "./sync-meters.js";

/** The record of every call to Plaid: who asks support needs its request id, and who pays wants to know what for. */
export interface ProviderCalls {
  /** Never waits and never throws: handed to the port as `onCall`. */
  record(call: ProviderCall): void;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

const FLUSH_EVERY_MS = 1_000;
/** While the database is away; the oldest go first. */
const MAX_KEPT = 2_000;
const MAX_BATCH = 500;

const outcomes = {
  ok: "OK",
  refused: "REFUSED",
  failed: "FAILED",
  unknown: "UNKNOWN",
  not_sent: "NOT_SENT",
} as const satisfies Record<ProviderCall["outcome"], PlaidCallRecord["outcome"]>;

export function createProviderCalls(options: {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meters: Pick<SyncMeters, "droppedCalls">;
}): ProviderCalls {
  const { sql, clock, logger, meters } = options;
  const kept: PlaidCallRecord[] = [];
  let writing: Promise<void> = Promise.resolve();

  function bound(): void {
    const tooMany = kept.length - MAX_KEPT;
    if (tooMany <= 0) return;
    kept.splice(0, tooMany);
    meters.droppedCalls(tooMany);
  }

  async function write(): Promise<void> {
    while (kept.length > 0) {
      const batch = kept.splice(0, MAX_BATCH);
      try {
        await insertPlaidCalls(sql, batch);
      } catch (error) {
        kept.unshift(...batch);
        bound();
        throw error;
      }
    }
  }

  const flush = (): Promise<void> => (writing = writing.catch(() => undefined).then(write));
  const task = startRepeatingTask({
    everyMs: FLUSH_EVERY_MS,
    round: flush,
    onFailure: (error) => logger.warn({ err: error }, "Calls to Plaid could not be recorded now; they are kept."),
  });
  return {
    record: (call) => {
      const { itemKey } = call;
      kept.push({
        at: clock.now(),
        endpoint: call.endpoint,
        itemId: itemKey !== undefined && isUuid(itemKey) ? itemKey : undefined,
        requestId: call.requestId,
        httpStatus: call.httpStatus,
        errorCode: call.errorCode,
        outcome: outcomes[call.outcome],
        latencyMs: call.latencyMs,
      });
      bound();
    },
    flush,
    stop: async () => {
      await task.stop();
      await flush().catch((error: unknown) =>
        logger.warn({ err: error }, "The last calls to Plaid were not recorded."),
      );
    },
  };
}
