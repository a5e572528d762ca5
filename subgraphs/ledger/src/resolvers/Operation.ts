import { formatId, notFound, parseId } from "@florin/kernel";
import { mayReadOperation } from "../access.js";
import type { LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { toAccountReference } from "./account-reference.js";
import { toMoney } from "./money.js";
import { findReadableBatch } from "./PostingInstructionBatch.js";

const POLL_AFTER_MS = 250;

const stages = { PENDING: "WAITING_FOR_LEDGER", COMPLETED: "POSTED", REJECTED: "REJECTED" } as const;

/** Throws NOT_FOUND for an operation that is not there or that the viewer may not see. */
export async function getReadableOperation(context: LedgerContext, id: string): Promise<OperationRecord> {
  const operationId = parseId("operation", id);
  const operation = operationId === undefined ? undefined : await context.readers.findOperation(operationId);
  if (operation === undefined || !(await mayReadOperation(context, operation))) throw notFound("operation");
  return operation;
}

export const Operation = {
  __resolveReference: (reference: { readonly id: string }, context: LedgerContext) =>
    getReadableOperation(context, reference.id),
  id: (operation: OperationRecord) => formatId("operation", operation.operationId),
  amount: ({ amount: money }: OperationRecord) => (money === undefined ? null : toMoney(money.amount, money.currency)),
  account: ({ accountId }: OperationRecord) => (accountId === undefined ? null : toAccountReference(accountId)),
  batch: ({ batchId }: OperationRecord, _args: unknown, context: LedgerContext) =>
    batchId === undefined ? null : findReadableBatch(context, batchId),
  stage: (operation: OperationRecord) => stages[operation.status],
  pollAfterMs: (operation: OperationRecord) => (operation.status === "PENDING" ? POLL_AFTER_MS : null),
};
