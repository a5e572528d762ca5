import type { Bus, EventStream } from "@florin/events";
import { formatId, instantFromMillis, uuidV7, type Area, type EventEnvelope, type Json } from "@florin/kernel";

/** An area's log and its bus in one, for these tests only: what is published is in the log first, then told to the taps. */
export class MemoryStream implements EventStream {
  readonly stream: Area;
  readonly log: EventEnvelope[] = [];
  readonly taps = new Set<(event: EventEnvelope) => void>();
  reads = 0;
  openHeads = 0;
  mostOpenHeads = 0;
  #serial = 0;

  constructor(stream: Area) {
    this.stream = stream;
  }

  async head(): Promise<bigint> {
    this.mostOpenHeads = Math.max(this.mostOpenHeads, ++this.openHeads);
    await nextTurn();
    this.openHeads--;
    return this.log.at(-1)?.position ?? 0n;
  }

  async range(after: bigint, limit: number): Promise<readonly EventEnvelope[]> {
    this.reads++;
    const page = this.log.filter(({ position }) => position > after).slice(0, limit);
    await nextTurn(); // what is published meanwhile is not in this page
    return page;
  }

  publish(type: string, key: string, audience: readonly string[], payload: Json, ageMillis = 0): EventEnvelope {
    const event = this.append(type, key, audience, payload, ageMillis);
    for (const tap of [...this.taps]) tap(event);
    return event;
  }

  /** In the log, but not told: as if the bus had lost it. */
  append(type: string, key: string, audience: readonly string[], payload: Json, ageMillis = 0): EventEnvelope {
    const event: EventEnvelope = {
      stream: this.stream,
      position: (this.log.at(-1)?.position ?? 0n) + 1n,
      eventId: uuidV7(Date.now(), Buffer.from(String(this.#serial++).padStart(10, "0"))),
      key,
      type,
      schemaVersion: 1,
      occurredAt: instantFromMillis(Date.now() - ageMillis),
      correlationId: "test",
      audience,
      payload,
    };
    this.log.push(event);
    return event;
  }
}

export type MemoryStreams = Readonly<Record<Area, MemoryStream>>;

export function createStreams(): MemoryStreams {
  return {
    accounts: new MemoryStream("accounts"),
    ledger: new MemoryStream("ledger"),
    portfolio: new MemoryStream("portfolio"),
  };
}

export function tapsOf(streams: MemoryStreams): Pick<Bus, "tap"> {
  return {
    tap(stream, listener) {
      const { taps } = streams[stream];
      taps.add(listener);
      return () => void taps.delete(listener);
    },
  };
}

export function accountId(number: number): string {
  return formatId("account", uuidV7(number, new Uint8Array(10)));
}

export function itemId(number: number): string {
  return formatId("linkedItem", uuidV7(number, new Uint8Array(10)));
}

export function operationId(number: number): string {
  return formatId("operation", uuidV7(number, new Uint8Array(10)));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
