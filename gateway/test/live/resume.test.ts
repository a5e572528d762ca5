import fc from "fast-check";
import { follow, startLive, until, type Followed, type LiveWorld } from "./live-client.js";
import { accountId, createStreams, MemoryStream } from "./memory-stream.js";

const posted = `subscription Posted($ids: [ID!], $after: Cursor) {
  transactionPosted(accountIds: $ids, after: $after) { cursor transaction { id amount { amount currency } } }
}`;
const ids = [accountId(1)];
const audience = ["usr_ada"];

function idsOf(followed: Followed): string[] {
  return followed.data.map(({ transactionPosted }) => (transactionPosted?.["transaction"] as { id: string }).id);
}

function lastCursor(followed: Followed): string | undefined {
  return followed.data.at(-1)?.["transactionPosted"]?.cursor;
}

describe("a subscriber that comes back with its cursor", () => {
  let live: LiveWorld;
  beforeEach(async () => (live = await startLive()));
  afterEach(async () => live.stop());

  const subscribed = (count: number) =>
    until("the subscription to stand", () => live.live.counts().subscriptions === count);

  async function open(after?: string): Promise<Followed> {
    const followed = follow(live.client("usr_ada"), posted, { ids, after });
    await subscribed(1);
    return followed;
  }

  async function close(followed: Followed): Promise<void> {
    followed.stop();
    await subscribed(0);
  }

  test("sees the field that a subgraph fetched for the event", async () => {
    const followed = await open();
    live.post(ids[0]!, 1, audience);
    await until("an emission", () => followed.data.length === 1);
    expect(followed.data[0]).toEqual({
      transactionPosted: {
        cursor: expect.any(String),
        transaction: { id: `${ids[0]}_1_0`, amount: { amount: "5.00", currency: "USD" } },
      },
    });
    expect(followed.errors).toEqual([]);
  });

  test("gets each transaction exactly once, wherever it was cut and whatever was posted meanwhile", async () => {
    const steps = fc.array(
      fc.record({
        before: fc.integer({ min: 1, max: 6 }),
        takeAtLeast: fc.integer({ min: 0, max: 6 }),
        between: fc.integer({ min: 0, max: 6 }),
        racing: fc.integer({ min: 0, max: 6 }),
        lost: fc.boolean(),
        several: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    let seq = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (cuts) => {
        const expected: string[] = [];
        const got: string[] = [];
        const post = (count: number, several = 1): void => {
          for (let i = 0; i < count; i++) {
            seq++;
            if (seq % 2 === 0) live.post(accountId(3), seq, ["usr_bo"]);
            live.post(ids[0]!, seq, audience, several);
            if (seq % 3 === 0) live.post(accountId(3), seq, ["usr_bo"]);
            for (let index = 0; index < several; index++) expected.push(`${ids[0]}_${seq}_${index}`);
          }
        };
        let followed = await open();
        let after: string | undefined;
        post(1);
        await until("a first cursor", () => followed.data.length > 0);
        for (const cut of cuts) {
          post(cut.before, cut.several);
          const wanted = Math.min(cut.takeAtLeast, expected.length - got.length);
          await until("some emissions", () => followed.data.length >= wanted);
          await close(followed);
          got.push(...idsOf(followed));
          after = lastCursor(followed) ?? after;
          post(cut.between, cut.several);
          if (cut.lost) live.ledger.append("account.posted", "nobody", ["usr_bo"], {});
          followed = follow(live.client("usr_ada"), posted, { ids, after });
          for (let i = 0; i < cut.racing; i++) {
            await new Promise((resolve) => setImmediate(resolve));
            post(1, cut.several);
          }
        }
        await until("all that was posted", () => got.length + followed.data.length >= expected.length);
        await close(followed);
        expect([...got, ...idsOf(followed)]).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("control: without the cursor it misses what was posted while it was away", async () => {
    const first = await open();
    live.post(ids[0]!, 1, audience);
    await until("the first", () => first.data.length === 1);
    await close(first);
    live.post(ids[0]!, 2, audience);
    const second = await open();
    live.post(ids[0]!, 3, audience);
    await until("the third", () => second.data.length === 1);
    expect(idsOf(second)).toEqual([`${ids[0]}_3_0`]);
  });

  test("resumes in the middle of an event that posted several transactions", async () => {
    const first = await open();
    live.post(ids[0]!, 1, audience, 3);
    await until("all three", () => first.data.length === 3);
    const middle = first.data[1]?.["transactionPosted"]?.cursor;
    await close(first);
    const second = await open(middle);
    await until("the third", () => second.data.length === 1);
    expect(idsOf(second)).toEqual([`${ids[0]}_1_2`]);
  });

  test("replays more than a queue holds at its own pace, and joins the live group afterwards", async () => {
    const first = await open();
    live.post(ids[0]!, 1, audience);
    await until("a cursor", () => first.data.length === 1);
    await close(first);
    for (let seq = 2; seq <= 700; seq++) live.post(ids[0]!, seq, audience);
    const second = await open(lastCursor(first));
    await until("the replay", () => second.data.length === 699);
    live.post(ids[0]!, 701, audience);
    await until("the live one", () => second.data.length === 700);
    expect(idsOf(second)).toEqual(Array.from({ length: 700 }, (_, i) => `${ids[0]}_${i + 2}_0`));
    expect(live.live.counts()).toMatchObject({ groups: 1, feeds: 1 });
  });

  test("resumes after a restart of the gateway", async () => {
    const first = await open();
    live.post(ids[0]!, 1, audience);
    await until("a cursor", () => first.data.length === 1);
    const { ledger, accounts } = live;
    await live.stop();
    live = await startLive({}, { ...createStreams(), ledger, accounts });
    live.post(ids[0]!, 2, audience);
    const second = await open(lastCursor(first));
    await until("the second", () => second.data.length === 1);
    expect(idsOf(second)).toEqual([`${ids[0]}_2_0`]);
  });

  test("an event that the bus lost comes from the log, in order", async () => {
    const followed = await open();
    live.post(ids[0]!, 1, audience);
    const lost = { accountId: ids[0]!, accountSeq: "2", transactionIds: [`${ids[0]}_2_0`] };
    live.ledger.append("account.posted", ids[0]!, audience, lost);
    live.post(ids[0]!, 3, audience);
    await until("all three", () => followed.data.length === 3);
    expect(idsOf(followed)).toEqual([1, 2, 3].map((seq) => `${ids[0]}_${seq}_0`));
  });

  test("a subgraph that is away ends the subscription with the cursor to resume from", async () => {
    const followed = await open();
    live.post(ids[0]!, 1, audience);
    await until("the first", () => followed.data.length === 1);
    live.world.isLedgerDown = true;
    live.post(ids[0]!, 2, audience);
    await until("the end", () => followed.end !== undefined);
    const cursor = lastCursor(followed);
    expect(followed.end).toMatchObject([{ extensions: { code: "TEMPORARILY_UNAVAILABLE", cursor } }]);
    live.world.isLedgerDown = false;
    const second = await open(cursor);
    await until("the second", () => second.data.length === 1);
    expect(idsOf(second)).toEqual([`${ids[0]}_2_0`]);
  });

  describe("is refused", () => {
    async function refusalOf(query: string, after: string): Promise<unknown> {
      const followed = follow(live.client("usr_ada"), query, { ids, after });
      await until("the refusal", () => followed.end !== undefined);
      await subscribed(0);
      return followed.end;
    }

    async function cursorAfterOne(): Promise<string> {
      const first = await open();
      live.post(ids[0]!, 1, audience);
      await until("a cursor", () => first.data.length === 1);
      await close(first);
      return lastCursor(first) ?? "";
    }

    test("with a cursor that was changed", async () => {
      const cursor = await cursorAfterOne();
      const code = { extensions: { code: "BAD_USER_INPUT", fields: [{ path: "after", code: "CURSOR_INVALID" }] } };
      expect(await refusalOf(posted, `x${cursor.slice(1)}`)).toMatchObject([code]);
    });

    test("with the cursor of another field", async () => {
      const balances = `subscription ($ids: [ID!], $after: Cursor) { balanceChanged(accountIds: $ids, after: $after) { cursor } }`;
      const fields = [{ path: "after", code: "CURSOR_FOREIGN" }];
      expect(await refusalOf(balances, await cursorAfterOne())).toMatchObject([{ extensions: { fields } }]);
    });

    test("with a cursor ahead of the log", async () => {
      const cursor = await cursorAfterOne();
      live.ledger.log.length = 0;
      const fields = [{ path: "after", code: "CURSOR_AHEAD" }];
      expect(await refusalOf(posted, cursor)).toMatchObject([{ extensions: { code: "BAD_USER_INPUT", fields } }]);
    });

    test("with a cursor behind what is kept", async () => {
      const cursor = await cursorAfterOne();
      live.ledger.append("account.posted", "k", [], {}, 8 * 24 * 3600 * 1000);
      expect(await refusalOf(posted, cursor)).toMatchObject([{ extensions: { code: "CURSOR_EXPIRED" } }]);
    });

    test("with a cursor whose next events are gone", async () => {
      const cursor = await cursorAfterOne();
      for (let seq = 2; seq < 6; seq++) live.post(ids[0]!, seq, audience);
      live.ledger.log.splice(0, 3);
      expect(await refusalOf(posted, cursor)).toMatchObject([{ extensions: { code: "CURSOR_EXPIRED" } }]);
    });
  });
});

test("the stream of these tests is gapless, as an outbox is", async () => {
  const stream = new MemoryStream("ledger");
  for (let i = 0; i < 3; i++) stream.append("t", "k", [], {});
  expect((await stream.range(1n, 10)).map(({ position }) => position)).toEqual([2n, 3n]);
});
