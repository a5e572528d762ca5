import {
  insertInbox,
  isKeyParked,
  listKeysToReplay,
  parkEvent,
  replayDeadLetters,
  type Database,
  type Transaction,
} from "@florin/db";
import { createConsumerGroup, type ConsumerGroup, type ReplayStore } from "@florin/events";
import { REMOVAL_EVENT, SNAPSHOT_EVENT } from "@florin/linked-data";
import type { Logger } from "@florin/telemetry";
import type { ConsumerParts } from "../services.js";
import { applySnapshot } from "./apply-snapshot.js";
import { createBalanceBatches } from "./balance-batches.js";
import { ownAccountAsked, ownAccountClosed, ownAccountOpened } from "./own-accounts.js";
import { removeItem } from "./remove-item.js";

/** For the bus's lists of groups that a stream must have before anything of it is published. */
export const PORTFOLIO_LINKED_CONSUMER = "portfolio.linked";
export const PORTFOLIO_BALANCES_CONSUMER = "portfolio.balances";

const area = "portfolio";

const store = (database: Database) => ({
  transaction: (work: (tx: Transaction) => Promise<(() => void) | undefined>) => database.transaction(work),
  insertInbox: (tx: Transaction, consumer: string, event: Parameters<typeof insertInbox>[3]) =>
    insertInbox(tx, area, consumer, event),
  parkEvent: (
    consumer: string,
    event: Parameters<typeof insertInbox>[3],
    failure: { readonly error?: string | undefined; readonly attempts: number },
  ) => parkEvent(database.sql, area, consumer, event, failure),
  isKeyParked: (parked: Parameters<typeof isKeyParked>[2]) => isKeyParked(database.sql, area, parked),
});

/** On the accounts stream: what institutions said, items that were removed, who owns an account held here. */
export function createLinkedConsumer(database: Database, parts: ConsumerParts, logger: Logger): ConsumerGroup {
  return createConsumerGroup({
    ...store(database),
    name: PORTFOLIO_LINKED_CONSUMER,
    stream: "accounts",
    handlers: {
      [SNAPSHOT_EVENT]: applySnapshot(parts),
      [REMOVAL_EVENT]: removeItem(parts),
      "account.open": ownAccountAsked,
    },
    logger,
  });
}

/** On the ledger's stream: accounts held here and their balances; of the latter there are so many that they go together. */
export function createBalancesConsumer(database: Database, logger: Logger): ConsumerGroup {
  const group = createConsumerGroup({
    ...store(database),
    name: PORTFOLIO_BALANCES_CONSUMER,
    stream: "ledger",
    handlers: { "account.opened": ownAccountOpened, "account.closed": ownAccountClosed },
    logger,
  });
  const balances = createBalanceBatches(database.sql, group.name);
  return {
    ...group,
    types: [...group.types, "account.posted"],
    handle: async (event) => (event.type === "account.posted" ? balances.apply(event) : group.handle(event)),
    isKeyParked: balances.isKeyParked,
  };
}

/** Where the consumers' dead letters are kept. */
export function createReplayStore(database: Database): ReplayStore {
  return {
    listKeysToReplay: (consumer, stream, limit) => listKeysToReplay(database.sql, area, consumer, stream, limit),
    replayDeadLetters: (parked, handle) => replayDeadLetters(database, area, parked, handle),
  };
}
