const OMITTED = new Set(["level", "time", "service", "msg", "pid"]);
const MAX_VALUE = 200;

/** A log line of a part for people: `ledger-1   09:30:00.123 warn  the message  key=value`. What is no JSON stays as it is. */
export function toReadableLine(part: string, width: number, line: string): string {
  const prefix = part.padEnd(width);
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return `${prefix} ${line}`;
  }
  const time = typeof entry["time"] === "string" ? entry["time"].slice(11, 23) : "";
  const fields = Object.entries(entry).flatMap(([name, value]) =>
    OMITTED.has(name) ? [] : [`${name}=${shorten(typeof value === "string" ? value : JSON.stringify(value))}`],
  );
  return [`${prefix} ${time} ${String(entry["level"]).padEnd(5)} ${String(entry["msg"])}`, ...fields].join("  ");
}

function shorten(text: string): string {
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE - 1)}…`;
}
