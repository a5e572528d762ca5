import type { FieldFault, Json } from "@florin/kernel";

/** Checks that several commands share. Each pushes at most one fault and returns the value to use. */
const PRINTABLE_KEY = /^[\x21-\x7e]{1,255}$/;
const MAX_WAIT_MS = 10_000;
const DEFAULT_WAIT_MS = 1_500;
const MAX_PARAMETER_CHARACTERS = 4_096;

const CONTROL = /[\u0000-\u001f\u007f\u2028\u2029]/;

export function checkIdempotencyKey(key: string, faults: FieldFault[]): void {
  if (!PRINTABLE_KEY.test(key))
    faults.push({
      path: "input.idempotencyKey",
      code: "KEY_INVALID",
      message: "Send 1 to 255 printable ASCII characters without spaces; a random UUID does well.",
    });
}

/** How long to wait for the outcome (api.md, Idempotency). */
export function parseWaitMs(waitMs: number | null | undefined, faults: FieldFault[]): number {
  if (waitMs === undefined || waitMs === null) return DEFAULT_WAIT_MS;
  if (waitMs >= 0 && waitMs <= MAX_WAIT_MS) return waitMs;
  faults.push({ path: "input.waitMs", code: "WAIT_OUT_OF_RANGE", message: `Wait 0 to ${MAX_WAIT_MS} milliseconds.` });
  return 0;
}

/** Trimmed text of 1 to `maxLength` characters on one line. */
export function parseName(text: string, path: string, maxLength: number, faults: FieldFault[]): string {
  const name = text.normalize("NFC").trim();
  if (name === "") faults.push({ path, code: "FIELD_REQUIRED", message: "Send a name." });
  else if ([...name].length > maxLength)
    faults.push({ path, code: "NAME_TOO_LONG", message: `Use at most ${maxLength} characters.` });
  else if (CONTROL.test(name))
    faults.push({ path, code: "NAME_INVALID", message: "Use one line of text without control characters." });
  return name;
}

export function parseParameters(parameters: unknown, faults: FieldFault[]): { readonly [name: string]: Json } {
  if (parameters === undefined || parameters === null) return {};
  const path = "input.parameters";
  if (typeof parameters !== "object" || Array.isArray(parameters)) {
    faults.push({ path, code: "PARAMETERS_INVALID", message: "Send an object of the product's parameters." });
    return {};
  }
  if (JSON.stringify(parameters).length > MAX_PARAMETER_CHARACTERS)
    faults.push({
      path,
      code: "PARAMETERS_TOO_LARGE",
      message: `Send at most ${MAX_PARAMETER_CHARACTERS} characters of JSON.`,
    });
  return parameters as { readonly [name: string]: Json };
}
