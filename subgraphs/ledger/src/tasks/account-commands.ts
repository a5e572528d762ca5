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
import type { LedgerWriter } from "../writer/command.js";
import { accountCloseHandler } from "./account-close.js";
import { accountOpenHandler } from "./account-open.js";

const MAIN_BOOK = 1;

/** The ledger's group on the accounts stream: commands become durable rows of `ledger.command`; the writer answers by event. */
export function createAccountCommandsGroup(options: {
  readonly database: Database;
  readonly writer: LedgerWriter;
  readonly logger: Logger;
}): ConsumerGroup {
  const { database, writer, logger } = options;
  const wake = () => writer.wake();
  return createConsumerGroup({
    name: "ledger.account-commands",
    stream: "accounts",
    logger,
    transaction: (work) => database.transaction(work),
    insertInbox: (tx: Transaction, consumer, event) => insertInbox(tx, "ledger", consumer, event),
    parkEvent: (consumer, event, failure) => parkEvent(database.sql, "ledger", consumer, event, failure),
    isKeyParked: (parked) => isKeyParked(database.sql, "ledger", parked),
    handlers: {
      "account.open": accountOpenHandler(MAIN_BOOK, wake),
      "account.close": accountCloseHandler(MAIN_BOOK, wake),
    },
  });
}

/** The dead letters of this area's consumers, for the replay loop. */
export function createReplayStore(database: Database): ReplayStore {
  return {
    listKeysToReplay: (consumer, stream, limit) => listKeysToReplay(database.sql, "ledger", consumer, stream, limit),
    replayDeadLetters: (parked, handle) => replayDeadLetters(database, "ledger", parked, handle),
  };
}
