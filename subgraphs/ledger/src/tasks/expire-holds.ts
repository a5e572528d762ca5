import { fingerprintOf, operationIdOf, sha256Hex, type Database } from "@florin/db";
import { listExpiredHolds } from "@florin/db/ledger";
import {
  addMicros,
  clientTransactionKey,
  planExpiries,
  type Clock,
  type DueExpiry,
  type Instant,
} from "@florin/kernel";
import { startRepeatingTask, type RepeatingTask } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { LedgerWriter, PostingCommand } from "../writer/command.js";

const EVERY_MS = 1_000;
const PAGE = 200;
/** A release that was refused is a fault of ours, such as a clock that went back: tried again, and not in a hurry. */
const REFUSED_RETRY_MICROS = 60_000_000n;
const BOOK = 1;
/** Whose operations expiries are; the client transactions stay their opener's. */
export const EXPIRER = "svc:ledger-expiry";

/**
 * Books the release of every authorisation whose time is up (CT-6), in order of expiry: once a second, and when it starts, in the process that
 * holds the lease. One operation for each hold, under a key made from it, so however many processes look and however often, a hold is
 * released once; behind that stands the client transaction itself, which is closed by the first of them.
 */
export interface ExpireHoldsOptions {
  readonly database: Database;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 1000; 0: never. */
  readonly everyMs?: number | undefined;
}

export function startHoldExpiry(options: ExpireHoldsOptions): RepeatingTask {
  const { logger, everyMs = EVERY_MS } = options;
  const expirer = createHoldExpirer(options);
  return startRepeatingTask({
    everyMs,
    startsNow: true,
    round: async (isStopped) => {
      while (!isStopped() && (await expirer.expireDue()) === PAGE);
    },
    onFailure: (error) =>
      logger.warn({ err: error }, "Expired authorisations could not be released; they are tried again."),
  });
}

/** One look: returns how many authorisations were released; 0 in a process without the lease. */
export function createHoldExpirer(options: ExpireHoldsOptions): { expireDue(): Promise<number> } {
  const { database, writer, clock, logger } = options;
  /** Holds whose release was refused. A stored refusal replays for ever (IDEM-4), so the next try has another key. */
  const refused = new Map<string, { readonly attempts: number; readonly notBefore: Instant }>();

  async function expire(due: DueExpiry): Promise<boolean> {
    const { clientTransactionId } = due.instruction;
    const key = clientTransactionKey(due.clientId, clientTransactionId);
    const attempts = refused.get(key)?.attempts ?? 0;
    const outcome = await writer.submit(toCommand(due, attempts, clock));
    const code = outcome.kind === "operation" ? outcome.operation.rejection?.code : outcome.kind;
    // Refused as closed: its client was faster.
    if (code === undefined || code === "CLIENT_TRANSACTION_CLOSED") return refused.delete(key) || code === undefined;
    refused.set(key, { attempts: attempts + 1, notBefore: addMicros(clock.now(), REFUSED_RETRY_MICROS) });
    logger.error({ code, clientTransactionId }, "an expired authorisation could not be released; it is tried again");
    return false;
  }

  return {
    expireDue: async () => {
      if (!writer.isLeader()) return 0;
      const now = clock.now();
      const expired = await listExpiredHolds(database.sql, { bookId: BOOK, now, limit: PAGE });
      const due = planExpiries(expired, now).filter(({ clientId, instruction: { clientTransactionId } }) => {
        const notBefore = refused.get(clientTransactionKey(clientId, clientTransactionId))?.notBefore;
        return notBefore === undefined || notBefore <= now;
      });
      const released = await Promise.all(due.map(expire)); // submitted in order, so decided in order
      return released.filter(Boolean).length;
    },
  };
}

function toCommand({ clientId, instruction, expiresAt }: DueExpiry, attempt: number, clock: Clock): PostingCommand {
  const { clientTransactionId } = instruction;
  const hold = sha256Hex(clientTransactionKey(clientId, clientTransactionId));
  const idempotencyKey = attempt === 0 ? `expiry:${hold}` : `expiry:${hold}:${attempt}`;
  return {
    kind: "posting",
    type: "OTHER",
    commandId: operationIdOf(EXPIRER, idempotencyKey),
    principal: EXPIRER,
    idempotencyKey,
    fingerprint: fingerprintOf({ clientId, clientTransactionId, expiresAt: expiresAt.toString() }),
    correlationId: idempotencyKey,
    createdAt: clock.now(),
    clientId,
    origin: "EXPIRY",
    instructions: [{ type: "RELEASE", clientTransactionId }],
  };
}
