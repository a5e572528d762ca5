import { createBalanceFold } from "./balance-fold.js";
import { linkOf, GENESIS } from "./chain.js";
import type { Checkpoint } from "./checkpoint.js";
import { digestOfFreeText, SALT_BYTES, type FreeText } from "./free-text.js";
import { createRangeBuilder, isEqual, leafHash } from "./merkle.js";
import { isBatchRecord, recordText, type AuditRecord, type BatchRecord } from "./record.js";

/**
 * Checks a book's whole history, record by record in order of `seq`, wherever it comes from: an export or the tables.
 *
 * Of each record: its place in the order (INV-4, ORD-1), its link (AUD-1), the digest of what is shown of its free text (AUD-4), and the
 * books counted again (INV-1, INV-2, INV-4: balance-fold.ts). Of each checkpoint: that the chain and the tree were so when they had come
 * that far (AUD-2), which a history that was rewritten and chained again does not survive.
 * After a finding it goes on from what is stored, so that one damage is named once and the next one too. Cost: some 50 µs a record;
 * memory: three numbers for each account.
 */
export interface AuditEntry {
  readonly record: AuditRecord;
  /** As it is stored. undefined: the record is older than the chain. */
  readonly link: Uint8Array | undefined;
  /** What the client wrote freely, when it is shown. */
  readonly freeText?: { readonly salt: Uint8Array; readonly text: FreeText } | undefined;
}

export interface HistoryFinding {
  /** Of the first record that is not as it was, as far as this finding knows. */
  readonly seq: string;
  /** The rule that is broken: AUD-1, INV-4, … */
  readonly rule: string;
  readonly what: string;
}

export interface HistoryReport {
  readonly findings: readonly HistoryFinding[];
  /** There were more than `maxFindings`. */
  readonly isCut: boolean;
  readonly firstBadSeq: string | undefined;
  readonly records: number;
  /** Older than the chain: counted again, but held by no link. */
  readonly unchained: number;
  readonly lastSeq: string | undefined;
  readonly knownAt: string | undefined;
  readonly link: Uint8Array;
  readonly treeSize: number;
  readonly treeRoot: Uint8Array;
  /** Checkpoints that the history was found to fit. */
  readonly checkpointsFitted: number;
  /** The last record that a checkpoint covers. What comes after it is held by the chain alone. */
  readonly lastCheckpointSeq: string | undefined;
  /** Records whose free text was shown and fits. */
  readonly freeTextsProven: number;
  /** Records that have a digest but no text: erased, or left out of an export. */
  readonly freeTextsAbsent: number;
}

export interface HistoryCheck {
  add(entry: AuditEntry, text?: string): void;
  /** A record could not be read at all. `seq`: of the record that should stand there. */
  addUnreadable(what: string): void;
  /** The reader met something at this place that belongs to no record. */
  addStray(seq: string, what: string): void;
  finish(): HistoryReport;
}

const DEFAULT_MAX_FINDINGS = 20;
const COUNT = /^[1-9]\d{0,18}$/;

export function createHistoryCheck(options: {
  /** Whose signatures were verified, or whose reader trusts where they come from. */
  readonly checkpoints?: readonly Checkpoint[] | undefined;
  readonly maxFindings?: number | undefined;
}): HistoryCheck {
  return new HistoryWalk(options.checkpoints ?? [], options.maxFindings ?? DEFAULT_MAX_FINDINGS);
}

class HistoryWalk implements HistoryCheck {
  readonly #checkpoints = new Map<string, Checkpoint[]>();
  readonly #maxFindings: number;
  readonly #findings: HistoryFinding[] = [];
  readonly #fold = createBalanceFold();
  readonly #tree = createRangeBuilder();
  #isCut = false;
  #records = 0;
  #unchained = 0;
  #lastSeq = 0n;
  #knownAt: string | undefined;
  /** Of the record before; undefined when that could not be read. */
  #link: Uint8Array | undefined = GENESIS;
  #hasChainBegun = false;
  #isTreeWhole = true;
  #checkpointsFitted = 0;
  #lastCheckpointSeq: string | undefined;
  #freeTextsProven = 0;
  #freeTextsAbsent = 0;

  constructor(checkpoints: readonly Checkpoint[], maxFindings: number) {
    this.#maxFindings = maxFindings;
    for (const checkpoint of checkpoints) {
      const seq = checkpoint.seq.toString();
      this.#checkpoints.set(seq, [...(this.#checkpoints.get(seq) ?? []), checkpoint]);
    }
  }

  add(entry: AuditEntry, text = recordText(entry.record)): void {
    const { record } = entry;
    this.#records++;
    const seq = this.#checkPlace(record);
    this.#checkLink(seq, entry, text);
    if (isBatchRecord(record)) {
      this.#checkFreeText(seq, record, entry);
      for (const what of this.#fold.add(record)) this.#findNamed(seq, what);
    }
    this.#checkCheckpoints(seq, record);
  }

  addUnreadable(what: string): void {
    this.#records++;
    const seq = this.#lastSeq + 1n;
    this.#find(seq.toString(), "AUD-1", what);
    this.#lastSeq = seq;
    this.#link = undefined;
    this.#isTreeWhole = false;
  }

  addStray(seq: string, what: string): void {
    this.#find(seq, "INV-4", what);
  }

  finish(): HistoryReport {
    for (const [seq, [checkpoint]] of this.#checkpoints)
      this.#find(
        seq,
        "AUD-2",
        `the history has no record at the checkpoint of ${checkpoint?.knownAt ?? "?"}; it ends at seq ${this.#lastSeq}`,
      );
    const seqs = this.#findings.map(({ seq }) => BigInt(seq));
    const first = seqs.reduce<bigint | undefined>(
      (least, seq) => (least === undefined || seq < least ? seq : least),
      undefined,
    );
    return {
      findings: this.#findings,
      isCut: this.#isCut,
      firstBadSeq: first?.toString(),
      records: this.#records,
      unchained: this.#unchained,
      lastSeq: this.#lastSeq === 0n ? undefined : this.#lastSeq.toString(),
      knownAt: this.#knownAt,
      link: this.#link ?? GENESIS,
      treeSize: this.#tree.range().size,
      treeRoot: this.#tree.root(),
      checkpointsFitted: this.#checkpointsFitted,
      lastCheckpointSeq: this.#lastCheckpointSeq,
      freeTextsProven: this.#freeTextsProven,
      freeTextsAbsent: this.#freeTextsAbsent,
    };
  }

  /** The place in the order that this record takes: where findings about it are told. */
  #checkPlace({ seq, knownAt }: AuditRecord): string {
    const expected = this.#lastSeq + 1n;
    const place = expected.toString();
    if (seq !== place) this.#find(place, "INV-4", `where seq ${place} should stand, seq ${seq} does`);
    // Behind a gap it goes on; a seq that is too small is damage of its own.
    this.#lastSeq = COUNT.test(seq) && BigInt(seq) > expected ? BigInt(seq) : expected;
    // One format, fixed width, UTC: the order of the text is the order of time.
    if (this.#knownAt !== undefined && knownAt <= this.#knownAt)
      this.#find(place, "ORD-1", `known at ${knownAt}, not later than the record before (${this.#knownAt})`);
    this.#knownAt = knownAt;
    return place;
  }

  #checkLink(seq: string, { link }: AuditEntry, text: string): void {
    if (link === undefined) {
      this.#unchained++;
      if (this.#hasChainBegun) {
        this.#find(seq, "AUD-1", "the record has no link, though the chain began before it");
        this.#link = undefined;
        this.#isTreeWhole = false;
      }
      return;
    }
    this.#hasChainBegun = true;
    if (this.#link !== undefined && !isEqual(linkOf(this.#link, text), link))
      this.#find(seq, "AUD-1", "the record or its link is not what was chained");
    this.#link = link;
    this.#tree.append(leafHash(link));
  }

  #checkFreeText(seq: string, { detailsDigest }: BatchRecord, { freeText }: AuditEntry): void {
    if (freeText === undefined) {
      if (detailsDigest !== undefined) this.#freeTextsAbsent++;
    } else if (detailsDigest === undefined || !isProven(freeText, detailsDigest)) {
      this.#find(seq, "AUD-4", "what the client wrote freely is not what was chained");
    } else {
      this.#freeTextsProven++;
    }
  }

  #checkCheckpoints(seq: string, { knownAt }: AuditRecord): void {
    for (const checkpoint of this.#checkpoints.get(seq) ?? []) {
      const at = `the checkpoint of ${checkpoint.knownAt}`;
      const isChainAsThen =
        this.#link !== undefined && isEqual(checkpoint.link, this.#link) && checkpoint.knownAt === knownAt;
      // A record that could not be read leaves the tree undecided; it was found already.
      const isTreeAsThen =
        !this.#isTreeWhole ||
        (checkpoint.size === this.#tree.range().size && isEqual(checkpoint.root, this.#tree.root()));
      if (!isChainAsThen) this.#find(seq, "AUD-2", `the chain is not what it was at ${at}`);
      else if (!isTreeAsThen) this.#find(seq, "AUD-2", `the Merkle tree is not what it was at ${at}`);
      else {
        this.#checkpointsFitted++;
        this.#lastCheckpointSeq = seq;
      }
    }
    this.#checkpoints.delete(seq);
  }

  #findNamed(seq: string, what: string): void {
    const [, rule = "INV-1", rest = what] = /^(INV-\d): (.*)$/.exec(what) ?? [];
    this.#find(seq, rule, rest);
  }

  #find(seq: string, rule: string, what: string): void {
    if (this.#findings.length >= this.#maxFindings) this.#isCut = true;
    else this.#findings.push({ seq, rule, what });
  }
}

function isProven({ salt, text }: NonNullable<AuditEntry["freeText"]>, digest: string): boolean {
  return salt.length >= SALT_BYTES && digestOfFreeText(salt, text) === digest;
}
