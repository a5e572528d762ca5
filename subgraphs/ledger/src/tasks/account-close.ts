import { z } from "zod";
import type { Transaction } from "@florin/db";
import { insertCommands } from "@florin/db/ledger";
import type { EventHandler } from "@florin/events";
import type { Uuid } from "@florin/kernel";
import type { CloseAccountCommand } from "../writer/command.js";
import { toCommandRow } from "../writer/command-json.js";
import { commandBaseOf, parseAccountId } from "./account-command-base.js";

const payloadSchema = z.object({ accountId: z.string().transform(parseAccountId), requestId: z.string() });

interface AccountClosePayload {
  readonly accountId: Uuid;
  /** The answer's changeId, so that who asked knows it. */
  readonly requestId: string;
}

/** `account.close` of the accounts stream: a command to the book's writer, durable with the event's inbox row. */
export function accountCloseHandler(bookId: number, wake: () => void): EventHandler<Transaction, AccountClosePayload> {
  return {
    parse: (payload) => payloadSchema.parse(payload),
    apply: async (tx, event, { accountId, requestId }) => {
      const command: CloseAccountCommand = {
        ...commandBaseOf(event),
        kind: "account.close",
        accountId,
        changeId: requestId,
      };
      await insertCommands(tx, bookId, [toCommandRow(command)]);
      return wake;
    },
  };
}
