import { z } from "zod";
import type { CommandRow } from "@florin/db/ledger";
import {
  amountFromNumeric,
  amountToNumeric,
  formatInstant,
  isDecimal,
  isUuid,
  restrictionTypes,
  parseCurrency,
  parseInstant,
  type Instant,
  type Json,
  type Money,
} from "@florin/kernel";
import type { AccountReference, LedgerCommand, ProposedInstruction } from "./command.js";
import { executionSchema, termsChangeSchema, termsChangeToJson } from "./terms-command.js";

/**
 * A command as it waits in `ledger.command`: amounts as decimal strings at internal scale, instants as RFC 3339. Parsed coming
 * out as strictly as a stranger's input, since another version of this program may have written it.
 */
export function commandToJson(command: LedgerCommand): Json {
  const createdAt = formatInstant(command.createdAt);
  if (command.kind === "terms") return { ...command, createdAt, change: termsChangeToJson(command.change) };
  if (command.kind !== "posting") return { ...command, createdAt };
  return {
    ...command,
    createdAt,
    reversal: command.reversal && { ...command.reversal },
    emittedBy: command.emittedBy && { ...command.emittedBy },
    execution: command.execution && { ...command.execution },
    notifications: command.notifications?.map((notification) => ({ ...notification })),
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
  switch (instruction.type) {
    case "AUTHORISATION_ADJUSTMENT":
    case "SETTLEMENT":
    case "RELEASE":
      return { ...instruction };
    case "CUSTOM_INSTRUCTION":
      return {
        ...instruction,
        fx: instruction.fx && { ...instruction.fx },
        legs: instruction.legs.map((leg) => ({ ...leg, money: moneyToJson(leg.money) })),
      };
    case "INBOUND_AUTHORISATION":
    case "OUTBOUND_AUTHORISATION":
      return {
        ...instruction,
        money: moneyToJson(instruction.money),
        expiresAfterMicros: instruction.expiresAfterMicros?.toString(),
      };
    default:
      return { ...instruction, money: moneyToJson(instruction.money) };
  }
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
  z.strictObject({ accountId: uuid }),
  z.strictObject({ internalCode: z.string() }),
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

const instructionBase = {
  advice: z.boolean().optional(),
  details: json.optional(),
  overrideRestrictions: z.array(z.enum(restrictionTypes)).optional(),
  paymentDevice: z.string().optional(),
};
const opener = {
  ...instructionBase,
  target: accountReference,
  counterparty: accountReference,
  money,
  asset: z.string().optional(),
  clientTransactionId: z.string().optional(),
  relatedClientTransactionId: z.string().optional(),
};
const followUp = {
  ...instructionBase,
  clientTransactionId: z.string(),
  target: accountReference.optional(),
  counterparty: accountReference.optional(),
};
const decimal = z.string().refine(isDecimal);
const leg = z.strictObject({
  account: accountReference,
  address: z.string().optional(),
  asset: z.string().optional(),
  phase: z.enum(["COMMITTED", "PENDING_IN", "PENDING_OUT"]).optional(),
  side: z.enum(["DEBIT", "CREDIT"]),
  money,
});
const fx = z.strictObject({ rate: decimal, rateSource: z.string(), rateTimestamp: z.string() });

const instruction: z.ZodType<ProposedInstruction> = z.discriminatedUnion("type", [
  z.strictObject({
    ...opener,
    type: z.enum(["INBOUND_HARD_SETTLEMENT", "OUTBOUND_HARD_SETTLEMENT", "TRANSFER"]),
  }),
  z.strictObject({
    ...opener,
    type: z.enum(["INBOUND_AUTHORISATION", "OUTBOUND_AUTHORISATION"]),
    expiresAfterMicros: z
      .string()
      .regex(/^[1-9][0-9]{0,18}$/)
      .transform((text) => BigInt(text))
      .optional(),
    onExpired: z.enum(["REJECT", "CONVERT_TO_HARD_SETTLEMENT"]).optional(),
    allowOverSettlement: z.boolean().optional(),
  }),
  z
    .strictObject({
      ...followUp,
      type: z.literal("AUTHORISATION_ADJUSTMENT"),
      delta: decimal.optional(),
      replaceTo: decimal.optional(),
    })
    .refine(({ delta, replaceTo }) => (delta === undefined) !== (replaceTo === undefined)),
  z.strictObject({
    ...followUp,
    type: z.literal("SETTLEMENT"),
    amount: decimal.optional(),
    final: z.boolean().optional(),
  }),
  z.strictObject({ ...followUp, type: z.literal("RELEASE") }),
  z.strictObject({
    ...instructionBase,
    type: z.literal("CUSTOM_INSTRUCTION"),
    clientTransactionId: z.string().optional(),
    legs: z.array(leg),
    fx: fx.optional(),
    truesUp: z.array(uuid).optional(),
  }),
]);

const commandSchema = z.discriminatedUnion("kind", [
  z.object({
    ...base,
    kind: z.literal("posting"),
    type: z.enum(["DEPOSIT", "WITHDRAWAL", "BOOK_TRANSFER", "REVERSAL", "PAYMENT", "OTHER"]),
    clientBatchId: z.string().optional(),
    valueAt: instant.optional(),
    details: json.optional(),
    clientId: z.string().optional(),
    instructions: z.array(instruction),
    reversal: z.strictObject({ id: uuid, mode: z.enum(["NOW", "AT_ORIGINAL_VALUE"]) }).optional(),
    account: uuid.optional(),
    amount: money.optional(),
    origin: z.enum(["CLIENT", "CONTRACT", "EXPIRY"]).optional(),
    permissions: z.array(z.string()).optional(),
    emittedBy: z.strictObject({ accountId: uuid, cascadeDepth: z.number().int().min(1) }).optional(),
    execution: executionSchema.optional(),
    notifications: z.array(z.strictObject({ type: z.string(), details: json.optional() })).optional(),
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
  z.object({ ...base, kind: z.literal("terms"), change: termsChangeSchema }),
]);
