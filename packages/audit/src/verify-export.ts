import { parseCheckpoint, verifyCheckpoint, type Checkpoint } from "./checkpoint.js";
import { createExportSeal, parseExportLine, type ExportHeader, type ExportLine } from "./export-file.js";
import { createHistoryCheck, type HistoryCheck, type HistoryFinding, type HistoryReport } from "./history-check.js";

/**
 * Verifies an export line by line, with no server and no database (AUD-3): the file is whole, the checkpoints are signed, and the
 * history is as history-check.ts demands. Order of lines: header, checkpoints, records, end.
 */
export interface ExportReport extends HistoryReport {
  readonly header: ExportHeader | undefined;
  /** Were signatures checked? Without a key anybody could have written the checkpoints in the export. */
  readonly areSignaturesChecked: boolean;
}

export interface ExportCheck {
  /** Without the line's end. */
  addLine(line: string): void;
  finish(): ExportReport;
}

export function createExportCheck(options: {
  /** Of whoever signs the book's checkpoints. undefined: signatures are not checked. */
  readonly verifierKey?: string | undefined;
  /** Signed notes that were kept elsewhere: the ones that a rewritten history does not fit. */
  readonly checkpoints?: readonly string[] | undefined;
  readonly maxFindings?: number | undefined;
}): ExportCheck {
  const { verifierKey, maxFindings } = options;
  const seal = createExportSeal();
  const early: HistoryFinding[] = [];
  const checkpoints: Checkpoint[] = [];
  let header: ExportHeader | undefined;
  let history: HistoryCheck | undefined;
  let hasEnded = false;
  let lines = 0;

  const find = (rule: string, what: string, seq = "1") => early.push({ seq, rule, what });
  function takeCheckpoint(note: string, where: string): void {
    try {
      const checkpoint = verifierKey === undefined ? parseCheckpoint(note) : verifyCheckpoint(note, verifierKey);
      if (header !== undefined && header.origin !== "" && checkpoint.origin !== header.origin)
        find("AUD-2", `a checkpoint ${where} is of ${checkpoint.origin}, the export of ${header.origin}`);
      else checkpoints.push(checkpoint);
    } catch (error) {
      find("AUD-2", `a checkpoint ${where}: ${messageOf(error)}`);
    }
  }
  function historyOf(): HistoryCheck {
    if (history === undefined) {
      for (const note of options.checkpoints ?? []) takeCheckpoint(note, "kept elsewhere");
      history = createHistoryCheck({ checkpoints, maxFindings });
    }
    return history;
  }
  function take(line: ExportLine): void {
    if (line.kind === "header" && lines === 1) header = line.header;
    else if (line.kind === "checkpoint" && history === undefined) takeCheckpoint(line.note, "in the export");
    else if (line.kind === "record") historyOf().add(line.entry, line.text);
    else find("AUD-3", `line ${lines} is a ${line.kind} where none belongs`);
  }

  return {
    addLine(line) {
      lines++;
      if (hasEnded) return void find("AUD-3", `line ${lines} comes after the end`);
      const parsed = tryParse(line);
      if (typeof parsed !== "string" && parsed.kind === "end") {
        hasEnded = true;
        return seal.end(parsed);
      }
      if (typeof parsed !== "string") {
        seal.add(line, parsed.kind);
        return take(parsed);
      }
      // What a damaged line was is only known by where it stands.
      const isRecord = history !== undefined;
      seal.add(line, isRecord ? "record" : undefined);
      if (isRecord) historyOf().addUnreadable(`line ${lines}: ${parsed}`);
      else find("AUD-3", `line ${lines}: ${parsed}`);
    },
    finish() {
      const report = historyOf().finish();
      const next = (BigInt(report.lastSeq ?? "0") + 1n).toString();
      const broken = seal.brokenBecause();
      // Told last, of the place behind the last record: what is named before it is nearer to the damage.
      if (broken !== undefined) find("AUD-3", broken, report.firstBadSeq ?? next);
      if (header === undefined) find("AUD-3", "the export does not begin as exports do");
      const findings = [...early, ...report.findings];
      const seqs = findings.map(({ seq }) => BigInt(seq)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      return {
        ...report,
        findings,
        firstBadSeq: seqs[0]?.toString(),
        header,
        areSignaturesChecked: verifierKey !== undefined,
      };
    },
  };
}

function tryParse(line: string): ExportLine | string {
  try {
    return parseExportLine(line);
  } catch (error) {
    return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
