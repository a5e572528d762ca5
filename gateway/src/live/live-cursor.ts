import type { Area } from "@florin/kernel";
import { badInput } from "./live-error.js";

/** Signs text so that only this service's own can come back; the same as `createSealer` of @florin/auth gives. */
export interface LiveSealer {
  seal(kind: string, payload: string): string;
  open(kind: string, text: string): string | undefined;
}

/**
 * "Everything up to and including this emission." A position of the outbox, never of the bus, so it survives a restart and an
 * emptied bus; the index tells apart the emissions of one event (a batch posts several transactions to one account).
 */
export interface LivePosition {
  readonly position: bigint;
  readonly index: number;
}

/** No event has as many emissions: the whole event is behind the cursor. */
export const WHOLE_EVENT = 0x7fff_ffff;

const KIND = "live";
const PAYLOAD = /^([a-z]+):([A-Za-z]+):(\d{1,19}):(\d{1,10})$/;

export function sealCursor(sealer: LiveSealer, stream: Area, field: string, at: LivePosition): string {
  return sealer.seal(KIND, `${stream}:${field}:${at.position}:${at.index}`);
}

/** Throws BAD_USER_INPUT for a cursor that we did not seal, or that another subscription field gave. */
export function openCursor(sealer: LiveSealer, stream: Area, field: string, text: string): LivePosition {
  const match = PAYLOAD.exec(sealer.open(KIND, text) ?? "");
  if (match === null)
    throw badInput("after", "CURSOR_INVALID", "not a cursor of a live query. Send one that we gave you.");
  if (match[1] !== stream || match[2] !== field) {
    throw badInput("after", "CURSOR_FOREIGN", `this cursor belongs to ${match[2]}. Use one that ${field} gave you.`);
  }
  return { position: BigInt(match[3]!), index: Number.parseInt(match[4]!, 10) };
}

export function isBehind(at: LivePosition, than: LivePosition): boolean {
  return at.position < than.position || (at.position === than.position && at.index <= than.index);
}
