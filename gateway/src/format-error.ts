import type { FieldFault } from "@florin/kernel";
import { isRequestErrorCode } from "@florin/graph";
import type { GraphQLError } from "graphql";
import { type GraphQLFormattedError } from "graphql";

/** Codes of the transport, beside the request errors of the contract. */
const transportCodes = new Set(["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "SLOW_CONSUMER"]);
/** Apollo Server's own codes for requests that it could not read; to a client they are one thing. */
const unreadableCodes = new Set(["BAD_REQUEST", "OPERATION_RESOLUTION_FAILURE", "PERSISTED_QUERY_NOT_SUPPORTED"]);

export interface UnexpectedErrorLogger {
  error(fields: object, message: string): void;
}

/**
 * What a client may read of an error: message, path, locations, and from `extensions` the code, `fields`, `retryAfterMs`, `cursor` and
 * `correlationId`. Everything that is not on the list of codes becomes INTERNAL and is logged whole.
 */
export function formatError(
  formatted: GraphQLFormattedError,
  error: unknown,
  correlationId: string | undefined,
  logger: UnexpectedErrorLogger,
): GraphQLFormattedError {
  const given = formatted.extensions ?? {};
  const where = {
    ...(formatted.locations === undefined ? {} : { locations: formatted.locations }),
    ...(formatted.path === undefined ? {} : { path: formatted.path }),
  };
  const code = toPublicCode(given);
  if (code === undefined) {
    if (given["code"] !== "INTERNAL") logger.error({ err: error, correlationId }, "an error was kept from a client");
    return {
      message: "Something went wrong here; quote the correlation id.",
      ...where,
      extensions: { code: "INTERNAL", ...(correlationId === undefined ? {} : { correlationId }) },
    };
  }
  const fields = toFields(given["fields"]);
  return {
    message: formatted.message,
    ...where,
    extensions: {
      code,
      ...(fields === undefined ? {} : { fields }),
      ...(typeof given["retryAfterMs"] === "number" ? { retryAfterMs: given["retryAfterMs"] } : {}),
      ...(typeof given["cursor"] === "string" ? { cursor: given["cursor"] } : {}),
      ...(correlationId === undefined ? {} : { correlationId }),
    },
  };
}

function toPublicCode(extensions: Readonly<Record<string, unknown>>): string | undefined {
  const code = extensions["code"];
  if (typeof extensions["fieldCode"] === "string") return "BAD_USER_INPUT"; // a literal that one of our scalars refused
  if (typeof code !== "string" || code === "INTERNAL") return undefined;
  if (unreadableCodes.has(code)) return "BAD_USER_INPUT";
  return isRequestErrorCode(code) || transportCodes.has(code) ? code : undefined;
}

function toFields(given: unknown): readonly FieldFault[] | undefined {
  if (!Array.isArray(given)) return undefined;
  return given.flatMap((fault: Partial<Record<keyof FieldFault, unknown>>) =>
    typeof fault.path === "string" && typeof fault.code === "string" && typeof fault.message === "string"
      ? [{ path: fault.path, code: fault.code, message: fault.message }]
      : [],
  );
}

/** The same list for errors outside Apollo Server: live queries. */
export function formatErrors(
  errors: readonly GraphQLError[],
  correlationId: string,
  logger: UnexpectedErrorLogger,
): readonly GraphQLFormattedError[] {
  return errors.map((error) => formatError(error.toJSON(), error, correlationId, logger));
}
