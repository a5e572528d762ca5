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

export function formatId(kind: IdKind, uuid: Uuid): string {
  let value = BigInt(`0x${uuid.replaceAll("-", "")}`);
  let text = "";
  for (let i = 0; i < 26; i++) {
    text = ALPHABET[Number(value & 31n)]! + text; // five bits: a digit, not money
    value >>= 5n;
  }
  return `${idPrefixes[kind]}_${text}`;
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
  let value = BigInt(Math.trunc(atMillis)) << 80n;
  let tail = 0n;
  for (const byte of random.subarray(0, 10)) tail = (tail << 8n) | BigInt(byte);
  value |= tail;
  return withVersion(value, 7n);
}

/**
 * UUID version 8 from sixteen bytes of a hash: the same input gives the same id in every process.
 * An operation's id is made from (principal, idempotency key), so two calls with one key agree on it before they meet.
 */
export function uuidV8(hash: Uint8Array): Uuid {
  let value = 0n;
  for (const byte of hash.subarray(0, 16)) value = (value << 8n) | BigInt(byte);
  return withVersion(value, 8n);
}

function withVersion(value: bigint, version: bigint): Uuid {
  const cleared = value & ~((0xfn << 76n) | (0x3n << 62n));
  return uuidFromBigInt(cleared | (version << 76n) | (0x2n << 62n));
}

/** What code that makes new ids is given. */
export interface IdSource {
  next(): Uuid;
}
