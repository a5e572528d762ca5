import type { AuditJson } from "./canonical-json.js";
import {
  RECORD_VERSION,
  recordText,
  USUAL_ADDRESS,
  USUAL_ASSET,
  USUAL_PHASE,
  type AuditRecord,
  type BatchRecord,
  type InstructionPart,
  type OperationPart,
  type PostingPart,
  type ResourceRecord,
} from "./record.js";

/** What should be a canonical text and is none. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

/** Reads a canonical text of any version there was. Throws RecordError for every other text, however like one it looks. */
export function parseRecord(text: string): AuditRecord {
  const record = toRecord(parseJson(text));
  if (recordText(record) !== text) throw new RecordError("the record is not written as records are");
  return record;
}

export function parseJson(text: string): AuditJson {
  try {
    const value: AuditJson = JSON.parse(text);
    return value;
  } catch {
    throw new RecordError("this is no JSON");
  }
}

/** The members of a record without looking at how it was written; only `parseRecord` proves the text. */
export function toRecord(value: AuditJson): AuditRecord {
  const source = toMembers(value);
  if (source["v"] !== RECORD_VERSION)
    throw new RecordError(`the record has version ${String(source["v"])}; this verifier knows ${RECORD_VERSION}`);
  if (source["record"] === "batch") return toBatch(source);
  if (source["record"] === "resource") return toResource(source);
  throw new RecordError("the record is neither a batch nor a resource");
}

type Members = Readonly<Record<string, AuditJson | undefined>>;

export function toMembers(value: AuditJson | undefined): Members {
  if (value === null || typeof value !== "object" || isList(value)) throw new RecordError("this is no JSON object");
  return value;
}

function isList(value: AuditJson | undefined): value is readonly AuditJson[] {
  return Array.isArray(value);
}

export function textOf(source: Members, name: string): string {
  const value = source[name];
  if (typeof value !== "string") throw new RecordError(`${name} is missing or no text`);
  return value;
}

const textOr = (source: Members, name: string, usual: string): string =>
  source[name] === undefined ? usual : textOf(source, name);
const findText = (source: Members, name: string): string | undefined =>
  source[name] === undefined ? undefined : textOf(source, name);

export function numberOf(source: Members, name: string): number {
  const value = source[name];
  if (typeof value !== "number") throw new RecordError(`${name} is missing or no number`);
  return value;
}

const findNumber = (source: Members, name: string): number | undefined =>
  source[name] === undefined ? undefined : numberOf(source, name);

export function listOf(source: Members, name: string): readonly AuditJson[] {
  const value = source[name];
  if (!isList(value)) throw new RecordError(`${name} is missing or no list`);
  return value;
}

function toResource(source: Members): ResourceRecord {
  return {
    seq: textOf(source, "seq"),
    knownAt: textOf(source, "knownAt"),
    kind: textOf(source, "kind"),
    key: textOf(source, "key"),
    principal: textOf(source, "principal"),
    correlationId: textOf(source, "correlationId"),
    body: textOf(source, "body"),
  };
}

function toBatch(source: Members): BatchRecord {
  const valueAt = textOf(source, "valueAt");
  const bookedAt = textOf(source, "bookedAt");
  return {
    seq: textOf(source, "seq"),
    knownAt: textOf(source, "knownAt"),
    batchId: textOf(source, "batchId"),
    clientId: textOf(source, "clientId"),
    clientBatchId: findText(source, "clientBatchId"),
    origin: textOf(source, "origin"),
    emittedBy: findText(source, "emittedBy"),
    cascadeDepth: findNumber(source, "cascadeDepth"),
    status: textOf(source, "status"),
    valueAt,
    bookedAt,
    rejections: source["rejections"] ?? null,
    remarks: source["remarks"],
    detailsDigest: findText(source, "detailsDigest"),
    operation: source["operation"] === undefined ? undefined : toOperation(toMembers(source["operation"])),
    instructions: listOf(source, "instructions").map((one) => toInstruction(toMembers(one))),
    postings: listOf(source, "postings").map((one) => toPosting(toMembers(one), valueAt, bookedAt)),
  };
}

function toOperation(source: Members): OperationPart {
  return {
    operationId: textOf(source, "operationId"),
    principal: textOf(source, "principal"),
    idempotencyKey: textOf(source, "idempotencyKey"),
    fingerprint: textOf(source, "fingerprint"),
    type: textOf(source, "type"),
    status: textOf(source, "status"),
    rejectionCode: findText(source, "rejectionCode"),
    rejectionMessage: findText(source, "rejectionMessage"),
    accountId: findText(source, "accountId"),
    amount: findText(source, "amount"),
    denomination: findText(source, "denomination"),
    correlationId: textOf(source, "correlationId"),
    createdAt: textOf(source, "createdAt"),
    completedAt: textOf(source, "completedAt"),
  };
}

function toInstruction(source: Members): InstructionPart {
  return {
    ordinal: numberOf(source, "ordinal"),
    type: textOf(source, "type"),
    clientId: findText(source, "clientId"),
    clientTransactionId: textOf(source, "clientTransactionId"),
    terms: source["terms"],
    effect: source["effect"],
    reversesBatchId: findText(source, "reversesBatchId"),
    reversesOrdinal: findNumber(source, "reversesOrdinal"),
  };
}

function toPosting(source: Members, valueAt: string, bookedAt: string): PostingPart {
  return {
    ordinal: numberOf(source, "ordinal"),
    accountId: textOf(source, "accountId"),
    accountSeq: textOf(source, "accountSeq"),
    address: textOr(source, "address", USUAL_ADDRESS),
    asset: textOr(source, "asset", USUAL_ASSET),
    denomination: textOf(source, "denomination"),
    phase: textOr(source, "phase", USUAL_PHASE),
    side: textOf(source, "side"),
    amount: textOf(source, "amount"),
    valueAt: textOr(source, "valueAt", valueAt),
    bookedAt: textOr(source, "bookedAt", bookedAt),
    committedAfter: textOf(source, "committedAfter"),
    pendingInAfter: textOf(source, "pendingInAfter"),
    pendingOutAfter: textOf(source, "pendingOutAfter"),
  };
}
