/**
 * Keeps secrets out of logs, twice.
 *
 * By name, before a line is made: every field of a logged object at any depth whose name says that it is a secret is replaced, whatever it
 * holds. By shape, on the finished line: what looks like a token, a key or a password in a URL is masked even inside a message.
 * Bounded: deeper or wider than the limits below is cut, so a log call never walks a whole response. Cycles are cut too.
 */
const REDACTED = "[redacted]";
const MAX_DEPTH = 8;
const MAX_ENTRIES = 100;
const MAX_TEXT = 8_192;

/** Names compared without case, `_`, `-` and spaces: `refresh_token`, `Refresh-Token` and `refreshToken` are one. */
const SECRET_NAMES = [
  "authorization",
  "cookie",
  "credential",
  "passphrase",
  "password",
  "passwd",
  "privatejwk",
  "privatekey",
  "apikey",
  "masterkey",
  "secret",
  "token",
  "florinviewer",
  // Of linked accounts: whole numbers are shown masked, under names that say so.
  "accountnumber",
  "paymentreferencenumber",
];
/** Names that contain one of the above and are no secret. */
const HARMLESS_NAMES = new Set([
  "apikeyid",
  "tokencount",
  "tokenkind",
  "tokens",
  "maxtokens",
  "accountnumbermasked",
  "paymentreferencenumbermasked",
]);

export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return !HARMLESS_NAMES.has(plain) && SECRET_NAMES.some((secret) => plain.includes(secret));
}

const SHAPES: readonly (readonly [RegExp, string])[] = [
  // JSON Web Tokens and anything else that starts like base64url of `{"`.
  [/eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}/g, REDACTED],
  // Our own opaque secrets: API keys and whatever else is given out as florin_xx_….
  [/florin_[a-z]{2,8}_[A-Za-z0-9_-]{8,}/g, REDACTED],
  [/\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  // Plaid's access, public and link tokens, of every environment it has or had.
  [/\b(?:access|public|link)-(?:sandbox|development|production)-[A-Za-z0-9-]{8,64}/g, REDACTED],
  // The password of a URL: postgres://name:password@host. Bounded pieces, or dotted text would cost its length squared.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/?#@"]{0,128}):[^\s/@"]{1,512}@/gi, `$1:${REDACTED}@`],
];

/** Masks what looks like a secret in any text. Leaves valid JSON valid. */
export function maskSecrets(text: string): string {
  let masked = text;
  for (const [shape, replacement] of SHAPES) masked = masked.replace(shape, replacement);
  return masked;
}

/** A copy that may be written to a log: secrets by name replaced, errors and bigints made readable, size bounded. */
export function redact(value: unknown): unknown {
  return copy(value, 0, new Set());
}

/** The same for the fields of a log line. Never throws: a field that cannot be read must not break what was being logged. */
export function redactFields(fields: object): Record<string, unknown> {
  try {
    return copyObject(fields, 0, new Set([fields]));
  } catch {
    return { logFault: "the fields of this line could not be read" };
  }
}

function copy(value: unknown, depth: number, above: Set<object>): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}… [cut]` : value;
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value;
  if (above.has(value)) return "[circular]";
  if (depth >= MAX_DEPTH) return "[cut: too deep]";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return copy(Object.fromEntries(value), depth, above);
  if (value instanceof Set) return copy([...value], depth, above);
  above.add(value);
  const copied = Array.isArray(value)
    ? copyArray(value, depth, above)
    : "toJSON" in value && typeof value.toJSON === "function"
      ? copy(value.toJSON(), depth + 1, above)
      : copyObject(value, depth, above);
  above.delete(value);
  return copied;
}

function copyArray(values: readonly unknown[], depth: number, above: Set<object>): unknown[] {
  const copied = values.slice(0, MAX_ENTRIES).map((value) => copy(value, depth + 1, above));
  if (values.length > MAX_ENTRIES) copied.push(`[cut: ${values.length - MAX_ENTRIES} more]`);
  return copied;
}

function copyObject(value: object, depth: number, above: Set<object>): Record<string, unknown> {
  const copied: Record<string, unknown> = {};
  if (value instanceof Error) {
    // Not enumerable, and the most useful of all.
    copied["type"] = value.name;
    copied["message"] = copy(value.message, depth + 1, above);
    copied["stack"] = copy(value.stack, depth + 1, above);
    if (value.cause !== undefined) copied["cause"] = copy(value.cause, depth + 1, above);
  }
  const entries = Object.entries(value);
  for (const [name, inner] of entries.slice(0, MAX_ENTRIES)) {
    copied[name] = isSecretName(name) ? REDACTED : copy(inner, depth + 1, above);
  }
  if (entries.length > MAX_ENTRIES) copied["…"] = `[cut: ${entries.length - MAX_ENTRIES} more]`;
  return copied;
}
