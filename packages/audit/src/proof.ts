import { canonicalJson, type AuditJson } from "./canonical-json.js";
import { linkOf } from "./chain.js";
import { parseCheckpoint, verifyCheckpoint, type Checkpoint } from "./checkpoint.js";
import { createSpanHasher, inclusionSpans, leafHash, verifyInclusion } from "./merkle.js";
import { listOf, parseJson, parseRecord, textOf, toMembers } from "./parse-record.js";
import { isBatchRecord, type AuditRecord, type PostingPart } from "./record.js";

/**
 * That one thing was booked as it is told (AUD-3): its record, the link before it, the hashes from its leaf to the root, and the signed
 * checkpoint with that root. Whoever has the key needs nothing else. One line of canonical JSON; every bit of it counts.
 *
 *     {"checkpoint":"<signed note>","florinAuditProof":1,"path":["<hex>",…],"previousLink":"<hex>","record":"<canonical text>","subject":"…"}
 */
export type ProofSubject =
  | { readonly kind: "batch"; readonly id: string }
  | { readonly kind: "operation"; readonly id: string }
  /** One leg, and the balances of its account behind it. */
  | { readonly kind: "posting"; readonly id: string; readonly accountSeq: string };

export class ProofError extends Error {
  override readonly name = "ProofError";
}

export interface Proven {
  readonly subject: ProofSubject;
  readonly record: AuditRecord;
  readonly checkpoint: Checkpoint;
  /** Of subject `posting`. */
  readonly posting: PostingPart | undefined;
}

const PROOF_VERSION = 1;
const HEX_HASH = /^[0-9a-f]{64}$/;

/** Give it the links of all records that the checkpoint covers, in order; then `finish`. Throws ProofError when nothing can be proven. */
export function createProofBuilder(parts: {
  readonly subject: ProofSubject;
  /** Canonical text. */
  readonly record: string;
  readonly previousLink: Uint8Array;
  readonly checkpointNote: string;
}) {
  const { subject, record, previousLink, checkpointNote } = parts;
  const checkpoint = parseCheckpoint(checkpointNote);
  const index = placeIn(checkpoint, BigInt(parseRecord(record).seq));
  const hasher = createSpanHasher(inclusionSpans(index, checkpoint.size));
  return {
    append: (link: Uint8Array): void => hasher.append(leafHash(link)),
    finish: (): string => proofText({ subject, record, previousLink, path: hasher.hashes(), checkpointNote }),
  };
}

function placeIn({ seq, size }: Checkpoint, wanted: bigint): number {
  const index = Number(wanted - (seq - BigInt(size) + 1n));
  if (index < 0) throw new ProofError(`Record ${wanted} is older than the chain: no checkpoint covers it.`);
  if (index >= size)
    throw new ProofError(
      `The checkpoint covers records up to ${seq}, not ${wanted}. Take a later one, or wait for the next.`,
    );
  return index;
}

function proofText(parts: {
  readonly subject: ProofSubject;
  readonly record: string;
  readonly previousLink: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly checkpointNote: string;
}): string {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  return canonicalJson({
    florinAuditProof: PROOF_VERSION,
    checkpoint: parts.checkpointNote,
    path: parts.path.map(hex),
    previousLink: hex(parts.previousLink),
    record: parts.record,
    subject: subjectText(parts.subject),
  });
}

function subjectText(subject: ProofSubject): string {
  return subject.kind === "posting" ? `posting ${subject.id} ${subject.accountSeq}` : `${subject.kind} ${subject.id}`;
}

function parseSubject(text: string): ProofSubject {
  const [kind, id, accountSeq, ...rest] = text.split(" ");
  if (id !== undefined && rest.length === 0) {
    if (kind === "posting" && accountSeq !== undefined) return { kind, id, accountSeq };
    if ((kind === "batch" || kind === "operation") && accountSeq === undefined) return { kind, id };
  }
  throw new ProofError("The proof does not say of what.");
}

/** Throws ProofError, CheckpointError or RecordError with the first thing that does not hold. */
export function verifyProof(text: string, verifierKey: string): Proven {
  const source = toMembers(parseJson(text));
  if (source["florinAuditProof"] !== PROOF_VERSION) throw new ProofError("This is no audit proof of version 1.");
  const note = textOf(source, "checkpoint");
  const recordText = textOf(source, "record");
  const previousLink = hashOf(textOf(source, "previousLink"));
  const path = listOf(source, "path").map((one: AuditJson) => hashOf(typeof one === "string" ? one : ""));
  const subject = parseSubject(textOf(source, "subject"));
  const again = proofText({ subject, record: recordText, previousLink, path, checkpointNote: note });
  if (again !== text) throw new ProofError("The proof is not written as proofs are.");

  // The signature is the dear part, so it comes last; nothing is told before it.
  const claimed = parseCheckpoint(note);
  const record = parseRecord(recordText);
  const leaf = leafHash(linkOf(previousLink, recordText));
  const index = placeIn(claimed, BigInt(record.seq));
  if (!verifyInclusion({ leaf, index, size: claimed.size, root: claimed.root, proof: path }))
    throw new ProofError(`Record ${record.seq} is not in the tree of the checkpoint as the proof has it.`);
  const posting = findSubject(record, subject);
  return { subject, record, checkpoint: verifyCheckpoint(note, verifierKey), posting };
}

function hashOf(text: string): Uint8Array {
  if (!HEX_HASH.test(text)) throw new ProofError("A hash of the proof is none.");
  return Buffer.from(text, "hex");
}

/** The subject's own leg; throws when the record is about something else. */
function findSubject(record: AuditRecord, subject: ProofSubject): PostingPart | undefined {
  if (!isBatchRecord(record)) throw new ProofError("The record is no batch.");
  if (subject.kind === "posting") {
    const posting = record.postings.find(
      (one) => one.accountId === subject.id && one.accountSeq === subject.accountSeq,
    );
    if (posting !== undefined) return posting;
  }
  if (subject.kind === "batch" && record.batchId === subject.id) return undefined;
  if (subject.kind === "operation" && record.operation?.operationId === subject.id) return undefined;
  throw new ProofError("The record is not about what the proof says.");
}
