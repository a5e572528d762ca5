import type { Area, EventEnvelope } from "@florin/kernel";
import { decodeEvent } from "./event-codec.js";

/** An entry that is no event of its stream: somebody else wrote there, or it was damaged. The outbox has the true one. */
export class BrokenEntry extends Error {
  override readonly name = "BrokenEntry";
}

/** Entries as XRANGE gives them: [[id, [field, value, …]], …]. */
export function parseEntries(area: Area, entries: unknown): EventEnvelope[] {
  if (!Array.isArray(entries)) return [];
  return entries.filter((entry) => entry !== null && entry !== undefined).map((entry) => parseEntry(area, entry));
}

/** Entries as XREAD and XREADGROUP give them for one stream: [[key, entries]], or null when nothing came. */
export function parseRead(area: Area, answer: unknown): EventEnvelope[] {
  if (!Array.isArray(answer)) return [];
  const [first]: unknown[] = answer;
  return Array.isArray(first) ? parseEntries(area, first[1]) : [];
}

function parseEntry(area: Area, entry: unknown): EventEnvelope {
  const [id, fields]: unknown[] = Array.isArray(entry) ? entry : [];
  const position = typeof id === "string" ? /^(\d+)-0$/.exec(id)?.[1] : undefined;
  const text: unknown = Array.isArray(fields) ? fields[1] : undefined;
  if (position === undefined || typeof text !== "string") throw new BrokenEntry(`${area} has an entry ${String(id)}`);
  try {
    return decodeEvent(area, BigInt(position), text);
  } catch (error) {
    throw new BrokenEntry(`The entry ${position} of ${area} cannot be read.`, { cause: error });
  }
}
