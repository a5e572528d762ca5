import { parseId, type FieldFault, type Json, type Uuid } from "@florin/kernel";

/**
 * Fields that the ledger's mutations share. Each pushes one fault per problem, so that a client hears of all at once.
 * An id is opaque to clients: one that is malformed names nothing, exactly as one that was never given out.
 */
const MAX_KEY_LENGTH = 255;
const PRINTABLE = /^[\x20-\x7e]+$/;
const MAX_REFERENCE_LENGTH = 140;
const MAX_DETAILS_BYTES = 4_096;
const DEFAULT_WAIT_MS = 1_500;
const MAX_WAIT_MS = 10_000;

/** No account ever has it: what a malformed id stands for, so that the refusal is stored and replays. */
export const NOBODY = "00000000-0000-0000-0000-000000000000" as Uuid;

export function parseAccountId(text: string): Uuid {
  return parseId("account", text) ?? NOBODY;
}

export function checkKey(key: string, faults: FieldFault[]): void {
  if (key.length >= 1 && key.length <= MAX_KEY_LENGTH && PRINTABLE.test(key) && key.trim() !== "") return;
  faults.push({
    path: "input.idempotencyKey",
    code: "KEY_INVALID",
    message: `Send 1 to ${MAX_KEY_LENGTH} printable ASCII characters, such as a UUID, and the same ones when you try again.`,
  });
}

/** Milliseconds to wait for the outcome: 1500 unless told, at most 10 000. */
export function parseWaitMs(waitMs: number | null | undefined, faults: FieldFault[]): number {
  const value = waitMs ?? DEFAULT_WAIT_MS;
  if (value < 0 || value > MAX_WAIT_MS)
    faults.push({
      path: "input.waitMs",
      code: "WAIT_OUT_OF_RANGE",
      message: `Send 0 to ${MAX_WAIT_MS} milliseconds, or leave it out.`,
    });
  return value;
}

/** PostgreSQL stores no U+0000, neither in text nor in jsonb. */
const NUL = "\u0000";

function nulFault(path: string): FieldFault {
  return { path, code: "CHARACTER_INVALID", message: "Leave the character U+0000 out; nothing here can store it." };
}

export function checkReference(reference: string | null | undefined, faults: FieldFault[]): void {
  if (reference === null || reference === undefined) return;
  if (reference.includes(NUL)) faults.push(nulFault("input.reference"));
  if ([...reference].length <= MAX_REFERENCE_LENGTH) return;
  faults.push({
    path: "input.reference",
    code: "REFERENCE_TOO_LONG",
    message: `Send at most ${MAX_REFERENCE_LENGTH} characters.`,
  });
}

export function checkText(text: string | null | undefined, path: string, faults: FieldFault[]): void {
  if (text === null || text === undefined) return;
  if (text.length >= 1 && text.length <= MAX_KEY_LENGTH && PRINTABLE.test(text)) return;
  faults.push({
    path,
    code: "TEXT_INVALID",
    message: `Send 1 to ${MAX_KEY_LENGTH} printable ASCII characters, or leave it out.`,
  });
}

/** The ledger's own note in a batch's details; its invariants trust it, so nobody else may write it. */
const ACCEPTED_DESPITE = "accepted_despite";

export function parseDetails(details: unknown, path: string, faults: FieldFault[]): Json | undefined {
  if (details === null || details === undefined) return undefined;
  const text = JSON.stringify(details);
  if (new TextEncoder().encode(text).length > MAX_DETAILS_BYTES) {
    faults.push({ path, code: "DETAILS_TOO_LARGE", message: `Send at most ${MAX_DETAILS_BYTES} bytes of JSON.` });
    return undefined;
  }
  if (hasNul(details)) {
    faults.push(nulFault(path));
    return undefined;
  }
  if (typeof details === "object" && Object.hasOwn(details, ACCEPTED_DESPITE)) {
    const message = `${ACCEPTED_DESPITE} is what the ledger notes on an advice (PI-4). Choose another name.`;
    faults.push({ path: `${path}.${ACCEPTED_DESPITE}`, code: "NAME_RESERVED", message });
    return undefined;
  }
  return JSON.parse(text) as Json;
}

/** In a name or a value, at any depth; the size was bounded before. */
function hasNul(value: unknown): boolean {
  if (typeof value === "string") return value.includes(NUL);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, member]) => name.includes(NUL) || hasNul(member));
}
