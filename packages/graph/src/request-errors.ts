import { RequestError, requestErrorCodes, type FieldFault, type RequestErrorCode } from "@florin/kernel";
import {
  coerceInputValue,
  GraphQLError,
  isInputType,
  isNonNullType,
  typeFromAST,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from "graphql";
import type { SubgraphErrorJson } from "./subgraph.js";

export function isRequestErrorCode(code: unknown): code is RequestErrorCode {
  return (requestErrorCodes as readonly unknown[]).includes(code);
}

/** `extensions` of a refusal to take a request: code, and only then fields and retryAfterMs. */
export function toErrorExtensions(error: RequestError): Record<string, unknown> {
  return {
    code: error.code,
    ...(error.fields.length > 0 ? { fields: error.fields } : {}),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}

export function toGraphqlError(error: RequestError): GraphQLError {
  return new GraphQLError(error.message, { originalError: error, extensions: toErrorExtensions(error) });
}

export function internalError(correlationId: string): SubgraphErrorJson {
  return {
    message: "Something went wrong here; quote the correlation id.",
    extensions: { code: "INTERNAL", correlationId },
  };
}

/**
 * What the execution of a document gave, as JSON for the caller. Errors that nobody meant to show become INTERNAL with the
 * correlation id and go to `logUnexpected` whole.
 */
export function toErrorJson(
  error: GraphQLError,
  correlationId: string,
  logUnexpected: (error: unknown) => void,
  toRequestError: (error: unknown) => RequestError | undefined = () => undefined,
): SubgraphErrorJson {
  const path = error.path;
  const cause = error.originalError;
  if (cause instanceof RequestError) return { message: error.message, path, extensions: toErrorExtensions(cause) };
  const isOurs = cause instanceof GraphQLError && isRequestErrorCode(cause.extensions["code"]);
  if (isOurs) return { message: error.message, path, extensions: { ...cause.extensions } };
  if (cause === undefined || cause === null)
    return { message: error.message, path, extensions: { code: "BAD_USER_INPUT" } };
  logUnexpected(cause);
  const told = toRequestError(cause);
  if (told !== undefined) return { message: told.message, path, extensions: toErrorExtensions(told) };
  return { ...internalError(correlationId), path };
}

/**
 * All faults of the variables, each with its path and without the offending value: a password of the wrong type must not be
 * repeated to anyone. Empty when the variables fit the operation.
 */
export function findVariableFaults(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): FieldFault[] {
  const faults: FieldFault[] = [];
  for (const definition of operation.variableDefinitions ?? []) {
    const name = definition.variable.name.value;
    const type = typeFromAST(schema, definition.type);
    if (!isInputType(type)) continue;
    const isGiven = Object.hasOwn(variables, name) && variables[name] !== undefined;
    if (!isGiven) {
      if (definition.defaultValue === undefined && isNonNullType(type)) faults.push(missing(name, type.toString()));
      continue;
    }
    const value = variables[name];
    if (value === null && isNonNullType(type)) faults.push(missing(name, type.toString()));
    else coerceInputValue(value, type, (path, _value, error) => faults.push(toFault([name, ...path], error)));
    if (faults.length >= MAX_FAULTS) break;
  }
  return faults.slice(0, MAX_FAULTS);
}

const MAX_FAULTS = 10;

function missing(path: string, type: string): FieldFault {
  return { path, code: "REQUIRED", message: `Send a value of type ${type}.` };
}

function toFault(path: readonly (string | number)[], error: GraphQLError): FieldFault {
  const fieldCode = error.extensions["fieldCode"];
  const text = path.join(".");
  if (typeof fieldCode === "string") return { path: text, code: fieldCode, message: error.message };
  const absent = /^Field "(\w+)" of required type "([^"]+)" was not provided/.exec(error.message);
  if (absent !== null) return missing(`${text}.${absent[1]!}`, absent[2]!);
  const unknown = /^Field "(\w+)" is not defined by type "(\w+)"/.exec(error.message);
  if (unknown !== null)
    return {
      path: `${text}.${unknown[1]!}`,
      code: "UNKNOWN_FIELD",
      message: `${unknown[2]!} has no such field. Leave it out.`,
    };
  const expected = /^Expected (?:non-nullable type|type|value of type)? ?"([^"]+)"/.exec(error.message);
  const enumType =
    /^Value .* does not exist in "(\w+)" enum/s.exec(error.message) ?? /^Enum "(\w+)"/.exec(error.message);
  const type = expected?.[1] ?? enumType?.[1];
  return {
    path: text,
    code: "TYPE_MISMATCH",
    message: type === undefined ? "Not a value of the expected type." : `Send a value of type ${type}.`,
  };
}

export function serviceTokenRefused(name: string): SubgraphErrorJson {
  return {
    message: `The subgraph ${name} answers services only. Send a service token made for it.`,
    extensions: { code: "SERVICE_UNAUTHENTICATED" },
  };
}
