import { createHash, type Hash } from "node:crypto";
import { canonicalJson, quote, type AuditJson } from "./canonical-json.js";
import type { AuditEntry } from "./history-check.js";
import { listOf, numberOf, parseJson, RecordError, textOf, toMembers, toRecord } from "./parse-record.js";
import { recordText } from "./record.js";

/**
 * An export of a book: JSON lines, each written in one way only, so that no byte can change unseen.
 *
 *     {"florinAuditExport":1,"origin":"florin.local/book/main","exportedAt":"…","hasFreeText":false}
 *     {"checkpoint":"…"}                                   signed notes, oldest first
 *     {"link":"<hex>","record":{…}}                        one line for each record, by seq; "link":null: older than the chain
 *     {"link":"<hex>","record":{…},"freeText":{"batch":…,"instructions":[[0,…]],"proposed":…,"salt":"<hex>"}}
 *     {"end":{"checkpoints":1,"records":2,"sha256":"<of all lines before, with their ends>"}}
 *
 * The record is its canonical text, letter by letter: what the link was made of.
 */
export interface ExportHeader {
  /** Of the checkpoints; empty when nothing was signed yet. */
  readonly origin: string;
  /** RFC 3339 in UTC. */
  readonly exportedAt: string;
  readonly hasFreeText: boolean;
}

export type ExportLine =
  | { readonly kind: "header"; readonly header: ExportHeader }
  | { readonly kind: "record"; readonly entry: AuditEntry; readonly text: string }
  | { readonly kind: "checkpoint"; readonly note: string }
  | { readonly kind: "end"; readonly records: number; readonly checkpoints: number; readonly sha256: string };

const EXPORT_VERSION = 1;

/** Gives the lines, each with its end, one after another. Call `end` last. */
export function createExportWriter() {
  const sha256 = createHash("sha256");
  let records = 0;
  let checkpoints = 0;
  const told = (line: string): string => {
    sha256.update(`${line}\n`, "utf8");
    return `${line}\n`;
  };
  return {
    header: (header: ExportHeader): string => told(headerLine(header)),
    record: (entry: AuditEntry): string => {
      records++;
      return told(entryLine(entry));
    },
    checkpoint: (note: string): string => {
      checkpoints++;
      return told(checkpointLine(note));
    },
    end: (): string => `${endLine(records, checkpoints, sha256.digest("hex"))}\n`,
  };
}

function headerLine({ origin, exportedAt, hasFreeText }: ExportHeader): string {
  return `{"florinAuditExport":${EXPORT_VERSION},"origin":${quote(origin)},"exportedAt":${quote(exportedAt)},"hasFreeText":${hasFreeText}}`;
}

function entryLine({ record, link, freeText }: AuditEntry, text = recordText(record)): string {
  const linkText = link === undefined ? "null" : `"${Buffer.from(link).toString("hex")}"`;
  if (freeText === undefined) return `{"link":${linkText},"record":${text}}`;
  const { batch, instructions, proposed } = freeText.text;
  const told = canonicalJson({
    salt: Buffer.from(freeText.salt).toString("hex"),
    batch,
    instructions: instructions.map(({ ordinal, details }) => [ordinal, details]),
    proposed,
  });
  return `{"link":${linkText},"record":${text},"freeText":${told}}`;
}

const checkpointLine = (note: string): string => `{"checkpoint":${quote(note)}}`;
const endLine = (records: number, checkpoints: number, sha256: string): string =>
  canonicalJson({ end: { records, checkpoints, sha256 } });

/** Reads one line without its end. Throws RecordError for what is not written as exports are. */
export function parseExportLine(line: string): ExportLine {
  const source = toMembers(parseJson(line));
  const parsed = toExportLine(source);
  // The same line again, from what was read: there is one way to write it, so nothing in it can have changed.
  if (writeLine(parsed) !== line) throw new RecordError("the line is not written as exports are");
  return parsed;
}

function toExportLine(source: Readonly<Record<string, AuditJson | undefined>>): ExportLine {
  if (source["record"] !== undefined) {
    const record = toRecord(source["record"]);
    const link = source["link"] === null ? undefined : hexOf(textOf(source, "link"));
    const freeText = source["freeText"] === undefined ? undefined : toFreeText(source["freeText"]);
    return { kind: "record", entry: { record, link, freeText }, text: recordText(record) };
  }
  if (source["checkpoint"] !== undefined) return { kind: "checkpoint", note: textOf(source, "checkpoint") };
  if (source["end"] !== undefined) {
    const end = toMembers(source["end"]);
    return {
      kind: "end",
      records: numberOf(end, "records"),
      checkpoints: numberOf(end, "checkpoints"),
      sha256: textOf(end, "sha256"),
    };
  }
  if (source["florinAuditExport"] !== EXPORT_VERSION)
    throw new RecordError(`this is no line of an audit export of version ${EXPORT_VERSION}`);
  const hasFreeText = source["hasFreeText"] === true;
  const header = { origin: textOf(source, "origin"), exportedAt: textOf(source, "exportedAt"), hasFreeText };
  return { kind: "header", header };
}

function toFreeText(value: AuditJson): NonNullable<AuditEntry["freeText"]> {
  const source = toMembers(value);
  const instructions = listOf(source, "instructions").map((pair) => {
    const [ordinal, details] = Array.isArray(pair) ? (pair as readonly AuditJson[]) : [];
    if (typeof ordinal !== "number" || details === undefined) throw new RecordError("free text of no instruction");
    return { ordinal, details };
  });
  const text = { batch: source["batch"], instructions, proposed: source["proposed"] };
  return { salt: hexOf(textOf(source, "salt")), text };
}

function hexOf(text: string): Uint8Array {
  return Buffer.from(text, "hex");
}

function writeLine(line: ExportLine): string {
  switch (line.kind) {
    case "header":
      return headerLine(line.header);
    case "record":
      return entryLine(line.entry, line.text);
    case "checkpoint":
      return checkpointLine(line.note);
    case "end":
      return endLine(line.records, line.checkpoints, line.sha256);
  }
}

/** Holds the lines of an export against its end: nothing missing, nothing more, no byte changed. */
export function createExportSeal() {
  const sha256: Hash = createHash("sha256");
  let records = 0;
  let checkpoints = 0;
  let broken: string | undefined = "the export has no end: it is cut off";
  return {
    /** Every line but the last, as it stands in the file, without its end. */
    add(line: string, kind: ExportLine["kind"] | undefined): void {
      sha256.update(`${line}\n`, "utf8");
      if (kind === "record") records++;
      if (kind === "checkpoint") checkpoints++;
    },
    end(line: Extract<ExportLine, { kind: "end" }>): void {
      const isWhole =
        line.records === records && line.checkpoints === checkpoints && line.sha256 === sha256.copy().digest("hex");
      broken = isWhole ? undefined : "the export is not what was written: its end tells of other lines";
    },
    /** undefined: whole. */
    brokenBecause: (): string | undefined => broken,
  };
}
