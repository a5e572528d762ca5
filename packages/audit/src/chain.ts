import { hash } from "node:crypto";

/**
 * The hash chain of a book (AUD-1): each record's link is SHA-256 over the 32 bytes of the link before and the UTF-8 of the record's
 * canonical text. Whoever holds a link holds everything up to it: no record before can be changed, dropped, added or moved unseen.
 * Cost: 2–3 µs for the text of a transfer of two legs (1.3 kB): a third is SHA-256, the rest is making one string of many.
 */
export const LINK_BYTES = 32;

/** The link before the first record. A constant: never write to it. */
export const GENESIS: Uint8Array = new Uint8Array(LINK_BYTES);

/** Most texts fit; a longer one gets room of its own, once. */
const USUAL_BYTES = 64 * 1024;
const MAX_BYTES_PER_UNIT = 3;
const usualRoom = Buffer.allocUnsafe(USUAL_BYTES);

/** The link of the record with this canonical text, 32 bytes of its own. Throws RangeError when `previous` is no link. */
export function linkOf(previous: Uint8Array, text: string): Uint8Array {
  if (previous.length !== LINK_BYTES) throw new RangeError(`A link has ${LINK_BYTES} bytes, not ${previous.length}.`);
  const most = LINK_BYTES + text.length * MAX_BYTES_PER_UNIT;
  const room = most <= USUAL_BYTES ? usualRoom : Buffer.allocUnsafe(most);
  room.set(previous, 0);
  const end = LINK_BYTES + room.write(text, LINK_BYTES, "utf8");
  // By way of a string of bytes: a Buffer made over there costs a fifth more, and the collector its memory.
  return Buffer.from(hash("sha256", room.subarray(0, end), "binary"), "binary");
}
