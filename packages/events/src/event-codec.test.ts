import { areas, asUuid, instantFromMicros, type EventEnvelope, type Json } from "@florin/kernel";
import fc from "fast-check";
import { decodeEvent, encodeEvent } from "./event-codec.js";

const payloads: fc.Arbitrary<Json> = fc.dictionary(
  fc.string(),
  fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string())),
);
const envelopes: fc.Arbitrary<EventEnvelope> = fc.record({
  eventId: fc.uuid().map(asUuid),
  stream: fc.constantFrom(...areas),
  position: fc.bigInt({ min: 1n, max: 2n ** 53n }),
  key: fc.string(),
  type: fc.string(),
  schemaVersion: fc.nat(),
  occurredAt: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }).map(instantFromMicros),
  correlationId: fc.string(),
  causationId: fc.option(fc.string(), { nil: undefined }),
  changeId: fc.option(fc.string(), { nil: undefined }),
  audience: fc.array(fc.string()),
  payload: payloads,
});

test("an envelope comes back as it was, to the microsecond and the last digit", () => {
  fc.assert(
    fc.property(envelopes, (event) => {
      expect(decodeEvent(event.stream, event.position, encodeEvent(event))).toEqual(event);
    }),
  );
});

test("refuses what is no envelope of that stream at that position", () => {
  const [event] = fc.sample(envelopes, { numRuns: 1, seed: 1 });
  const text = encodeEvent(event!);
  const fields = JSON.parse(text) as Record<string, unknown>;
  const change = (more: Record<string, unknown>): string => JSON.stringify({ ...fields, ...more });
  for (const wrong of [
    "",
    "[]",
    "null",
    text.slice(0, -1),
    change({ position: "0" }),
    change({ stream: "other" }),
    change({ eventId: "no uuid" }),
    change({ occurredAt: "yesterday" }),
    change({ schemaVersion: "1" }),
    change({ audience: [1] }),
    change({ key: undefined }),
    change({ payload: undefined }),
    change({ causationId: 7 }),
  ]) {
    expect(() => decodeEvent(event!.stream, event!.position, wrong)).toThrow();
  }
});
