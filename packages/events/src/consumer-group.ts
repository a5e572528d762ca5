import type { Area, EventEnvelope, Json } from "@florin/kernel";
import { faultPoint } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { ConsumerGroup } from "./bus.js";
import { describeError, PoisonEvent } from "./poison-event.js";

/** What a group does with one type of event. */
export interface EventHandler<Tx, Payload> {
  /** Throws when the payload is not what this version understands; the event is then parked without a retry. */
  parse(payload: Json): Payload;
  /**
   * Applies the event inside the transaction that also holds its inbox row. The function it may return runs after the commit, once, and
   * is for wake-ups only: it is lost in a crash.
   */
  apply(tx: Tx, event: EventEnvelope, payload: Payload): Promise<void | (() => void)>;
}

export interface ParkingFailure {
  readonly error?: string | undefined;
  readonly attempts: number;
}

/** Order, and so parking, is per consumer, stream and key. */
export interface ParkedKey {
  readonly consumer: string;
  readonly stream: Area;
  readonly key: string;
}

export interface ConsumerGroupOptions<Tx, Payloads extends Record<string, unknown>> {
  readonly name: string;
  readonly stream: Area;
  transaction(work: (tx: Tx) => Promise<(() => void) | undefined>): Promise<(() => void) | undefined>;
  /** false when this consumer has applied the event before. */
  insertInbox(tx: Tx, consumer: string, event: EventEnvelope): Promise<boolean>;
  /** Durable when it resolves; parking an event again changes nothing. Without an error: it waits behind a parked one. */
  parkEvent(consumer: string, event: EventEnvelope, failure: ParkingFailure): Promise<void>;
  isKeyParked(parked: ParkedKey): Promise<boolean>;
  /** By event type; the group wants exactly these. */
  readonly handlers: { readonly [Type in keyof Payloads]: EventHandler<Tx, Payloads[Type]> };
  readonly logger: Logger;
}

/** A group whose every event is one transaction: inbox row and effect together, so the effect happens once however often it is delivered. */
export function createConsumerGroup<Tx, Payloads extends Record<string, unknown>>(
  options: ConsumerGroupOptions<Tx, Payloads>,
): ConsumerGroup {
  const { name, stream, handlers, logger } = options;

  async function handle(event: EventEnvelope): Promise<void> {
    const handler = Object.hasOwn(handlers, event.type) ? handlers[event.type as keyof Payloads] : undefined;
    if (handler === undefined) throw new PoisonEvent(`${name} has no handler for ${event.type}.`);
    const payload = parsePayload(event, handler);
    faultPoint("consumer.before-transaction");
    const afterCommit = await options.transaction(async (tx) => {
      if (!(await options.insertInbox(tx, name, event))) return undefined;
      const wakeUp = (await handler.apply(tx, event, payload)) ?? undefined;
      faultPoint("consumer.before-commit");
      return wakeUp;
    });
    faultPoint("consumer.after-commit");
    if (afterCommit !== undefined) runAfterCommit(event, afterCommit);
  }

  async function park(event: EventEnvelope, error: unknown, attempts: number): Promise<void> {
    faultPoint("consumer.before-park");
    await options.parkEvent(name, event, { error: error === undefined ? undefined : describeError(error), attempts });
    faultPoint("consumer.after-park");
  }

  function runAfterCommit(event: EventEnvelope, afterCommit: () => void): void {
    try {
      afterCommit();
    } catch (error) {
      // The effect is committed: to fail now would only have the event delivered again for nothing.
      logger.error(
        { consumer: name, eventType: event.type, cause: describeError(error) },
        "A wake-up after an event threw; the event itself was applied.",
      );
    }
  }

  return {
    name,
    stream,
    types: Object.keys(handlers),
    handle,
    park,
    isKeyParked: (key) => options.isKeyParked({ consumer: name, stream, key }),
  };
}

function parsePayload<Payload>(event: EventEnvelope, handler: { parse(payload: Json): Payload }): Payload {
  try {
    return handler.parse(event.payload);
  } catch (error) {
    throw new PoisonEvent(`The payload of ${event.type} does not parse. ${describeError(error)}`);
  }
}
