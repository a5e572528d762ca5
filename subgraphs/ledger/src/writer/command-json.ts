import { z } from "zod";
import type { CommandRow } from "@florin/db/ledger";
import {
  amountFromNumeric,
  amountToNumeric,
  formatInstant,
  isDecimal,
  isUuid,
  parseCurrency,
  parseInstant,
  type Instant,
  type Json,
  type Money,
} from "@florin/kernel";
import type { AccountReference, LedgerCommand, ProposedInstruction } from "./command.js";

/**
 * A command as it waits in `ledger.command`: amounts as decimal strings at internal scale, instants as RFC 3339. Parsed coming
 * out as strictly as a stranger's input, since another version of this program may have written it.
 */
export function commandToJson(command: LedgerCommand): Json {
  const createdAt = formatInstant(command.createdAt);
  if (command.kind !== "posting") return { ...command, createdAt };
  return {
    ...command,
    createdAt,
    valueAt: command.valueAt === undefined ? undefined : formatInstant(command.valueAt),
    amount: command.amount === undefined ? undefined : moneyToJson(command.amount),
    instructions: command.instructions.map(instructionToJson),
  };
}

/** As it is stored in `ledger.command`. */
export function toCommandRow(command: LedgerCommand): CommandRow {
  const { commandId, kind, principal, idempotencyKey, fingerprint, correlationId, createdAt } = command;
  const payload = commandToJson(command);
  return { commandId, kind, principal, idempotencyKey, fingerprint, payload, correlationId, createdAt };
}

/** Throws with the place of the fault when this is no command of ours. */
export function commandFromJson(json: Json): LedgerCommand {
  return commandSchema.parse(json);
}

export function moneyToJson({ amount, currency }: Money): Json {
  return { amount: amountToNumeric(amount, currency), currency };
}

function instructionToJson(instruction: ProposedInstruction): Json {
  return { ...instruction, money: moneyToJson(instruction.money) };
}

const uuid = z.string().refine(isUuid);
const instant = z.string().transform((text, context): Instant => {
  const parsed = parseInstant(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: "not an instant" });
  return z.NEVER;
});
const money = z
  .object({ amount: z.string().refine(isDecimal), currency: z.string() })
  .transform((raw, context): Money => {
    const currency = parseCurrency(raw.currency);
    if (currency !== undefined) return { amount: amountFromNumeric(raw.amount, currency), currency };
    context.addIssue({ code: "custom", message: "not a registered currency" });
    return z.NEVER;
  });
const json: z.ZodType<Json> = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(json), z.record(z.string(), json)]),
);
const accountReference: z.ZodType<AccountReference> = z.union([
  z.object({ accountId: uuid }),
  z.object({ internalCode: z.string() }),
]);

const base = {
  commandId: uuid,
  principal: z.string(),
  idempotencyKey: z.string(),
  fingerprint: z.string(),
  correlationId: z.string(),
  createdAt: instant,
};
const cause = { causationId: z.string().optional(), changeId: z.string().optional() };

const instruction = z.object({
  type: z.enum(["INBOUND_HARD_SETTLEMENT", "OUTBOUND_HARD_SETTLEMENT", "TRANSFER"]),
  target: accountReference,
  counterparty: accountReference,
  money,
  clientTransactionId: z.string().optional(),
  advice: z.boolean().optional(),
  details: json.optional(),
});

const commandSchema = z.discriminatedUnion("kind", [
  z.object({
    ...base,
    kind: z.literal("posting"),
    type: z.enum(["DEPOSIT", "WITHDRAWAL", "BOOK_TRANSFER", "REVERSAL", "PAYMENT", "OTHER"]),
    clientBatchId: z.string().optional(),
    valueAt: instant.optional(),
    details: json.optional(),
    instructions: z.array(instruction),
    account: uuid.optional(),
    amount: money.optional(),
  }),
  z.object({
    ...base,
    ...cause,
    kind: z.literal("account.open"),
    accountId: uuid,
    owners: z.array(z.string()),
    product: z.string(),
    currency: z.string(),
    parameters: json,
  }),
  z.object({ ...base, ...cause, kind: z.literal("account.close"), accountId: uuid }),
]);
