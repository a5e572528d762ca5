import { mayDo } from "@florin/auth";
import { assertInput, formatInstant, RequestError, type FieldFault, type Instant } from "@florin/kernel";
import { postingPermissions, signedInViewer } from "../access.js";
import type { LedgerContext } from "../context.js";
import type { OperationRecord, ProposedInstruction } from "../writer/command.js";
import { performOperation } from "./await-outcome.js";
import { checkKey, checkText, parseDetails, parseWaitMs } from "./parse-input.js";
import { parseInstruction, type InstructionInput } from "./parse-instruction.js";

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
      permissions: postingPermissions(signedInViewer(context)),
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
