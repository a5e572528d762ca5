import type { Json } from "./event.js";

/** What JSON can carry, and whole numbers of any size. */
export type Exact =
  null | boolean | number | string | bigint | undefined | readonly Exact[] | { readonly [key: string]: Exact };

const BIGINT = "$bigint";

/**
 * Whole numbers as `{"$bigint":"…"}`, so that amounts and instants come back as they went. A member of a stranger's object that
 * begins with `$` gets one more, so nobody's details can pass for ours.
 */
export function exactToJson(value: Exact): Json {
  if (typeof value === "bigint") return { [BIGINT]: value.toString() };
  if (value === undefined) return null;
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return (value as readonly Exact[]).map(exactToJson);
  const members: Record<string, Json> = {};
  for (const [key, member] of Object.entries(value as { readonly [key: string]: Exact }))
    if (member !== undefined) setMember(members, key.startsWith("$") ? `$${key}` : key, exactToJson(member));
  return members;
}

/** What `exactToJson` was given; the caller says what that was. */
export function jsonToExact(json: Json): unknown {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return (json as readonly Json[]).map(jsonToExact);
  const object = json as { readonly [key: string]: Json | undefined };
  const digits = object[BIGINT];
  if (typeof digits === "string") return BigInt(digits);
  const members: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(object))
    if (member !== undefined) setMember(members, key.startsWith("$") ? key.slice(1) : key, jsonToExact(member));
  return members;
}

/** Assigned, a stranger's `__proto__` would be no member: it would be missing from what is written, and a replay would differ. */
function setMember<T>(members: Record<string, T>, key: string, value: T): void {
  if (key !== "__proto__") members[key] = value;
  else Object.defineProperty(members, key, { value, enumerable: true, configurable: true, writable: true });
}
