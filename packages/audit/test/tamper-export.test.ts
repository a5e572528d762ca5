import {
  createExportCheck,
  createExportWriter,
  createHistoryCheck,
  createProofBuilder,
  createCheckpointSigner,
  GENESIS,
  parseCheckpoint,
  parseRecord,
  RecordError,
  recordText,
  verifyProof,
  type AuditEntry,
  type ExportReport,
  type ProofSubject,
} from "../src/index.js";
import { chain, checkpointAt, ORIGIN, sampleRecords, signer } from "./sample-book.js";

// audit.tamper, of exports and proofs. Of the tables: packages/db/test/audit-tamper.test.ts.
const header = { origin: ORIGIN, exportedAt: "2026-02-01T00:00:00.000000Z", hasFreeText: true };
const good = chain(sampleRecords());
const notes = [checkpointAt(good, "3"), checkpointAt(good, "5")];

function exportOf(entries: readonly AuditEntry[], checkpoints: readonly string[] = notes): string {
  const writer = createExportWriter();
  return [
    writer.header(header),
    ...checkpoints.map((note) => writer.checkpoint(note)),
    ...entries.map((entry) => writer.record(entry)),
    writer.end(),
  ].join("");
}

function verify(text: string, options: Parameters<typeof createExportCheck>[0] = {}): ExportReport {
  const check = createExportCheck({ verifierKey: signer.verifierKey, ...options });
  for (const line of text.split("\n").slice(0, -1)) check.addLine(line);
  return check.finish();
}

test("AUD-3: an export in order is verified without a server, and says what was proven", () => {
  expect(verify(exportOf(good))).toMatchObject({
    findings: [],
    firstBadSeq: undefined,
    records: 6,
    unchained: 0,
    lastSeq: "6",
    treeSize: 6,
    checkpointsFitted: 2,
    lastCheckpointSeq: "5",
    freeTextsProven: 2,
    freeTextsAbsent: 0,
    areSignaturesChecked: true,
    header,
  });
});

test("audit.tamper: any one flipped byte of an export is named, with the first bad seq where a record was hit", () => {
  // A change of an account, a movement with free text, a hold and a refusal: every kind of member.
  const notes = [checkpointAt(good, "3")];
  const text = exportOf(good.slice(0, 4), notes);
  const bytes = Buffer.from(text, "utf8");
  const lines = text.split("\n");
  let lineOfByte = 0;
  for (let place = 0; place < bytes.length; place++) {
    const flipped = Buffer.from(bytes);
    flipped[place]! ^= 1 << (place % 7);
    const isSigned = lines[lineOfByte]?.startsWith('{"checkpoint"') === true;
    const report = verify(flipped.toString("utf8"), isSigned ? {} : { verifierKey: undefined });
    const isRecord = lines[lineOfByte]?.startsWith('{"link"') === true;
    const seq = isRecord ? String(lineOfByte - notes.length) : undefined;
    if (report.firstBadSeq === undefined || (seq !== undefined && report.firstBadSeq !== seq))
      throw new Error(`byte ${place} of line ${lineOfByte + 1}: first bad seq is ${report.firstBadSeq}, not ${seq}`);
    if (bytes[place] === 0x0a) lineOfByte++;
  }
  expect(lineOfByte).toBe(lines.length - 1);
});

test("AUD-1: a record dropped, added, moved or doubled is named, even when the export is sealed again", () => {
  const [one, two, three, four, ...rest] = good;
  const histories = {
    dropped: [one!, two!, four!, ...rest],
    moved: [one!, three!, two!, four!, ...rest],
    doubled: [one!, two!, two!, three!, four!, ...rest],
    unlinked: [one!, two!, { ...three!, link: undefined }, four!, ...rest],
  };
  const firstBad = Object.entries(histories).map(([how, entries]) => [how, verify(exportOf(entries)).firstBadSeq]);
  expect(Object.fromEntries(firstBad)).toEqual({ dropped: "3", moved: "2", doubled: "3", unlinked: "3" });
});

test("audit.tamper: a history that was rewritten and chained again is consistent in itself, and caught by an older checkpoint", () => {
  const rewritten = sampleRecords();
  const [, second] = rewritten;
  rewritten[1] = { ...second!, record: { ...second!.record, knownAt: "2026-01-31T09:00:00.000001Z" } };
  // Still later than the record before, and every link fits.
  rewritten[0] = { ...rewritten[0]!, record: { ...rewritten[0]!.record, knownAt: "2026-01-31T09:00:00.000000Z" } };
  const entries = chain(rewritten);
  const forged = createCheckpointSigner(ORIGIN, new Uint8Array(32).fill(66));
  const without = verify(exportOf(entries, []));
  expect(without.findings).toEqual([]);
  const report = verify(exportOf(entries, []), { checkpoints: [notes[0]!] });
  expect(report.findings).toMatchObject([{ seq: "3", rule: "AUD-2" }]);
  // Checkpoints signed by another key are none.
  const { findings } = verify(exportOf(entries, [forged.sign(parseCheckpoint(checkpointAt(entries, "3")))]));
  expect(findings).toMatchObject([{ rule: "AUD-2", what: expect.stringContaining("is not signed with the key") }]);
});

test("AUD-2: a tail that was cut off is caught by a checkpoint that covered it", () => {
  const report = verify(exportOf(good.slice(0, 4), [notes[0]!]), { checkpoints: [notes[1]!] });
  expect(report.findings).toMatchObject([{ seq: "5", rule: "AUD-2", what: expect.stringContaining("ends at seq 4") }]);
});

test("AUD-4: after erasure of free text and salt the chain and the checkpoints still verify", () => {
  const erased = good.map((entry) => ({ ...entry, freeText: undefined }));
  expect(verify(exportOf(erased))).toMatchObject({ findings: [], freeTextsProven: 0, freeTextsAbsent: 2 });
});

test("records older than the chain are counted again and told apart", () => {
  const entries = chain(sampleRecords(), { unchained: 2 });
  expect(verify(exportOf(entries, [checkpointAt(entries, "4")]))).toMatchObject({
    findings: [],
    unchained: 2,
    treeSize: 4,
    checkpointsFitted: 1,
  });
});

test("an export that is cut off, or goes on behind its end, is not whole", () => {
  const lines = exportOf(good).split("\n").slice(0, -1);
  expect(verify(`${lines.slice(0, -1).join("\n")}\n`).findings).toMatchObject([{ seq: "7", rule: "AUD-3" }]);
  expect(verify(`${[...lines, lines[3]].join("\n")}\n`).findings).toMatchObject([{ rule: "AUD-3" }]);
  expect(verify("").findings).toMatchObject([{ rule: "AUD-3" }, { rule: "AUD-3" }]);
});

describe("the books are counted again, whoever chained them", () => {
  type Damage = (record: Extract<AuditEntry["record"], { batchId: string }>) => object;
  const withDamage = (seq: number, damage: Damage) => {
    const records = sampleRecords();
    const { record, freeText } = records[seq - 1]!;
    if (!("batchId" in record)) throw new Error("no batch");
    records[seq - 1] = { record: { ...record, ...damage(record) }, ...(freeText && { freeText }) };
    return chain(records);
  };
  test.each<[string, string, number, Damage]>([
    ["INV-1", "one leg is greater", 2, ({ postings: [a, b] }) => ({ postings: [{ ...a, amount: "100.01" }, b] })],
    [
      "INV-2",
      "the balance behind a leg is another",
      5,
      ({ postings: [a, ...more] }) => ({ postings: [{ ...a, committedAfter: "99" }, ...more] }),
    ],
    ["INV-4", "an account_seq is skipped", 3, ({ postings: [a, b] }) => ({ postings: [{ ...a, accountSeq: "7" }, b] })],
    ["INV-1", "an amount is no number", 3, ({ postings: [a, b] }) => ({ postings: [{ ...a, amount: "NaN" }, b] })],
    ["INV-1", "a refused batch moves money", 2, () => ({ status: "REJECTED" })],
    ["ORD-1", "it is known before the record before it", 5, () => ({ knownAt: "2026-01-31T09:00:00.000001Z" })],
    ["AUD-4", "free text is another", 2, () => ({ detailsDigest: "00".repeat(32) })],
  ])("%s: %s", (rule, _what, seq, damage) => {
    const check = createHistoryCheck({});
    for (const entry of withDamage(seq, damage)) check.add(entry);
    const report = check.finish();
    expect(report.findings[0]).toMatchObject({ seq: String(seq), rule });
    expect(report.firstBadSeq).toBe(String(seq));
  });

  test("the sense of an account must stay what it was", () => {
    const turned = withDamage(5, ({ postings }) => ({
      postings: postings.map((one) => ({ ...one, committedAfter: `-${one.committedAfter}` })),
    }));
    const check = createHistoryCheck({ maxFindings: 1 });
    for (const entry of turned) check.add(entry);
    expect(check.finish()).toMatchObject({ isCut: true, findings: [{ seq: "5", rule: "INV-2" }] });
  });
});

describe("proofs", () => {
  function prove(subject: ProofSubject, seq: string, checkpointNote = notes[1]!): string {
    const place = good.findIndex(({ record }) => record.seq === seq);
    const entry = good[place]!;
    const previousLink = good[place - 1]?.link ?? GENESIS;
    const builder = createProofBuilder({ subject, record: recordText(entry.record), previousLink, checkpointNote });
    good.slice(0, parseCheckpoint(checkpointNote).size).forEach(({ link }) => builder.append(link!));
    return builder.finish();
  }
  const posting: ProofSubject = { kind: "posting", id: "0190a2b4-7c1d-7e3f-8a5b-00000000000a", accountSeq: "1" };

  test("AUD-3: a posting, a batch and an operation are proven from a file and a key", () => {
    expect(verifyProof(prove(posting, "2"), signer.verifierKey)).toMatchObject({
      subject: posting,
      posting: { amount: "100.00", committedAfter: "100.0000000" },
      checkpoint: { seq: 5n, size: 5 },
    });
    const batch: ProofSubject = { kind: "batch", id: "0190a2b4-7c1d-7e3f-8a5b-000000000004" };
    expect(verifyProof(prove(batch, "4"), signer.verifierKey).record).toMatchObject({ status: "REJECTED" });
    const operation: ProofSubject = { kind: "operation", id: "0190a2b4-7c1d-7e3f-8a5b-000000001003" };
    expect(verifyProof(prove(operation, "3", notes[0]!), signer.verifierKey).record).toMatchObject({ seq: "3" });
  });

  test("what the checkpoint does not cover is not proven, nor what the record does not say", () => {
    expect(() => prove({ kind: "batch", id: "x" }, "5", notes[0])).toThrow(
      "The checkpoint covers records up to 3, not 5.",
    );
    expect(() => verifyProof(prove({ kind: "batch", id: "x" }, "3"), signer.verifierKey)).toThrow("is not about what");
    expect(() => verifyProof(prove({ ...posting, accountSeq: "2" }, "2"), signer.verifierKey)).toThrow(
      "is not about what",
    );
    expect(() => verifyProof("{}", signer.verifierKey)).toThrow("This is no audit proof of version 1.");
  });

  test("audit.tamper: every single-bit mutation of a proof is refused: record, path, link, subject, size, root, signature", () => {
    const bytes = Buffer.from(prove(posting, "2"), "utf8");
    const flipped = Buffer.from(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const text = flipped.toString("utf8");
      let isRefused = false;
      try {
        verifyProof(text, signer.verifierKey);
      } catch {
        isRefused = true;
      }
      if (!isRefused) throw new Error(`bit ${bit} may flip: ${text}`);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(verifyProof(flipped.toString("utf8"), signer.verifierKey).subject).toEqual(posting);
  });
});

test("only the canonical text of a known version is a record", () => {
  const text = recordText(good[1]!.record);
  expect(recordText(parseRecord(text))).toBe(text);
  for (const wrong of [
    text.replace('"v":1', '"v":2'),
    text.replace('"record":"batch"', '"record":"other"'),
    text.replace('{"v"', '{ "v"'),
    text.replace('"postings":[', '"postings":{'),
    text.replace('"ordinal":0', '"ordinal":"0"'),
    text.replace('"seq":"2"', '"seq":2'),
    text.replace('"accountSeq"', '"address":"DEFAULT","accountSeq"'),
    "null",
    "[]",
  ])
    expect(() => parseRecord(wrong)).toThrow(RecordError);
});
