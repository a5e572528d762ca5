/**
 * PostgreSQL array literals, made here: the driver quotes every element with two regular expressions, which for a commit of five hundred
 * transfers costs more than deciding them. A parameter of an array type takes such a text as it is.
 */

/** Elements that need no quotes: UUIDs, numbers, instants, our own names. undefined is NULL. */
export function plainArray<Row>(
  rows: readonly Row[],
  pick: (row: Row) => string | bigint | number | undefined,
): string {
  let text = "{";
  for (let at = 0; at < rows.length; at++) {
    if (at > 0) text += ",";
    text += pick(rows[at]!) ?? "NULL";
  }
  return `${text}}`;
}

/** Elements that a client may have chosen. undefined is NULL. */
export function textArray<Row>(rows: readonly Row[], pick: (row: Row) => string | undefined): string {
  let text = "{";
  for (let at = 0; at < rows.length; at++) {
    if (at > 0) text += ",";
    const element = pick(rows[at]!);
    text += element === undefined ? "NULL" : quote(element);
  }
  return `${text}}`;
}

/** What stands for itself between commas; anything else is quoted, and so is what would read as NULL. */
const PLAIN = /^[A-Za-z0-9_:.@+-]+$/;
const SPECIAL = /["\\]/g;

function quote(element: string): string {
  if (PLAIN.test(element) && element.toUpperCase() !== "NULL") return element;
  return `"${element.replace(SPECIAL, "\\$&")}"`;
}
