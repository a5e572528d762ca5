import type { Json } from "@florin/kernel";
import { createConsumerGroup, type ParkingFailure } from "./consumer-group.js";
import { PoisonEvent } from "./poison-event.js";
import { makeEvent, silent } from "../test/group-model.js";

interface Tx {
  readonly steps: string[];
}

function setUp(more: { readonly isKnown?: boolean; readonly fail?: Error; readonly afterCommit?: () => void } = {}) {
  const steps: string[] = [];
  const parked: (ParkingFailure & { readonly consumer: string })[] = [];
  const group = createConsumerGroup({
    name: "ledger",
    stream: "accounts",
    logger: silent,
    transaction: async (work: (tx: Tx) => Promise<(() => void) | undefined>) => {
      steps.push("begin");
      try {
        const result = await work({ steps });
        steps.push("commit");
        return result;
      } catch (error) {
        steps.push("rollback");
        throw error;
      }
    },
    insertInbox: async (tx, consumer, event) => {
      tx.steps.push(`inbox ${consumer} ${event.position}`);
      return more.isKnown !== true;
    },
    parkEvent: async (consumer, _event, failure) => void parked.push({ consumer, ...failure }),
    isKeyParked: async ({ consumer, stream, key }) => `${consumer} ${stream} ${key}` === "ledger accounts parked",
    handlers: {
      "account.open": {
        parse: (payload: Json) => {
          if (typeof payload !== "object" || payload === null) throw new Error("expected an object");
          return { words: Object.keys(payload).length };
        },
        apply: async (tx, event, payload) => {
          if (more.fail !== undefined) throw more.fail;
          tx.steps.push(`apply ${event.type} ${payload.words}`);
          return () => {
            steps.push("after commit");
            more.afterCommit?.();
          };
        },
      },
    },
  });
  return { group, steps, parked };
}

const event = makeEvent(7, "acct_1", "account.open", "accounts");

test("wants the types it has handlers for", () => {
  expect(setUp().group.types).toEqual(["account.open"]);
});

test("writes the inbox row and the effect in one transaction, and wakes others after the commit", async () => {
  const { group, steps } = setUp();
  await group.handle(event);
  expect(steps).toEqual(["begin", "inbox ledger 7", "apply account.open 1", "commit", "after commit"]);
});

test("does nothing for an event that was applied before", async () => {
  const { group, steps } = setUp({ isKnown: true });
  await group.handle(event);
  expect(steps).toEqual(["begin", "inbox ledger 7", "commit"]);
});

test("rolls the inbox row back with a failed effect, so that a retry applies it", async () => {
  const { group, steps } = setUp({ fail: new Error("deadlock") });
  await expect(group.handle(event)).rejects.toThrow("deadlock");
  expect(steps).toEqual(["begin", "inbox ledger 7", "rollback"]);
});

test("a payload that does not parse is poison and opens no transaction", async () => {
  const { group, steps } = setUp();
  await expect(group.handle({ ...event, payload: "text" })).rejects.toThrow(PoisonEvent);
  expect(steps).toEqual([]);
});

test("a type without a handler is poison, also one named like a property of every object", async () => {
  const { group } = setUp();
  for (const type of ["account.unknown", "toString", "__proto__"]) {
    await expect(group.handle({ ...event, type })).rejects.toThrow(PoisonEvent);
  }
});

test("a wake-up that throws after the commit does not have the event delivered again", async () => {
  const { group, steps } = setUp({
    afterCommit: () => {
      throw new Error("a bug in a wake-up");
    },
  });
  await group.handle(event);
  expect(steps).toContain("commit");
});

test("parks with the error and the attempts, and lets later events wait without one", async () => {
  const { group, parked } = setUp();
  await group.park(event, new Error("no such product"), 5);
  await group.park(event, undefined, 0);
  expect(parked).toEqual([
    { consumer: "ledger", error: "Error: no such product", attempts: 5 },
    { consumer: "ledger", error: undefined, attempts: 0 },
  ]);
  expect(await group.isKeyParked("parked")).toBe(true);
  expect(await group.isKeyParked("other")).toBe(false);
});
