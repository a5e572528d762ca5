/** What a consistency token holds when it is opened: `ledger=123;accounts=45`. */
export function parsePositions(consistency: string | undefined): ReadonlyMap<string, bigint> {
  const positions = new Map<string, bigint>();
  for (const part of (consistency ?? "").split(";")) {
    const match = /^([a-z]+)=(\d{1,19})$/.exec(part);
    if (match !== null) positions.set(match[1] ?? "", BigInt(match[2] ?? "0"));
  }
  return positions;
}

/** The same, with at least this position of this area. */
export function requirePosition(consistency: string | undefined, area: string, position: bigint): string | undefined {
  const positions = new Map(parsePositions(consistency));
  const wanted = positions.get(area) ?? 0n;
  if (position <= wanted) return consistency;
  positions.set(area, position);
  return [...positions].map(([name, at]) => `${name}=${at}`).join(";");
}
