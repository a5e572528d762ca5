import type { Json } from "@florin/kernel";

/**
 * Reads what came out of the sandbox. Nothing in it is trusted: unknown members, wrong types and names that JavaScript gives a meaning
 * of their own are refused, and every message says where.
 */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

export function refuseShape(path: string, message: string): never {
  throw new ShapeError(`${path}: ${message}`);
}

export type Reader<T> = (value: unknown, path: string) => T;

const MAX_DEPTH = 32;
const MAX_DIGITS = 60;
const BIGINT = "$bigint";
const DIGITS = /^-?[0-9]+$/;

/** The text as data of ours, with its bigints (exact-json's format). */
export function parseExactText(text: string, path: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    refuseShape(path, "not the text of an answer");
  }
  return toExact(json, path, 0);
}

function toExact(json: unknown, path: string, depth: number): unknown {
  if (depth > MAX_DEPTH) refuseShape(path, `more than ${MAX_DEPTH} levels`);
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map((one, place) => toExact(one, `${path}[${place}]`, depth + 1));
  if (Object.hasOwn(json, BIGINT)) return toBigint(Reflect.get(json, BIGINT), path);
  const members: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(json)) {
    const name = key.startsWith("$") ? key.slice(1) : key;
    if (name === "__proto__") refuseShape(path, "no member may have the name __proto__");
    members[name] = toExact(member, `${path}.${name.slice(0, 40)}`, depth + 1);
  }
  return members;
}

function toBigint(digits: unknown, path: string): bigint {
  if (typeof digits !== "string" || digits.length > MAX_DIGITS || !DIGITS.test(digits))
    refuseShape(path, `no whole number of at most ${MAX_DIGITS} digits`);
  return BigInt(digits);
}

export const text =
  (maxLength: number, pattern?: RegExp, hint = "write another one"): Reader<string> =>
  (value, path) => {
    if (typeof value !== "string") refuseShape(path, "not a text");
    if (value.length > maxLength) refuseShape(path, `longer than ${maxLength} characters`);
    if (pattern !== undefined && !pattern.test(value)) refuseShape(path, hint);
    return value;
  };

export const flag: Reader<boolean> = (value, path) =>
  typeof value === "boolean" ? value : refuseShape(path, "neither true nor false");

export const wholeNumber: Reader<bigint> = (value, path) =>
  typeof value === "bigint" ? value : refuseShape(path, "not a bigint: amounts and instants are bigints, 5n and not 5");

export const count: Reader<number> = (value, path) =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : refuseShape(path, "not a whole number");

export function oneOf<const T extends string>(values: readonly T[]): Reader<T> {
  return (value, path) => {
    const found = values.find((known) => known === value);
    return found ?? refuseShape(path, `none of ${values.length > 12 ? "the known ones" : values.join(", ")}`);
  };
}

export function list<T>(read: Reader<T>, maxLength: number): Reader<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) refuseShape(path, "not a list");
    if (value.length > maxLength) refuseShape(path, `more than ${maxLength} elements`);
    return value.map((one, place) => read(one, `${path}[${place}]`));
  };
}

export function record<T>(
  read: Reader<T>,
  maxLength: number,
  name: Reader<string> = text(80),
): Reader<Record<string, T>> {
  return (value, path) => {
    const entries = Object.entries(members(value, path));
    if (entries.length > maxLength) refuseShape(path, `more than ${maxLength} members`);
    return Object.fromEntries(entries.map(([key, one]) => [name(key, `${path}.${key}`), read(one, `${path}.${key}`)]));
  };
}

/** Exactly these members; those that are read by `maybe` may be absent, and are then absent in what is read. */
export function shape<T extends object>(readers: { readonly [Key in keyof T]-?: Reader<T[Key]> }): Reader<T> {
  const names = Object.keys(readers) as (keyof T & string)[];
  return (value, path) => {
    const given = members(value, path);
    for (const name of Object.keys(given))
      if (!Object.hasOwn(readers, name))
        refuseShape(path, `unknown member ${name.slice(0, 40)}; known are ${names.join(", ")}`);
    const read: Partial<T> = {};
    for (const name of names) {
      const one = readers[name](Object.hasOwn(given, name) ? given[name] : undefined, `${path}.${name}`);
      if (one !== undefined) read[name] = one;
    }
    return read as T;
  };
}

export function maybe<T>(read: Reader<T>): Reader<T | undefined> {
  return (value, path) => (value === undefined || value === null ? undefined : read(value, path));
}

/** Plain JSON: for details, which hold no bigints of ours. */
export const json: Reader<Json> = (value, path) => {
  if (typeof value === "bigint") refuseShape(path, "details are JSON: write an amount as a decimal string");
  if (Array.isArray(value)) value.forEach((one, place) => json(one, `${path}[${place}]`));
  else if (value !== null && typeof value === "object")
    for (const [key, one] of Object.entries(value)) json(one, `${path}.${key.slice(0, 40)}`);
  return value as Json;
};

function members(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) refuseShape(path, "not an object");
  return value as Readonly<Record<string, unknown>>;
}
