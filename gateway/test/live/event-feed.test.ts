import { EventFeed } from "../../src/live/event-feed.js";
import { createStreams, MemoryStream, tapsOf } from "./memory-stream.js";

function openFeed(stream: MemoryStream, bufferLimit = 4) {
  const bus = tapsOf({ ...createStreams(), ledger: stream });
  return new EventFeed({ bus, stream, bufferLimit, wants: ({ type }) => type === "wanted" });
}

async function positions(feed: EventFeed, count: number): Promise<number[]> {
  const found = [];
  while (found.length < count) found.push(Number((await feed.next())?.position)); // a position of a short test
  return found;
}

const publish = (stream: MemoryStream, count: number, type = "wanted") => {
  for (let i = 0; i < count; i++) stream.publish(type, "key", [], {});
};

test("more than the buffer holds comes from the log, once and in order", async () => {
  const stream = new MemoryStream("ledger");
  const feed = openFeed(stream);
  feed.startAfter(0n);
  publish(stream, 1300);
  expect(await positions(feed, 1300)).toEqual(Array.from({ length: 1300 }, (_, i) => i + 1));
  feed.stop();
  expect(stream.taps.size).toBe(0);
});

test("what nobody wants is passed without being kept, and the log is not asked again", async () => {
  const stream = new MemoryStream("ledger");
  const feed = openFeed(stream);
  feed.startAfter(0n);
  await feed.fill();
  const { reads } = stream;
  publish(stream, 50, "other");
  publish(stream, 1);
  expect(await positions(feed, 1)).toEqual([51]);
  expect(stream.reads).toBe(reads);
  expect(feed.seen).toBe(51n);
  feed.stop();
});

test("an event that is told twice is seen once", async () => {
  const stream = new MemoryStream("ledger");
  const feed = openFeed(stream);
  feed.startAfter(0n);
  publish(stream, 2);
  expect(await positions(feed, 2)).toEqual([1, 2]);
  for (const event of stream.log) for (const tap of stream.taps) tap(event);
  publish(stream, 1);
  expect(await positions(feed, 1)).toEqual([3]);
  feed.stop();
});

test("a log that cannot be read is tried again, and then said to be unavailable", async () => {
  class Broken extends MemoryStream {
    failures = 0;
    override async range(after: bigint, limit: number) {
      if (this.failures-- > 0) throw new Error("connection lost");
      return super.range(after, limit);
    }
  }
  const stream = new Broken("ledger");
  publish(stream, 1);
  stream.failures = 2;
  const patient = openFeed(stream);
  patient.startAfter(0n);
  expect(await positions(patient, 1)).toEqual([1]);
  patient.stop();
  stream.failures = 100;
  const failing = openFeed(stream);
  failing.startAfter(0n);
  await expect(failing.next()).rejects.toMatchObject({ extensions: { code: "TEMPORARILY_UNAVAILABLE" } });
  failing.stop();
});

test("a reader that waits is woken by stop", async () => {
  const feed = openFeed(new MemoryStream("ledger"));
  feed.startAfter(0n);
  const waiting = feed.next();
  feed.stop();
  expect(await waiting).toBeUndefined();
});
