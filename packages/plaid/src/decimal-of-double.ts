/**
 * The decimal that a JSON double was written from: the shortest one that reads back as the same double, without an exponent
 * (linked-accounts.md §1.9). `1e-7` becomes `0.0000001`, minus zero becomes `0`. Nothing is ever computed with the double itself.
 *
 * Exact for whatever was written with up to 15 significant digits, and for anything that a program wrote from a double.
 */
export function decimalOfDouble(value: number): string {
  if (!Number.isFinite(value)) throw new Error("an amount is a finite number");
  const text = String(value);
  const match = EXPONENT.exec(text);
  if (match === null) return text;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  return sign + shift(whole + fraction, whole.length + Number(exponent));
}

const EXPONENT = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/;

/** The digits with the point after the first `point` of them; `point` may lie outside on either side. */
function shift(digits: string, point: number): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return digits.padEnd(point, "0");
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}
