import {
  amountFromNumeric,
  amountToNumeric,
  formatId,
  notFound,
  parseCurrency,
  parseId,
  type Instant,
  type Uuid,
} from "@florin/kernel";
import { mayReadBatch } from "../access.js";
import type { BatchRow, InstructionRow, LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { toAccountReference } from "./account-reference.js";

/** A batch with its outcome, or one that still waits for the writer. */
export type BatchView = Omit<BatchRow, "status" | "seq" | "knownAt"> & {
  readonly status: "PENDING" | "ACCEPTED" | "REJECTED";
  readonly seq: bigint | null;
  readonly knownAt: Instant | null;
};

/** null when there is none that the viewer may see. */
export async function findReadableBatch(context: LedgerContext, batchId: Uuid): Promise<BatchView | null> {
  const batch = await context.readers.findBatch(batchId);
  return batch !== undefined && mayReadBatch(context, batch) ? batch : null;
}

export async function getReadableBatch(context: LedgerContext, id: string): Promise<BatchView> {
  const batchId = parseId("batch", id);
  const batch =
    batchId === undefined
      ? null
      : ((await findReadableBatch(context, batchId)) ?? (await findBatchByOperation(context, batchId)));
  if (batch === null) throw notFound("batch");
  return batch;
}

/** While a batch waits it is known by its operation's id; that name goes on leading to it when it is decided. */
async function findBatchByOperation(context: LedgerContext, operationId: Uuid): Promise<BatchView | null> {
  const operation = await context.readers.findOperation(operationId);
  if (operation === undefined) return null;
  if (operation.batchId !== undefined) return findReadableBatch(context, operation.batchId);
  const batch = waitingBatch(operation);
  return mayReadBatch(context, batch) ? batch : null;
}

function waitingBatch(operation: OperationRecord): BatchView {
  return {
    batchId: operation.operationId,
    clientId: operation.principal,
    status: "PENDING",
    seq: null,
    knownAt: null,
    rejections: [],
    proposed: null,
    valueAt: operation.createdAt,
    bookedAt: operation.createdAt,
  };
}

/** Of the caller's own operation, in whatever state it has reached. */
export async function batchOfOperation(context: LedgerContext, operation: OperationRecord): Promise<BatchView> {
  if (operation.batchId === undefined) return waitingBatch(operation);
  const batch = await context.readers.findBatch(operation.batchId);
  if (batch === undefined) throw new Error(`operation ${operation.operationId} has no batch ${operation.batchId}`);
  return batch;
}

interface InstructionView extends InstructionRow {
  readonly id: string;
}

/** `pi_` and the batch's own characters, then its place in the batch. */
function toInstructionView(row: InstructionRow): InstructionView {
  return { ...row, id: `${formatId("instruction", row.batchId)}_${row.ordinal}` };
}

const INSTRUCTION_ID = /^(pi_[0-9a-z]{26})_(0|[1-9][0-9]{0,2})$/;

async function getReadableInstruction(context: LedgerContext, id: string): Promise<InstructionView> {
  const match = INSTRUCTION_ID.exec(id);
  const batchId = match === null ? undefined : parseId("instruction", match[1]!);
  const batch = batchId === undefined ? null : await findReadableBatch(context, batchId);
  const rows = batch === null ? [] : await context.readers.listInstructions(batch.batchId);
  const row = rows.find((one) => one.ordinal.toString() === match?.[2]);
  if (row === undefined) throw notFound("instruction");
  return toInstructionView(row);
}

export const PostingInstructionBatch = {
  __resolveReference: (reference: { readonly id: string }, context: LedgerContext) =>
    getReadableBatch(context, reference.id),
  id: (batch: BatchView) => formatId("batch", batch.batchId),
  /** A rejected or waiting batch has moved nothing, so it has no instructions to show; its rejections name them by index. */
  instructions: async (batch: BatchView, _args: unknown, context: LedgerContext) =>
    batch.status === "ACCEPTED" ? (await context.readers.listInstructions(batch.batchId)).map(toInstructionView) : [],
};

export const PostingInstruction = {
  __resolveReference: (reference: { readonly id: string }, context: LedgerContext) =>
    getReadableInstruction(context, reference.id),
};

type PostingView = InstructionRow["postings"][number];

export const Posting = {
  account: (posting: PostingView) => toAccountReference(posting.accountId),
  amount: ({ amount, denomination }: PostingView) => {
    const currency = parseCurrency(denomination);
    return currency === undefined ? amount : amountToNumeric(amountFromNumeric(amount, currency), currency);
  },
};
