import { mayDo } from "@florin/auth";
import {
  assertInput,
  formatInstant,
  parseInstructedMoney,
  RequestError,
  type FieldFault,
  type Instant,
} from "@florin/kernel";
import { signedInViewer } from "../access.js";
import type { LedgerContext } from "../context.js";
import type { OperationRecord, ProposedInstruction } from "../writer/command.js";
import { performOperation } from "./await-outcome.js";
import { checkKey, checkText, parseAccountId, parseDetails, parseWaitMs } from "./parse-input.js";

type Money = { readonly amount: string; readonly currency: string };

interface HardSettlementInput {
  readonly targetAccountId: string;
  readonly internalAccountId: string;
  readonly amount: Money;
  readonly clientTransactionId?: string | null | undefined;
  readonly advice?: boolean | null | undefined;
  readonly details?: unknown;
}

interface TransferInstructionInput {
  readonly debtorAccountId: string;
  readonly creditorAccountId: string;
  readonly amount: Money;
  readonly clientTransactionId?: string | null | undefined;
}

interface InstructionInput {
  readonly inboundHardSettlement?: HardSettlementInput | null | undefined;
  readonly outboundHardSettlement?: HardSettlementInput | null | undefined;
  readonly transfer?: TransferInstructionInput | null | undefined;
}

export interface PostInstructionBatchInput {
  readonly clientBatchId?: string | null | undefined;
  readonly instructions: readonly InstructionInput[];
  readonly valueAt?: Instant | null | undefined;
  readonly details?: unknown;
  readonly idempotencyKey: string;
  readonly waitMs?: number | null | undefined;
}

const MAX_INSTRUCTIONS = 100;

/**
 * A partner's batch: all instructions or none (PIB-1). Throws BAD_USER_INPUT with every fault of every instruction; what the
 * accounts do not allow is a rejected batch, a result with all violations.
 */
export async function postInstructionBatch(
  context: LedgerContext,
  input: PostInstructionBatchInput,
): Promise<OperationRecord> {
  if (!mayDo(signedInViewer(context), "posting:write").allowed)
    throw new RequestError("FORBIDDEN", "This needs the scope posting:write. Ask for it to be added to your key.");
  const faults: FieldFault[] = [];
  checkKey(input.idempotencyKey, faults);
  checkText(input.clientBatchId, "input.clientBatchId", faults);
  const waitMs = parseWaitMs(input.waitMs, faults);
  const details = parseDetails(input.details, "input.details", faults);
  const instructions = await parseInstructions(context, input.instructions, faults);
  assertInput(faults);

  return performOperation(context, {
    idempotencyKey: input.idempotencyKey,
    waitMs,
    fingerprinted: {
      mutation: "postInstructionBatch",
      clientBatchId: input.clientBatchId ?? undefined,
      instructions: input.instructions,
      valueAt: isGiven(input.valueAt) ? formatInstant(input.valueAt) : undefined,
      details,
    },
    posting: {
      type: "OTHER",
      clientBatchId: input.clientBatchId ?? undefined,
      valueAt: input.valueAt ?? undefined,
      details,
      instructions,
    },
  });
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

async function parseInstructions(
  context: LedgerContext,
  inputs: readonly InstructionInput[],
  faults: FieldFault[],
): Promise<readonly ProposedInstruction[]> {
  if (inputs.length < 1 || inputs.length > MAX_INSTRUCTIONS) {
    faults.push({
      path: "input.instructions",
      code: "LIST_SIZE",
      message: `Send 1 to ${MAX_INSTRUCTIONS} instructions; more go into further batches.`,
    });
    return [];
  }
  const parsed = await Promise.all(
    inputs.map((input, index) => parseInstruction(context, input, `input.instructions.${index}`, faults)),
  );
  return parsed.filter((instruction) => instruction !== undefined);
}

async function parseInstruction(
  context: LedgerContext,
  input: InstructionInput,
  path: string,
  faults: FieldFault[],
): Promise<ProposedInstruction | undefined> {
  const { inboundHardSettlement: inbound, outboundHardSettlement: outbound, transfer } = input;
  if ([inbound, outbound, transfer].filter(isGiven).length !== 1) {
    faults.push({
      path,
      code: "ONE_OF",
      message: "Set exactly one of inboundHardSettlement, outboundHardSettlement, transfer.",
    });
    return undefined;
  }
  if (isGiven(inbound))
    return parseSettlement(context, "INBOUND_HARD_SETTLEMENT", inbound, `${path}.inboundHardSettlement`, faults);
  if (isGiven(outbound))
    return parseSettlement(context, "OUTBOUND_HARD_SETTLEMENT", outbound, `${path}.outboundHardSettlement`, faults);
  return isGiven(transfer) ? parseTransfer(transfer, `${path}.transfer`, faults) : undefined;
}

async function parseSettlement(
  context: LedgerContext,
  type: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT",
  input: HardSettlementInput,
  path: string,
  faults: FieldFault[],
): Promise<ProposedInstruction | undefined> {
  const money = parseInstructedMoney(input.amount, `${path}.amount`, faults);
  checkText(input.clientTransactionId, `${path}.clientTransactionId`, faults);
  const details = parseDetails(input.details, `${path}.details`, faults);
  const internalId = parseAccountId(input.internalAccountId);
  const internal = await context.readers.findAccount(internalId);
  if (internal?.kind !== "INTERNAL")
    faults.push({
      path: `${path}.internalAccountId`,
      code: "NOT_INTERNAL_ACCOUNT",
      message: "Name an internal account, such as the one that internalAccount finds for CASH_IN and your currency.",
    });
  if (money === undefined) return undefined;
  return {
    type,
    target: { accountId: parseAccountId(input.targetAccountId) },
    counterparty: { accountId: internalId },
    money,
    clientTransactionId: input.clientTransactionId ?? undefined,
    advice: input.advice ?? false,
    details,
  };
}

function parseTransfer(
  input: TransferInstructionInput,
  path: string,
  faults: FieldFault[],
): ProposedInstruction | undefined {
  const money = parseInstructedMoney(input.amount, `${path}.amount`, faults);
  checkText(input.clientTransactionId, `${path}.clientTransactionId`, faults);
  if (money === undefined) return undefined;
  return {
    type: "TRANSFER",
    target: { accountId: parseAccountId(input.debtorAccountId) },
    counterparty: { accountId: parseAccountId(input.creditorAccountId) },
    money,
    clientTransactionId: input.clientTransactionId ?? undefined,
  };
}
