/**
 * Thrown by a handler for an event that no retry can save (a payload that does not parse, a version that is unknown): it is parked at
 * once. Anything else that is thrown counts as a fault that may pass.
 */
export class PoisonEvent extends Error {
  override readonly name = "PoisonEvent";
}

const MAX_ERROR_LENGTH = 1_000;

/** What of an error is kept beside a parked event and in logs: its name and its message, never its payload or stack. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.length <= MAX_ERROR_LENGTH ? text : `${text.slice(0, MAX_ERROR_LENGTH)}…`;
}
