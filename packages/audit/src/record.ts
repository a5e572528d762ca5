import { canonicalJson, quote, type AuditJson } from "./canonical-json.js";

/**
 * What the audit chain covers (AUD-1): every committed change of a book is one record with one gapless `seq`, and one text, the same
 * for ever. A batch with its operation, instructions and postings is one record; every other change is a resource record.
 *
 * Canonical text, version 1: JSON without white space; the members in the order in which the interfaces below list them, behind
 * `"v":1` and `"record":"batch"` or `"resource"`; absent members left out; an empty list of rejections, instructions or postings is
 * there as `[]`. Numbers that PostgreSQL keeps exactly are strings: `seq` and `accountSeq` in decimal, amounts as
 * `numeric` prints them, with the digits they were written with. Instants are RFC 3339 in UTC with six digits of fraction. Ids are
 * lower-case UUIDs as the tables hold them; digests lower-case hex. A posting leaves out what says nothing new: address DEFAULT, asset
 * COMMERCIAL_BANK_MONEY, phase COMMITTED, and a valueAt or bookedAt that is its batch's; an instruction a clientId that is its batch's. `rejections`, `remarks`, `terms` and `effect` are canonical JSON (keys
 * sorted). Instructions stand by ordinal, postings by (ordinal, accountId, accountSeq). A new version gets a new number; a verifier
 * reads all that there were.
 *
 * Written once per record on the ledger's write path, so it is strings put together by hand: 2 µs for a transfer of two legs.
 * `record.test.ts` holds it equal to a slow serialiser over the same lists of members.
 */
export const RECORD_VERSION = 1;

// Nearly every posting says these, so none does.
export const USUAL_ADDRESS = "DEFAULT";
export const USUAL_ASSET = "COMMERCIAL_BANK_MONEY";
export const USUAL_PHASE = "COMMITTED";

export type AuditRecord = BatchRecord | ResourceRecord;

export interface BatchRecord {
  readonly seq: string;
  readonly knownAt: string;
  readonly batchId: string;
  readonly clientId: string;
  readonly clientBatchId?: string | undefined;
  /** CLIENT, CONTRACT, EXPIRY, … */
  readonly origin: string;
  readonly emittedBy?: string | undefined;
  readonly cascadeDepth?: number | undefined;
  readonly status: string;
  readonly valueAt: string;
  readonly bookedAt: string;
  /** Of an accepted batch: `[]`. */
  readonly rejections: AuditJson;
  readonly remarks?: AuditJson | undefined;
  /** AUD-4: `digestOfFreeText` of everything a client wrote freely, in hex; absent when nothing was. */
  readonly detailsDigest?: string | undefined;
  /** The operation whose effect this is; a batch of a product or of the expirer may have none. */
  readonly operation?: OperationPart | undefined;
  readonly instructions: readonly InstructionPart[];
  readonly postings: readonly PostingPart[];
}

export interface OperationPart {
  readonly operationId: string;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly type: string;
  readonly status: string;
  readonly rejectionCode?: string | undefined;
  readonly rejectionMessage?: string | undefined;
  readonly accountId?: string | undefined;
  readonly amount?: string | undefined;
  readonly denomination?: string | undefined;
  readonly correlationId: string;
  readonly createdAt: string;
  readonly completedAt: string;
}

export interface InstructionPart {
  readonly ordinal: number;
  readonly type: string;
  /** Absent: the batch's. */
  readonly clientId?: string | undefined;
  readonly clientTransactionId: string;
  readonly terms?: AuditJson | undefined;
  readonly effect?: AuditJson | undefined;
  readonly reversesBatchId?: string | undefined;
  readonly reversesOrdinal?: number | undefined;
}

export interface PostingPart {
  /** Of its instruction. */
  readonly ordinal: number;
  readonly accountId: string;
  readonly accountSeq: string;
  readonly address: string;
  readonly asset: string;
  readonly denomination: string;
  readonly phase: string;
  readonly side: string;
  readonly amount: string;
  readonly valueAt: string;
  readonly bookedAt: string;
  readonly committedAfter: string;
  readonly pendingInAfter: string;
  readonly pendingOutAfter: string;
}

/** A change that is no batch: an account opened or closed, a parameter, a flag, a restriction, a product version, … */
export interface ResourceRecord {
  readonly seq: string;
  readonly knownAt: string;
  /** account.opened, parameter.changed, … */
  readonly kind: string;
  /** The thing's id at the border. */
  readonly key: string;
  readonly principal: string;
  readonly correlationId: string;
  /** JSON as text, as it was written: hashed as a string, letter by letter. */
  readonly body: string;
}

export function isBatchRecord(record: AuditRecord): record is BatchRecord {
  return "batchId" in record;
}

/** The canonical text: what the chain links and the Merkle tree's leaves hash. Instructions and postings may come in any order. */
export function recordText(record: AuditRecord): string {
  return isBatchRecord(record) ? batchText(record) : resourceText(record);
}

function resourceText(r: ResourceRecord): string {
  return `{"v":1,"record":"resource","seq":"${r.seq}","knownAt":"${r.knownAt}","kind":${quote(r.kind)},"key":${quote(
    r.key,
  )},"principal":${quote(r.principal)},"correlationId":${quote(r.correlationId)},"body":${quote(r.body)}}`;
}

function batchText(r: BatchRecord): string {
  let text = `{"v":1,"record":"batch","seq":"${r.seq}","knownAt":"${r.knownAt}","batchId":"${r.batchId}","clientId":${quote(r.clientId)}`;
  if (r.clientBatchId !== undefined) text += `,"clientBatchId":${quote(r.clientBatchId)}`;
  text += `,"origin":${quote(r.origin)}`;
  if (r.emittedBy !== undefined) text += `,"emittedBy":"${r.emittedBy}"`;
  if (r.cascadeDepth !== undefined) text += `,"cascadeDepth":${r.cascadeDepth}`;
  text += `,"status":${quote(r.status)},"valueAt":"${r.valueAt}","bookedAt":"${r.bookedAt}","rejections":${canonicalJson(r.rejections)}`;
  if (isSaid(r.remarks)) text += `,"remarks":${canonicalJson(r.remarks)}`;
  if (r.detailsDigest !== undefined) text += `,"detailsDigest":"${r.detailsDigest}"`;
  if (r.operation !== undefined) text += `,"operation":${operationText(r.operation)}`;
  text += ',"instructions":[';
  const instructions = inOrder(r.instructions, byOrdinal);
  for (let i = 0; i < instructions.length; i++) text += (i === 0 ? "" : ",") + instructionText(instructions[i]!, r);
  text += '],"postings":[';
  const postings = inOrder(r.postings, byPlace);
  for (let i = 0; i < postings.length; i++) text += (i === 0 ? "" : ",") + postingText(postings[i]!, r);
  return `${text}]}`;
}

function operationText(o: OperationPart): string {
  let text = `{"operationId":"${o.operationId}","principal":${quote(o.principal)},"idempotencyKey":${quote(
    o.idempotencyKey,
  )},"fingerprint":${quote(o.fingerprint)},"type":${quote(o.type)},"status":${quote(o.status)}`;
  if (o.rejectionCode !== undefined) text += `,"rejectionCode":${quote(o.rejectionCode)}`;
  if (o.rejectionMessage !== undefined) text += `,"rejectionMessage":${quote(o.rejectionMessage)}`;
  if (o.accountId !== undefined) text += `,"accountId":"${o.accountId}"`;
  if (o.amount !== undefined) text += `,"amount":"${o.amount}"`;
  if (o.denomination !== undefined) text += `,"denomination":${quote(o.denomination)}`;
  return `${text},"correlationId":${quote(o.correlationId)},"createdAt":"${o.createdAt}","completedAt":"${o.completedAt}"}`;
}

function instructionText(i: InstructionPart, batch: BatchRecord): string {
  let text = `{"ordinal":${i.ordinal},"type":${quote(i.type)}`;
  if (i.clientId !== undefined && i.clientId !== batch.clientId) text += `,"clientId":${quote(i.clientId)}`;
  text += `,"clientTransactionId":${quote(i.clientTransactionId)}`;
  if (isSaid(i.terms)) text += `,"terms":${canonicalJson(i.terms)}`;
  if (isSaid(i.effect)) text += `,"effect":${canonicalJson(i.effect)}`;
  if (i.reversesBatchId !== undefined) text += `,"reversesBatchId":"${i.reversesBatchId}"`;
  if (i.reversesOrdinal !== undefined) text += `,"reversesOrdinal":${i.reversesOrdinal}`;
  return `${text}}`;
}

function postingText(p: PostingPart, batch: BatchRecord): string {
  let text = `{"ordinal":${p.ordinal},"accountId":"${p.accountId}","accountSeq":"${p.accountSeq}"`;
  if (p.address !== USUAL_ADDRESS) text += `,"address":${quote(p.address)}`;
  if (p.asset !== USUAL_ASSET) text += `,"asset":${quote(p.asset)}`;
  text += `,"denomination":${quote(p.denomination)}`;
  if (p.phase !== USUAL_PHASE) text += `,"phase":${quote(p.phase)}`;
  text += `,"side":${quote(p.side)},"amount":"${p.amount}"`;
  if (p.valueAt !== batch.valueAt) text += `,"valueAt":"${p.valueAt}"`;
  if (p.bookedAt !== batch.bookedAt) text += `,"bookedAt":"${p.bookedAt}"`;
  return `${text},"committedAfter":"${p.committedAfter}","pendingInAfter":"${p.pendingInAfter}","pendingOutAfter":"${p.pendingOutAfter}"}`;
}

/** A `jsonb` column that holds JSON's null reads as one that holds nothing. */
function isSaid(value: AuditJson | undefined): value is AuditJson {
  return value !== undefined && value !== null;
}

function byOrdinal(a: InstructionPart, b: InstructionPart): number {
  return a.ordinal - b.ordinal;
}

function byPlace(a: PostingPart, b: PostingPart): number {
  if (a.ordinal !== b.ordinal) return a.ordinal - b.ordinal;
  if (a.accountId !== b.accountId) return a.accountId < b.accountId ? -1 : 1;
  // Decimal without leading zeros: the longer is the greater.
  if (a.accountSeq.length !== b.accountSeq.length) return a.accountSeq.length - b.accountSeq.length;
  return a.accountSeq < b.accountSeq ? -1 : a.accountSeq > b.accountSeq ? 1 : 0;
}

/** Mostly they are in order already, and then nothing is copied. */
function inOrder<Part>(parts: readonly Part[], compare: (a: Part, b: Part) => number): readonly Part[] {
  for (let i = 1; i < parts.length; i++) if (compare(parts[i - 1]!, parts[i]!) > 0) return [...parts].sort(compare);
  return parts;
}
