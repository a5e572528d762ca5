/** A report as a table: a line for each number, counts by kind on a line of their own, then what was violated. */
export function formatReport(name: string, report: { readonly violations: readonly string[] }): string {
  const rows = Object.entries(report).flatMap(([key, value]): [string, string][] => {
    if (key === "violations") return [];
    return [[key, show(value)]];
  });
  const width = Math.max(...rows.map(([key]) => key.length), 0);
  const lines = rows.map(([key, value]) => `  ${key.padEnd(width)}  ${value}`);
  const verdict =
    report.violations.length === 0
      ? `  ${"violations".padEnd(width)}  none`
      : ["  violations:", ...report.violations.map((violation) => `    ${violation}`)].join("\n");
  return [name, ...lines, verdict].join("\n");
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length <= 12 ? value.map(show).join(", ") : `${value.length} of them`;
  if (typeof value !== "object" || value === null) return String(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${key} ${show(inner)}`);
  return pairs.length === 0 ? "-" : pairs.join(", ");
}
