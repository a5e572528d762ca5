import {
  digestOfFreeText,
  hasFreeText,
  linkOf,
  recordText,
  type AuditJson,
  type BatchRecord,
  type FreeText,
  type InstructionPart,
  type OperationPart,
} from "@florin/audit";
import { amountToNumeric, formatInstant, type Instant } from "@florin/kernel";
import type { NewBatch, NewInstruction, NewOperation, NewPosting, NewResourceChange } from "@florin/db/ledger";

/** The records of one commit, each list in the order of `seq`. */
export interface UnsealedRecords {
  readonly operations: readonly NewOperation[];
  readonly batches: readonly NewBatch[];
  readonly instructions: readonly NewInstruction[];
  readonly postings: readonly NewPosting[];
  readonly resourceChanges: readonly Omit<NewResourceChange, "link">[];
}

export interface SealedRecords {
  /** Of the last record. */
  readonly link: Uint8Array;
  readonly resourceChanges: readonly NewResourceChange[];
}

/**
 * Chains the records of a commit, in the order of `seq`, behind the link of the book's head (AUD-1, AUD-2): the writer is the sealer, so
 * chain, order and knowledge cannot disagree. Batches are told their links in place. Some 4 µs for a transfer. Without `newSalt` batches get no link, which only a benchmark asks for.
 */
export function sealRecords(
  head: Uint8Array,
  newSalt: (() => Uint8Array) | undefined,
  records: UnsealedRecords,
): SealedRecords {
  let link = head;
  const resourceChanges: NewResourceChange[] = [];
  const sealing = new Sealing(records, newSalt);
  let nextChange = 0;
  const sealChangesBefore = (seq: bigint | undefined): void => {
    for (; nextChange < records.resourceChanges.length; nextChange++) {
      const change = records.resourceChanges[nextChange]!;
      if (seq !== undefined && change.seq > seq) return;
      link = linkOf(link, textOfChange(change));
      resourceChanges.push({ ...change, link });
    }
  };
  if (newSalt === undefined) {
    sealChangesBefore(undefined);
    return { link, resourceChanges };
  }
  for (const batch of records.batches) {
    sealChangesBefore(batch.seq);
    const { record, detailsSalt } = sealing.toRecord(batch);
    link = linkOf(link, recordText(record));
    batch.link = link;
    batch.detailsSalt = detailsSalt;
    batch.detailsDigest = record.detailsDigest;
  }
  sealChangesBefore(undefined);
  return { link, resourceChanges };
}

function textOfChange({ seq, knownAt, ...facts }: Omit<NewResourceChange, "link">): string {
  return recordText({ ...facts, seq: seq.toString(), knownAt: formatInstant(knownAt) });
}

/** Walks the lists side by side: what belongs to a batch stands together, in the order of the batches. */
class Sealing {
  readonly #records: UnsealedRecords;
  readonly #newSalt: (() => Uint8Array) | undefined;
  #operation = 0;
  #instruction = 0;
  #posting = 0;
  #bookedAt: Instant | undefined;
  #bookedAtText = "";

  constructor(records: UnsealedRecords, newSalt: (() => Uint8Array) | undefined) {
    this.#records = records;
    this.#newSalt = newSalt;
  }

  /** The whole commit is booked at one instant. */
  #format(bookedAt: Instant): string {
    if (bookedAt !== this.#bookedAt) {
      this.#bookedAt = bookedAt;
      this.#bookedAtText = formatInstant(bookedAt);
    }
    return this.#bookedAtText;
  }

  toRecord(batch: NewBatch): { readonly record: BatchRecord; readonly detailsSalt: Uint8Array | undefined } {
    const { operations, instructions, postings } = this.#records;
    const { batchId } = batch;
    while (this.#operation < operations.length && operations[this.#operation]?.batchId === undefined) this.#operation++;
    const operation = operations[this.#operation]?.batchId === batchId ? operations[this.#operation++] : undefined;
    const own: NewInstruction[] = [];
    while (instructions[this.#instruction]?.batchId === batchId) own.push(instructions[this.#instruction++]!);
    const legs: NewPosting[] = [];
    while (postings[this.#posting]?.batchId === batchId) legs.push(postings[this.#posting++]!);
    const bookedAt = this.#format(batch.bookedAt);
    const valueAt = batch.valueAt === batch.bookedAt ? bookedAt : formatInstant(batch.valueAt);
    const freeText = freeTextOf(batch, own);
    const detailsSalt = hasFreeText(freeText) ? this.#newSalt?.() : undefined;
    const { emittedBy } = batch;
    const record: BatchRecord = {
      seq: batch.seq.toString(),
      knownAt: formatInstant(batch.knownAt),
      batchId,
      clientId: batch.clientId,
      clientBatchId: batch.clientBatchId,
      origin: batch.origin,
      emittedBy: emittedBy?.accountId,
      cascadeDepth: emittedBy?.cascadeDepth,
      status: batch.status,
      valueAt,
      bookedAt,
      rejections: batch.rejections,
      remarks: batch.remarks,
      detailsDigest: detailsSalt && digestOfFreeText(detailsSalt, freeText),
      operation: operation && toOperationPart(operation, bookedAt),
      instructions: own.map(toInstructionPart),
      postings: legs,
    };
    return { record, detailsSalt };
  }
}

function freeTextOf({ details, proposed }: NewBatch, instructions: readonly NewInstruction[]): FreeText {
  const own: { ordinal: number; details: AuditJson }[] = [];
  for (const instruction of instructions)
    if (instruction.details !== undefined) own.push({ ordinal: instruction.ordinal, details: instruction.details });
  return {
    batch: details,
    instructions: own,
    proposed: proposed,
  };
}

function toOperationPart(operation: NewOperation, bookedAt: string): OperationPart {
  const { rejection, amount } = operation;
  return {
    operationId: operation.operationId,
    principal: operation.principal,
    idempotencyKey: operation.idempotencyKey,
    fingerprint: operation.fingerprint,
    type: operation.type,
    status: operation.status,
    rejectionCode: rejection?.code,
    rejectionMessage: rejection?.message,
    accountId: operation.accountId,
    amount: amount && amountToNumeric(amount.amount, amount.currency),
    denomination: amount?.currency,
    correlationId: operation.correlationId,
    createdAt: formatInstant(operation.createdAt),
    completedAt: bookedAt,
  };
}

function toInstructionPart(instruction: NewInstruction): InstructionPart {
  const { reverses } = instruction;
  return reverses === undefined
    ? instruction
    : { ...instruction, reversesBatchId: reverses.batchId, reversesOrdinal: reverses.ordinal };
}
