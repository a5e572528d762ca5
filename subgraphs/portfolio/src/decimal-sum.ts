/** Exact sums of plain decimals of any length and scale; what institutions say has four digits behind the point, or eighteen. */
export function sumDecimals(texts: readonly string[]): string {
  const scale = texts.reduce((most, text) => Math.max(most, fractionOf(text).length), 0);
  const total = texts.reduce((sum, text) => sum + scaled(text, scale), 0n);
  const digits = (total < 0n ? -total : total).toString().padStart(scale + 1, "0");
  const sign = total < 0n ? "-" : "";
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

export function negateDecimal(text: string): string {
  if (text.startsWith("-")) return text.slice(1);
  return /[1-9]/.test(text) ? `-${text}` : text;
}

function fractionOf(text: string): string {
  return text.split(".")[1] ?? "";
}

function scaled(text: string, scale: number): bigint {
  return BigInt(text.replace(".", "") + "0".repeat(scale - fractionOf(text).length));
}
