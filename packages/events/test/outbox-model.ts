import type { EventEnvelope } from "@florin/kernel";
import type { OutboxStore } from "../src/relay.js";
import { makeEvent } from "./group-model.js";

/** An outbox told step by step; the real one is tested in delivery.test.ts. */
export class OutboxModel implements OutboxStore {
  readonly committed: EventEnvelope[] = [];
  numbered = 0;
  delivered = 0n;
  rounds = 0;
  calls = 0;
  readonly saves: bigint[] = [];
  isAway = false;
  canSave = true;
  /** Committed, and an older transaction still runs. */
  unnumberable = 0;

  commit(count: number, key: (position: number) => string = (position) => `key-${position % 3}`): void {
    for (let i = 0; i < count; i++) {
      const position = this.committed.length + 1;
      this.committed.push(makeEvent(position, key(position)));
    }
  }

  async number(limit: number): Promise<number> {
    this.rounds += 1;
    this.#assertHere();
    const count = Math.min(limit, this.committed.length - this.unnumberable - this.numbered);
    this.numbered += count;
    return count;
  }

  async read(after: bigint, limit: number): Promise<readonly EventEnvelope[]> {
    this.#assertHere();
    return this.committed
      .slice(0, this.numbered)
      .filter((event) => event.position > after)
      .slice(0, limit);
  }

  async head(): Promise<bigint> {
    return BigInt(this.numbered);
  }

  async loadDelivered(): Promise<bigint> {
    this.#assertHere();
    return this.delivered;
  }

  async saveDelivered(position: bigint): Promise<void> {
    this.#assertHere();
    if (!this.canSave) throw new Error("killed before the position was written");
    this.saves.push(position);
    if (position > this.delivered) this.delivered = position;
  }

  #assertHere(): void {
    this.calls += 1;
    if (this.isAway) throw new Error("the database is away");
  }
}
