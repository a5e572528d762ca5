const MAX_CELL = 60;
const GAP = "  ";

/** Columns as wide as their widest cell; long cells are cut, line breaks become spaces. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map(toCell));
  const widths = header.map((_name, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) => `${formatLine(line, widths)}\n`).join("");
}

function toCell(text: string): string {
  // Control characters in stored text must not move the reader's cursor.
  const plain = text.replace(/\p{Cc}+/gu, " ");
  return plain.length <= MAX_CELL ? plain : `${plain.slice(0, MAX_CELL - 1)}…`;
}

function formatLine(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join(GAP)
    .trimEnd();
}
