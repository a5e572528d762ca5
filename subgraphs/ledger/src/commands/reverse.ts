import { assertInput, notFound, parseId, RequestError, type FieldFault, type Uuid } from "@florin/kernel";
import { mayReverseBatch, postingPermissions, signedInViewer } from "../access.js";
import type { BatchRow, LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { performOperation } from "./await-outcome.js";
import { checkKey, parseWaitMs } from "./parse-input.js";

export interface ReverseInput {
  /** `pib_…` or `op_…`. */
  readonly id: string;
  readonly idempotencyKey: string;
  readonly waitMs?: number | null | undefined;
  readonly mode?: "NOW" | "AT_ORIGINAL_VALUE" | null | undefined;
}

/**
 * Books a batch back, all of it, at most once (T-8). Throws BAD_USER_INPUT with every fault, and NOT_FOUND for a batch that is not there or
 * that is not the caller's to reverse. That it cannot be reversed, or was before, is a result.
 */
export async function reverse(context: LedgerContext, input: ReverseInput): Promise<OperationRecord> {
  const faults: FieldFault[] = [];
  checkKey(input.idempotencyKey, faults);
  const waitMs = parseWaitMs(input.waitMs, faults);
  assertInput(faults);
  const batch = await findBatch(context, input.id);
  if (batch === undefined || !mayReverseBatch(context, batch)) throw notFound("batch or operation");
  const mode = input.mode ?? "NOW";
  return performOperation(context, {
    idempotencyKey: input.idempotencyKey,
    waitMs,
    fingerprinted: { mutation: "reverse", id: input.id, mode },
    posting: {
      type: "REVERSAL",
      instructions: [],
      reversal: { id: batch.batchId, mode },
      permissions: postingPermissions(signedInViewer(context)),
    },
  });
}

async function findBatch(context: LedgerContext, id: string): Promise<BatchRow | undefined> {
  const batchId = parseId("batch", id);
  if (batchId !== undefined) {
    // While a batch waits it is known by its operation's id; that name goes on leading to it when it is decided.
    return (await context.readers.findBatch(batchId)) ?? (await findBatchOfOperation(context, batchId));
  }
  const operationId = parseId("operation", id);
  return operationId === undefined ? undefined : await findBatchOfOperation(context, operationId);
}

async function findBatchOfOperation(context: LedgerContext, operationId: Uuid): Promise<BatchRow | undefined> {
  const operation = await context.readers.findOperation(operationId);
  if (operation === undefined) return undefined;
  if (operation.batchId !== undefined) return context.readers.findBatch(operation.batchId);
  const isTheirs =
    operation.principal === context.viewer?.principal || context.viewer?.roles.includes("STAFF") === true;
  if (!isTheirs) return undefined;
  throw new RequestError("BAD_USER_INPUT", "This operation is not decided yet.", {
    fields: [{ path: "input.id", code: "OPERATION_PENDING", message: "Wait until it is COMPLETED, then reverse it." }],
  });
}
