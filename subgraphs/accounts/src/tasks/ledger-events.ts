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
import type { Logger } from "@florin/telemetry";
import type { LedgerAnswers } from "../ledger-answers.js";
import { accountCloseRejected } from "./account-close-rejected.js";
import { accountClosed } from "./account-closed.js";
import { accountOpened } from "./account-opened.js";
import { accountRejected } from "./account-rejected.js";

/** For the bus's list of groups that a stream must have before anything of it is published. */
export const ACCOUNTS_CONSUMER = "accounts";

/** This area's one consumer of the ledger's stream: what became of accounts that were asked for. */
export function createLedgerEventsConsumer(database: Database, answers: LedgerAnswers, logger: Logger): ConsumerGroup {
  return createConsumerGroup({
    name: ACCOUNTS_CONSUMER,
    stream: "ledger",
    transaction: (work: (tx: Transaction) => Promise<(() => void) | undefined>) => database.transaction(work),
    insertInbox: (tx, consumer, event) => insertInbox(tx, "accounts", consumer, event),
    parkEvent: (consumer, event, failure) => parkEvent(database.sql, "accounts", consumer, event, failure),
    isKeyParked: (parked) => isKeyParked(database.sql, "accounts", parked),
    handlers: {
      "account.opened": accountOpened(answers),
      "account.rejected": accountRejected(answers),
      "account.closed": accountClosed(answers),
      "account.close_rejected": accountCloseRejected(answers),
    },
    logger,
  });
}

/** Where the consumer's dead letters are kept. */
export function createReplayStore(database: Database): ReplayStore {
  return {
    listKeysToReplay: (consumer, stream, limit) => listKeysToReplay(database.sql, "accounts", consumer, stream, limit),
    replayDeadLetters: (parked, handle) => replayDeadLetters(database, "accounts", parked, handle),
  };
}
