/**
 * Identifiers: UUIDs in SQL, prefixed text at the border (`acct_01hf3…`).
 *
 * The text is the prefix and 26 characters of Crockford base 32, so it sorts as the UUID sorts, survives a double click and
 * cannot be mistaken for another kind of thing. The only way from a stranger's text to an id is `parseId`.
 */
export type Uuid = string & { readonly __brand: "Uuid" };

export const idPrefixes = {
  user: "usr",
  account: "acct",
  operation: "op",
  batch: "pib",
  instruction: "pi",
  product: "prod",
  productVersion: "prdv",
  session: "ses",
  partner: "ptr",
  event: "evt",
  command: "cmd",
  restriction: "rst",
  virtualAccount: "vac",
  linkedItem: "lit",
  linkedAccount: "lac",
  linkedTransaction: "ltx",
  security: "sec",
  investmentTransaction: "itx",
} as const;
export type IdKind = keyof typeof idPrefixes;

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const ENCODED = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

export function isUuid(text: string): text is Uuid {
  return UUID.test(text);
}

/** Throws for anything that is not a lower-case UUID: a bug of ours, never a client's mistake. */
export function asUuid(text: string): Uuid {
  if (!isUuid(text)) throw new Error(`not a UUID: ${text}`);
  return text;
}

/** By character code: the value of a hexadecimal digit. */
const HEX_VALUE = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, parseInt(String.fromCharCode(code), 16) || 0),
);
const HYPHEN = 45;

export function formatId(kind: IdKind, uuid: Uuid): string {
  let text = `${idPrefixes[kind]}_`;
  // 128 bits in 26 digits of five: two zero bits stand before them. Plain integers: this runs several times for each transfer.
  let bits = 0;
  let held = 2;
  for (let at = 0; at < 36; at++) {
    const code = uuid.charCodeAt(at);
    if (code === HYPHEN) continue;
    bits = (bits << 4) | HEX_VALUE[code]!;
    held += 4;
    if (held < 5) continue;
    held -= 5;
    text += ALPHABET[bits >> held]!;
    bits &= (1 << held) - 1;
  }
  return text;
}

/** undefined when the text is not an id of this kind. */
export function parseId(kind: IdKind, text: string): Uuid | undefined {
  const prefix = `${idPrefixes[kind]}_`;
  if (!text.startsWith(prefix)) return undefined;
  const encoded = text.slice(prefix.length);
  if (!ENCODED.test(encoded)) return undefined;
  let value = 0n;
  for (const character of encoded) value = (value << 5n) | BigInt(ALPHABET.indexOf(character));
  return uuidFromBigInt(value);
}

function uuidFromBigInt(value: bigint): Uuid {
  const hex = value.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Uuid;
}

/** UUID version 7 (RFC 9562): 48 bits of milliseconds, then randomness that the caller brings (at least 10 bytes). */
export function uuidV7(atMillis: number, random: Uint8Array): Uuid {
  const millis = Math.trunc(atMillis).toString(16).padStart(12, "0");
  return withVersion(millis + hexOf(random, 10), "7");
}

/**
 * UUID version 8 from sixteen bytes of a hash: the same input gives the same id in every process.
 * An operation's id is made from (principal, idempotency key), so two calls with one key agree on it before they meet.
 */
export function uuidV8(hash: Uint8Array): Uuid {
  return withVersion(hexOf(hash, 16), "8");
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hexOf(bytes: Uint8Array, count: number): string {
  if (bytes.length < count) throw new Error(`an id needs ${count} bytes`);
  let hex = "";
  for (let i = 0; i < count; i++) hex += HEX[bytes[i]!]!;
  return hex;
}

/** Sets the four bits of the version and the two of the variant. */
function withVersion(hex: string, version: "7" | "8"): Uuid {
  const variant = "89ab"[parseInt(hex[16]!, 16) & 3]!;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}` as Uuid;
}

/** What code that makes new ids is given. */
export interface IdSource {
  next(): Uuid;
}
