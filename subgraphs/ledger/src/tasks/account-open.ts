import { z } from "zod";
import type { Transaction } from "@florin/db";
import { insertCommands } from "@florin/db/ledger";
import type { EventHandler } from "@florin/events";
import type { EventEnvelope, Json, Uuid } from "@florin/kernel";
import type { OpenAccountCommand } from "../writer/command.js";
import { toCommandRow } from "../writer/command-json.js";
import { commandBaseOf, parseAccountId } from "./account-command-base.js";

const payloadSchema = z.object({
  accountId: z.string().transform(parseAccountId),
  owners: z.array(z.string().min(1)).min(1).max(100),
  product: z.string(),
  currency: z.string(),
  parameters: z.record(z.string(), z.json()).default({}),
});

interface AccountOpenPayload {
  readonly accountId: Uuid;
  readonly owners: readonly string[];
  readonly product: string;
  readonly currency: string;
  readonly parameters: Json;
}

/** `account.open` of the accounts stream: a command to the book's writer, durable with the event's inbox row. */
export function accountOpenHandler(bookId: number, wake: () => void): EventHandler<Transaction, AccountOpenPayload> {
  return {
    parse: (payload) => payloadSchema.parse(payload),
    apply: async (tx, event, payload) => {
      await insertCommands(tx, bookId, [toCommandRow(toCommand(event, payload))]);
      return wake;
    },
  };
}

function toCommand(event: EventEnvelope, payload: AccountOpenPayload): OpenAccountCommand {
  return { ...commandBaseOf(event), ...payload, kind: "account.open" };
}
