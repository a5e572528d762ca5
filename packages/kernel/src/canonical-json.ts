import type { Json } from "./event.js";

/**
 * One text for one JSON value: object keys sorted by code unit, absent members left out, no white space (RFC 8785 for what our
 * inputs hold; numbers as JavaScript prints them). Two inputs that mean the same have the same fingerprint (IDEM-2).
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== "object") {
    if (typeof value === "number" && !Number.isFinite(value)) throw new Error("JSON has no such number");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalJson).join(",")}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  const members = Object.keys(object)
    .filter((key) => object[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] ?? null)}`);
  return `{${members.join(",")}}`;
}
