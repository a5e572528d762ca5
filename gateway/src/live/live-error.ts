import { GraphQLError } from "graphql";
import type { FieldFault } from "@florin/kernel";

/**
 * An error that live queries raise themselves and that may go to the client word for word. `cursor`, where there is one, is
 * the last emission that was handed to the client: subscribe again with it as `after` and nothing is lost or repeated.
 */
export class LiveQueryError extends GraphQLError {
  constructor(
    code: string,
    message: string,
    more: { cursor?: string; retryAfterMs?: number; fields?: readonly FieldFault[] } = {},
  ) {
    super(message, { extensions: { code, ...more } });
  }
}

export function badInput(path: string, code: string, message: string): LiveQueryError {
  return new LiveQueryError("BAD_USER_INPUT", `${path}: ${message}`, { fields: [{ path, code, message }] });
}

export function unavailable(cursor?: string): LiveQueryError {
  return new LiveQueryError(
    "TEMPORARILY_UNAVAILABLE",
    "Events cannot be read just now. Subscribe again with the cursor as `after`.",
    { retryAfterMs: 1000, ...(cursor === undefined ? {} : { cursor }) },
  );
}

export function cursorExpired(): LiveQueryError {
  return new LiveQueryError(
    "CURSOR_EXPIRED",
    "The cursor is older than the events that are kept (7 days). Fetch the present state, then subscribe without `after`.",
  );
}
