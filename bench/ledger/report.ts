type Cell = string | number;

export const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Columns of one width; numbers to the right, with three digits that say something. */
export function formatTable(rows: readonly Readonly<Record<string, Cell>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const texts = rows.map((row) => columns.map((column) => show(row[column] ?? "")));
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...texts.map((cells) => cells[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[], isNumber: (index: number) => boolean): string =>
    cells
      .map((cell, index) => (isNumber(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0)))
      .join("  ")
      .trimEnd();
  const isNumeric = columns.map((column) => rows.some((row) => typeof row[column] === "number"));
  const right = (index: number): boolean => isNumeric[index] === true;
  return [line(columns, right), ...texts.map((cells) => line(cells, right))].map((text) => `  ${text}`).join("\n");
}

function show(cell: Cell): string {
  if (typeof cell === "string") return cell;
  if (Number.isNaN(cell)) return "-";
  if (Number.isInteger(cell)) return cell.toString();
  const size = Math.abs(cell);
  return size >= 100 ? Math.round(cell).toString() : size >= 10 ? cell.toFixed(1) : cell.toFixed(2);
}

/** One target of docs/performance.md and what came out. */
export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly measured: number;
  readonly isReached: boolean;
}

export function formatVerdicts(verdicts: readonly Verdict[]): string {
  return formatTable(
    verdicts.map(({ what, target, measured, isReached }) => ({
      what,
      measured,
      target,
      "": isReached ? "reached" : "missed",
    })),
  );
}

/** Numbers that are none (a figure that was not taken) become null, as JSON has it; digits beyond the fourth are noise. */
export function toLine(report: object): string {
  return JSON.stringify(report, (_, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value,
  );
}

/**
 * Runs a bench to its end and ends the process: 0 when every answer and the books were right, 1 when not, 2 when something is missing
 * that the bench needs. `run` gives what was wrong.
 */
export function runBench(run: () => Promise<readonly string[]>): void {
  run().then(
    (faults) => {
      for (const fault of faults) process.stderr.write(`wrong: ${fault}\n`);
      process.exit(faults.length === 0 ? 0 : 1);
    },
    (error: unknown) => {
      process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
      process.exit(error instanceof MissingTool ? 2 : 1);
    },
  );
}

/** Something that has to be installed first; the message says how. */
export class MissingTool extends Error {
  override readonly name = "MissingTool";
}
