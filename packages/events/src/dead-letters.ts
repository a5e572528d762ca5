import { idPrefixes, type EventEnvelope, type Instant, type Json } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import type { ConsumerGroup } from "./bus.js";
import { describeError } from "./poison-event.js";
import { pause, systemTimers, type Timers } from "./timers.js";

/*
 * Dead letters of one group (STR-4).
 *
 *   PARKED ──replay──► REPLAYED      A key is open while it has a PARKED or WAITING row; the bus then parks its later events as WAITING.
 *     ▲  └───discard──► DISCARDED    Replay goes through a key's open rows in order and stops at the first that fails, which is then
 *     └── fails again ── WAITING     the PARKED one. A key whose oldest open row is WAITING is freed: nothing holds it, it is replayed
 *                                    without being asked. So a discard lets the rest through, and a replay that a crash cut short
 *                                    goes on; so does an event that was parked behind a row in the instant that row was resolved.
 *
 * An operator's request is a mark in the table; the group's own process looks for marks and applies, as only it has the handlers.
 * Order holds because the bus applies nothing of an open key, and idempotence because replay goes through the group's inbox.
 */
export type DeadLetterStatus = "PARKED" | "WAITING" | "REPLAYED" | "DISCARDED";

export interface DeadLetter {
  readonly id: bigint;
  readonly consumer: string;
  readonly event: EventEnvelope;
  readonly status: DeadLetterStatus;
  readonly error: string | undefined;
  readonly attempts: number;
  /** Why it was discarded. */
  readonly reason: string | undefined;
  readonly parkedAt: Instant;
  readonly resolvedAt: Instant | undefined;
}

/** What replay needs of an area's dead letters; @florin/db has this shape. */
export interface ReplayStore {
  /** Keys of this consumer that were asked to be replayed, or that are freed; at most `limit`. */
  listKeysToReplay(consumer: string, limit: number): Promise<readonly string[]>;
  findOldestOpen(consumer: string, key: string): Promise<DeadLetter | undefined>;
  markReplayed(id: bigint): Promise<void>;
  /** PARKED again, with the new error and one more attempt; the request is forgotten. */
  markFailed(id: bigint, error: string): Promise<void>;
}

export interface ReplayOutcome {
  readonly replayed: number;
  /** Where the replay of the key stopped. */
  readonly failed: { readonly id: bigint; readonly error: string } | undefined;
}

/** Applies a key's open events in order through the group's own handler. Throws only when the store is away. */
export async function replayKey(group: ConsumerGroup, store: ReplayStore, key: string): Promise<ReplayOutcome> {
  for (let replayed = 0; ; replayed++) {
    const letter = await store.findOldestOpen(group.name, key);
    if (letter === undefined) return { replayed, failed: undefined };
    try {
      await group.handle(letter.event);
    } catch (cause) {
      const error = describeError(cause);
      await store.markFailed(letter.id, error);
      return { replayed, failed: { id: letter.id, error } };
    }
    await store.markReplayed(letter.id);
  }
}

export interface ReplayLoopOptions {
  readonly group: ConsumerGroup;
  readonly store: ReplayStore;
  readonly logger: Logger;
  readonly pollMs?: number;
  readonly timers?: Timers;
}

export interface ReplayLoop {
  /** Look now instead of at the next poll. */
  wake(): void;
  stop(): Promise<void>;
}

const DEFAULT_POLL_MS = 5_000;
const KEYS_PER_ROUND = 100;

/** Starts to look for keys to replay, beside the group's consumption. */
export function startReplayLoop(options: ReplayLoopOptions): ReplayLoop {
  const { group, store, logger, pollMs = DEFAULT_POLL_MS, timers = systemTimers } = options;
  let isStopping = false;
  let isWoken = false;
  let endWait: () => void = () => {};

  async function round(): Promise<void> {
    for (const key of await store.listKeysToReplay(group.name, KEYS_PER_ROUND)) {
      if (isStopping) return;
      const outcome = await replayKey(group, store, key);
      logger.info(
        { consumer: group.name, key, replayed: outcome.replayed, cause: outcome.failed?.error },
        outcome.failed === undefined
          ? "A parked key was replayed."
          : "The replay of a parked key stopped at a failure.",
      );
    }
  }

  async function run(): Promise<void> {
    while (!isStopping) {
      isWoken = false;
      await round().catch((error: unknown) =>
        logger.error(
          { consumer: group.name, cause: describeError(error) },
          "Looking for dead letters failed; it is tried again.",
        ),
      );
      if (isStopping || isWoken) continue;
      const rest = pause(timers, pollMs);
      endWait = rest.cancel;
      await rest.over;
    }
  }

  const running = run();
  return {
    wake: () => {
      isWoken = true;
      endWait();
    },
    stop: () => {
      isStopping = true;
      endWait();
      return running;
    },
  };
}

const ID = new RegExp(`^(?:${Object.values(idPrefixes).join("|")}|txn)_[0-9a-z_]+$`);

/** A payload as an operator may see it without asking for more: its shape and its ids, nothing about people or money. */
export function maskPayload(payload: Json): Json {
  if (payload === null || typeof payload === "boolean") return payload;
  if (typeof payload === "string") return ID.test(payload) ? payload : "***";
  if (typeof payload === "number") return "***";
  if (isList(payload)) return payload.map(maskPayload);
  return Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, maskPayload(value ?? null)]));
}

function isList(payload: Json): payload is readonly Json[] {
  return Array.isArray(payload);
}
