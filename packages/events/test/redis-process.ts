import { createOutboxStore } from "@florin/db";
import { armFaultPoints } from "@florin/resilience";
import { createRedisBus, createRelay, PoisonEvent } from "../src/index.js";
import { newMetrics, silent } from "./group-model.js";
import { connectArea, createEffectGroup } from "./postgres-areas.js";

/*
 * What a part of the platform is to the bus: the relay of the accounts stream, and the ledger's group over it, whose effects are rows.
 * Runs until its parent goes away or kills it.
 */
const { REDIS_URL, DATABASE_URL, FLORIN_FAULT, WITHOUT_INBOX } = process.env;
if (REDIS_URL === undefined || DATABASE_URL === undefined) throw new Error("REDIS_URL and DATABASE_URL are needed");

armFaultPoints({ faults: FLORIN_FAULT });
process.on("disconnect", () => process.exit(0));

// A frozen process keeps the locks of its transactions, inbox rows among them, until the server ends it.
const IDLE_IN_TRANSACTION_MS = 2_000;
const accounts = connectArea(DATABASE_URL, "accounts", IDLE_IN_TRANSACTION_MS);
const ledger = connectArea(DATABASE_URL, "ledger", IDLE_IN_TRANSACTION_MS);
const bus = createRedisBus({
  redis: REDIS_URL,
  expectedGroups: { accounts: ["ledger"], ledger: [] },
  logger: silent,
  metrics: newMetrics(),
  leaseMs: 1_000,
  retry: { attempts: 5, baseMs: 1, maxMs: 10 },
});
const group = createEffectGroup({
  database: ledger,
  area: "ledger",
  hasInbox: WITHOUT_INBOX === undefined,
  beforeEffect: async (event) => {
    if (event.key === "poison") throw new PoisonEvent("never to be applied");
    await new Promise((resolve) => setTimeout(resolve, 2));
  },
});
const store = createOutboxStore(accounts, "accounts");
const relay = createRelay({
  store,
  bus,
  stream: "accounts",
  logger: silent,
  metrics: newMetrics(),
  pollMs: 20,
  saveEveryMs: 20,
});
bus.consume(group);
relay.start();
process.send?.("up");
