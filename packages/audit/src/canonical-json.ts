/** A JSON value as the audit reads it: what `JSON.parse` gives. An absent member and one that is `undefined` are the same. */
export type AuditJson =
  null | boolean | number | string | readonly AuditJson[] | { readonly [key: string]: AuditJson | undefined };

/**
 * One text for one JSON value: object keys sorted by UTF-16 code unit, absent members left out, no white space (RFC 8785 for what is
 * hashed here). A `jsonb` column forgets the order of keys and gives the same text again. What
 * JSON has no number for is null, as `JSON.stringify` stores it.
 */
export function canonicalJson(value: AuditJson): string {
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  let text = "";
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) text += `${text === "" ? "" : ","}${quote(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

function isArray(value: AuditJson): value is readonly AuditJson[] {
  return Array.isArray(value);
}

// What JSON.stringify would escape: quote, backslash, control characters, and halves of surrogate pairs (whole pairs are looked at too:
// rare, and it decides).
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/;

/** A string as JSON has it. Nearly none needs escaping, and the look costs a tenth of the call. */
export function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}
