import {
  createExportCheck,
  createHistoryCheck,
  findCheckpointDamage,
  parseCheckpoint,
  verifyCheckpoint,
  type Checkpoint,
  type HistoryReport,
} from "@florin/audit";
import type { Database } from "@florin/db";
import { listCheckpoints, readAuditRecords } from "@florin/db/ledger";
import { inSnapshot, MAIN_BOOK } from "./audit-export.js";
import { readLines } from "./audit-lines.js";
import { CommandFailure } from "./command-failure.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

export interface VerifyOptions {
  /** Lines of checkpoints that were kept elsewhere. */
  readonly checkpointsFile: string | undefined;
  readonly verifierKey: string | undefined;
  readonly isJson: boolean;
}

export async function verifyExportFile(file: string, options: VerifyOptions, terminal: Terminal): Promise<void> {
  const { verifierKey } = options;
  const checkpoints = await readCheckpointFile(options.checkpointsFile, terminal);
  const check = createExportCheck({ verifierKey, checkpoints });
  for await (const line of readLines(file)) check.addLine(line);
  tell(check.finish(), options, terminal);
}

export async function verifyTables(database: Database, options: VerifyOptions, terminal: Terminal): Promise<void> {
  const kept = await readCheckpointFile(options.checkpointsFile, terminal);
  const report = await inSnapshot(database, async (tx) => {
    const stored = (await listCheckpoints(tx, MAIN_BOOK)).map((one) => ({ ...one, damage: findCheckpointDamage(one) }));
    const whole = stored.filter(({ damage }) => damage === undefined).map(({ note }) => note);
    const checkpoints = [...whole, ...kept].map((note) => readNote(note, options.verifierKey));
    const history = createHistoryCheck({ checkpoints });
    for (const { seq, damage } of stored) if (damage !== undefined) history.addStray(seq.toString(), damage);
    for await (const item of readAuditRecords(tx, { bookId: MAIN_BOOK }))
      if (item.kind === "record") history.add(item.entry);
      else history.addStray(item.seq, item.what);
    return history.finish();
  });
  tell(report, options, terminal);
}

function readNote(note: string, verifierKey: string | undefined): Checkpoint {
  try {
    return verifierKey === undefined ? parseCheckpoint(note) : verifyCheckpoint(note, verifierKey);
  } catch (error) {
    throw new CommandFailure(1, `A checkpoint: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Signed notes out of lines like {"checkpoint":"…"}. A line that a crash cut off is said, and passed over. */
async function readCheckpointFile(file: string | undefined, terminal: Terminal): Promise<string[]> {
  if (file === undefined) return [];
  const notes: string[] = [];
  let number = 0;
  for await (const line of readLines(file)) {
    number++;
    const note = toNote(line);
    if (note !== undefined) notes.push(note);
    else if (line !== "") terminal.writeError(`${file}: line ${number} is no checkpoint and is passed over\n`);
  }
  if (notes.length === 0) throw new CommandFailure(1, `${file} has no checkpoints.`);
  return notes;
}

function toNote(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("checkpoint" in value)) return undefined;
    return typeof value.checkpoint === "string" ? value.checkpoint : undefined;
  } catch {
    return undefined;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function tell(report: HistoryReport, { verifierKey, isJson }: VerifyOptions, terminal: Terminal): void {
  const signatures = verifierKey === undefined ? "not checked: give --public-key" : "checked";
  if (isJson) {
    const { link, treeRoot, ...facts } = report;
    const areSignaturesChecked = verifierKey !== undefined;
    terminal.write(`${JSON.stringify({ ...facts, areSignaturesChecked, link: hex(link), treeRoot: hex(treeRoot) })}\n`);
  } else {
    const rows = [
      ["records", `${report.records}, up to seq ${report.lastSeq ?? "0"} known at ${report.knownAt ?? "no time"}`],
      ["older than the chain", String(report.unchained)],
      ["checkpoints that fit", `${report.checkpointsFitted}, up to seq ${report.lastCheckpointSeq ?? "0"}`],
      ["their signatures", signatures],
      ["free text", `${report.freeTextsProven} proven, ${report.freeTextsAbsent} erased or not shown`],
      ["last link", hex(report.link).slice(0, 32)],
      ["tree", `${report.treeSize} leaves, root ${hex(report.treeRoot).slice(0, 32)}`],
    ];
    terminal.write(formatTable(["what", "is"], rows));
    if (report.findings.length > 0) {
      const findings = report.findings.map(({ seq, rule, what }) => [seq, rule, what]);
      terminal.write(`\n${formatTable(["seq", "rule", "finding"], findings)}`);
    }
  }
  if (report.firstBadSeq !== undefined)
    throw new CommandFailure(1, `Not what was booked, from seq ${report.firstBadSeq} on. What to do: docs/audit.md`);
}
