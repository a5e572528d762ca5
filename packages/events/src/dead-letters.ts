import { idPrefixes, type Area, type EventEnvelope, type Json } from "@florin/kernel";
import { retry, withDeadline } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { ConsumerGroup } from "./bus.js";
import type { ParkedKey } from "./consumer-group.js";
import { describeError, PoisonEvent } from "./poison-event.js";
import { pause, systemTimers, type Timers } from "./timers.js";

/*
 * Dead letters of one group (STR-4).
 *
 *   PARKED ──replay──► REPLAYED      A key is open while it has a PARKED or WAITING letter; the bus then lets its later events wait.
 *     ▲  └───discard──► DISCARDED    Replay goes through a key's open letters in order and stops at the first that fails, which is
 *     └── fails again ── WAITING     then the PARKED one. A key whose oldest open letter never failed is freed: nothing holds it, it
 *                                    is replayed without being asked. So a discard lets the rest through, a replay that a crash cut
 *                                    short goes on, and so does an event that began to wait in the instant its key was resolved.
 *
 * An operator's request is a mark in the table; the group's own process looks for marks and applies, as only it has the handlers.
 * Order holds because the bus applies nothing of an open key, and the effect happens once because replay goes through the inbox.
 */

/** What replay needs of an area's dead letters. @florin/db has the functions; the area binds itself and its database. */
export interface ReplayStore {
  /** Keys of the consumer that were asked to be replayed, or that are freed; at most `limit`. */
  listKeysToReplay(consumer: string, stream: Area, limit: number): Promise<readonly string[]>;
  /** Applies the key's open letters in order; how many. At the first failure: keeps it on the letter, forgets the request, throws it. */
  replayDeadLetters(parked: ParkedKey, handle: (event: EventEnvelope) => Promise<void>): Promise<number>;
}

export interface ReplayLoopOptions {
  readonly group: ConsumerGroup;
  readonly store: ReplayStore;
  readonly logger: Logger;
  readonly pollMs?: number;
  readonly timers?: Timers;
  readonly random?: () => number;
}

export interface ReplayLoop {
  /** Look now instead of at the next poll. */
  wake(): void;
  /** Ends after the key that is being replayed, or at the deadline: what is left of it is found again at the next start. */
  stop(deadlineMs: number): Promise<void>;
}

const DEFAULT_POLL_MS = 5_000;
const KEYS_PER_ROUND = 100;
const RETRY = { attempts: 5, baseMs: 50, maxMs: 2_000 } as const;

/** Begins to look for keys to replay, beside the group's consumption; every process that runs a group runs one. */
export function startReplayLoop(options: ReplayLoopOptions): ReplayLoop {
  const { group, store, logger, pollMs = DEFAULT_POLL_MS, timers = systemTimers, random = Math.random } = options;
  let isStopping = false;
  let isWoken = false;
  let endWait: () => void = () => {};

  async function replay(key: string): Promise<void> {
    const fields = { consumer: group.name, key };
    try {
      const replayed = await store.replayDeadLetters({ consumer: group.name, stream: group.stream, key }, (event) =>
        // A fault that passes must not hold a key that nobody is looking at.
        retry(() => group.handle(event), {
          ...RETRY,
          random,
          shouldRetry: (error) => !isStopping && !(error instanceof PoisonEvent),
          sleep: (delayMs) => pause(timers, delayMs).over,
        }),
      );
      if (replayed > 0) logger.info({ ...fields, replayed }, "A parked key was replayed.");
    } catch (error) {
      logger.error({ ...fields, cause: describeError(error) }, "The replay of a parked key stopped at a failure.");
    }
  }

  async function round(): Promise<void> {
    for (const key of await store.listKeysToReplay(group.name, group.stream, KEYS_PER_ROUND)) {
      if (!isStopping) await replay(key);
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
    stop: async (deadlineMs) => {
      isStopping = true;
      endWait();
      await withDeadline(running, deadlineMs, `stopping the replay of ${group.name}`).catch((error: unknown) =>
        logger.warn({ consumer: group.name, cause: describeError(error) }, "A replay was still running at the stop."),
      );
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
