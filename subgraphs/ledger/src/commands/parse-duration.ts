import type { FieldFault } from "@florin/kernel";

const DURATION =
  /^P(?!$)(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})(?:\.(\d{1,6}))?S)?)?$/;
const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;
const MAX_DAYS = 3_660n;

/**
 * An ISO 8601 duration of fixed length in microseconds. Years and months are refused: how long they are depends on when they begin.
 * undefined with a fault for anything else than a length above zero and up to ten years.
 */
export function parseDuration(text: string | null | undefined, path: string, faults: FieldFault[]): bigint | undefined {
  if (text === null || text === undefined) return undefined;
  const match = DURATION.exec(text);
  if (match === null) {
    faults.push({
      path,
      code: "DURATION_FORMAT",
      message: 'Send an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as "P7D" or "PT30M".',
    });
    return undefined;
  }
  const part = (index: number): bigint => BigInt(match[index] ?? "0");
  const days = part(1) * 7n + part(2);
  const seconds = part(3) * 3_600n + part(4) * 60n + part(5);
  const micros = days * DAY + seconds * SECOND + BigInt((match[6] ?? "").padEnd(6, "0"));
  if (micros > 0n && micros <= MAX_DAYS * DAY) return micros;
  faults.push({ path, code: "DURATION_OUT_OF_RANGE", message: "Send a duration above zero, of ten years at most." });
  return undefined;
}
