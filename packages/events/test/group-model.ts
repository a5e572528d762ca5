import { asUuid, formatInstant, instantFromMillis, type Area, type EventEnvelope } from "@florin/kernel";
import { createLogger, createMetrics } from "@florin/telemetry";
import type { ConsumerGroup } from "../src/bus.js";
import type { ReplayStore } from "../src/dead-letters.js";
import { PoisonEvent } from "../src/poison-event.js";

export const silent = createLogger({ name: "events-test", level: "silent" });
export const newMetrics = () => createMetrics({ processMetrics: false });

export function makeEvent(
  position: number,
  key: string,
  type = "account.posted",
  stream: Area = "ledger",
): EventEnvelope {
  return {
    eventId: asUuid(`00000000-0000-7000-8000-${position.toString(16).padStart(12, "0")}`),
    stream,
    position: BigInt(position),
    key,
    type,
    schemaVersion: 1,
    occurredAt: instantFromMillis(position),
    correlationId: "correlation-1",
    audience: [],
    payload: { number: position },
  };
}

/** What a group keeps of an event that it could not apply. */
export interface Letter {
  readonly event: EventEnvelope;
  status: "PARKED" | "WAITING" | "REPLAYED" | "DISCARDED";
  error: string | undefined;
  isRequested: boolean;
}

/** A group over a store of its own, for the properties of the bus: what PostgreSQL does for a real one, told step by step. */
export class GroupModel implements ConsumerGroup {
  readonly name: string;
  readonly stream: Area = "ledger";
  readonly types = ["account.posted"];
  /** In the order of the effects. */
  readonly applied: EventEnvelope[] = [];
  readonly inbox = new Set<bigint>();
  readonly letters: Letter[] = [];
  deliveries = 0;
  isStoreAway = false;
  /** Waits before an effect; failures that an event still has before it succeeds. */
  latency: (event: EventEnvelope) => Promise<void> = async () => {};
  readonly failuresLeft = new Map<bigint, number>();
  readonly poison = new Set<bigint>();
  /** The control: without an inbox a repetition is an effect. */
  hasInbox = true;

  constructor(name = "model") {
    this.name = name;
  }

  async handle(event: EventEnvelope): Promise<void> {
    this.deliveries += 1;
    await this.latency(event);
    this.#assertStore();
    if (this.poison.has(event.position)) throw new PoisonEvent("does not parse");
    const failures = this.failuresLeft.get(event.position) ?? 0;
    if (failures > 0) {
      this.failuresLeft.set(event.position, failures - 1);
      throw new Error(`planned failure at ${formatInstant(event.occurredAt)}`);
    }
    if (this.hasInbox && this.inbox.has(event.position)) return;
    this.inbox.add(event.position);
    this.applied.push(event);
  }

  async park(event: EventEnvelope, error: unknown, _attempts = 0): Promise<void> {
    this.#assertStore();
    if (this.letters.some((letter) => letter.event.position === event.position)) return;
    this.letters.push({
      event,
      status: this.openLetters(event.key).length > 0 ? "WAITING" : "PARKED",
      error: error === undefined ? undefined : String(error),
      isRequested: false,
    });
  }

  async isKeyParked(key: string): Promise<boolean> {
    this.#assertStore();
    return this.openLetters(key).length > 0;
  }

  openLetters(key: string): readonly Letter[] {
    return this.letters.filter((letter) => letter.event.key === key && isOpen(letter));
  }

  isFinished(event: EventEnvelope): boolean {
    return this.inbox.has(event.position) || this.letters.some((letter) => letter.event.position === event.position);
  }

  appliedPositions(key?: string): bigint[] {
    return this.applied.filter((event) => key === undefined || event.key === key).map((event) => event.position);
  }

  readonly replayStore: ReplayStore = {
    listKeysToReplay: async () => {
      this.#assertStore();
      const keys = new Set(this.letters.filter(isOpen).map((letter) => letter.event.key));
      return [...keys].filter((key) => {
        const oldest = this.openLetters(key)[0]!;
        return oldest.error === undefined || oldest.isRequested;
      });
    },
    replayDeadLetters: async ({ key }, handle) => {
      for (let replayed = 0; ; replayed++) {
        const letter = this.openLetters(key)[0];
        if (letter === undefined) return replayed;
        try {
          await handle(letter.event);
        } catch (error) {
          Object.assign(letter, { status: "PARKED", error: String(error), isRequested: false });
          throw error;
        }
        letter.status = "REPLAYED";
      }
    },
  };

  requestReplay(key: string): void {
    const oldest = this.openLetters(key)[0];
    if (oldest !== undefined) oldest.isRequested = true;
  }

  #assertStore(): void {
    if (this.isStoreAway) throw new Error("the store is away");
  }
}

function isOpen(letter: Letter): boolean {
  return letter.status === "PARKED" || letter.status === "WAITING";
}
