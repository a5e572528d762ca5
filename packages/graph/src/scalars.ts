import { formatInstant, isDecimal, parseInstant } from "@florin/kernel";
import { GraphQLError, GraphQLScalarType, Kind, valueFromASTUntyped, type ValueNode } from "graphql";

const MAX_CURSOR_LENGTH = 1024;
const MAX_JSON_CHARACTERS = 65_536;
const MAX_JSON_DEPTH = 16;
const CALENDAR_DAY = /^\d{4}-\d{2}-\d{2}$/;
const CURRENCY_SHAPE = /^[A-Z][A-Z0-9]{2,11}$/;

/** A value of the wrong form. `fieldCode` becomes `extensions.fields[].code`; the value itself is never repeated. */
function malformed(fieldCode: string, message: string, node?: ValueNode): GraphQLError {
  return new GraphQLError(message, { nodes: node, extensions: { code: "BAD_USER_INPUT", fieldCode } });
}

function stringLiteral(node: ValueNode, fieldCode: string, message: string): string {
  if (node.kind !== Kind.STRING) throw malformed(fieldCode, message, node);
  return node.value;
}

const decimalMessage = 'Not a decimal. Send a string such as "12.50"; JSON numbers lose digits and are refused.';

function parseDecimalText(value: unknown): string {
  if (typeof value !== "string" || !isDecimal(value)) throw malformed("AMOUNT_FORMAT", decimalMessage);
  return value;
}

/** A string in and out (api.md, "Values"). A resolver that returns a `number` is a bug and fails the field. */
export const decimalScalar = new GraphQLScalarType<string, string>({
  name: "Decimal",
  description: 'An exact decimal, always as a string: -?(0|[1-9][0-9]*)(\\.[0-9]+)?, such as "100.00".',
  serialize: (value) => {
    if (typeof value === "bigint") return value.toString();
    if (typeof value === "string" && isDecimal(value)) return value;
    throw new TypeError("a Decimal must be served as a decimal string or a bigint, never as a number");
  },
  parseValue: parseDecimalText,
  parseLiteral: (node) => parseDecimalText(stringLiteral(node, "AMOUNT_FORMAT", decimalMessage)),
});

const dateTimeMessage = 'Not a point in time. Send RFC 3339 such as "2026-01-31T09:00:00.000000Z".';

function parseDateTime(value: unknown): bigint {
  const instant = typeof value === "string" ? parseInstant(value) : undefined;
  if (instant === undefined) throw malformed("DATE_TIME_FORMAT", dateTimeMessage);
  return instant;
}

/** RFC 3339 in UTC with microseconds at the border, `Instant` inside. */
export const dateTimeScalar = new GraphQLScalarType<bigint, string>({
  name: "DateTime",
  description: "RFC 3339 in UTC with microseconds: 2026-01-31T09:00:00.000000Z.",
  serialize: (value) => {
    const instant =
      typeof value === "bigint" ? parseInstantOfMicros(value) : typeof value === "string" ? value : undefined;
    const parsed = instant === undefined ? undefined : parseInstant(instant);
    if (parsed === undefined) throw new TypeError("a DateTime must be served as an Instant or as RFC 3339");
    return formatInstant(parsed);
  },
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(stringLiteral(node, "DATE_TIME_FORMAT", dateTimeMessage)),
});

function parseInstantOfMicros(micros: bigint): string {
  return formatInstant(micros as Parameters<typeof formatInstant>[0]);
}

const dateMessage = 'Not a calendar day. Send one such as "2026-01-31".';

function parseDay(value: unknown): string {
  const exists =
    typeof value === "string" && CALENDAR_DAY.test(value) && parseInstant(`${value}T00:00:00Z`) !== undefined;
  if (!exists) throw malformed("DATE_FORMAT", dateMessage);
  return value;
}

export const dateScalar = new GraphQLScalarType<string, string>({
  name: "Date",
  description: "A calendar day: 2026-01-31.",
  serialize: parseDay,
  parseValue: parseDay,
  parseLiteral: (node) => parseDay(stringLiteral(node, "DATE_FORMAT", dateMessage)),
});

const currencyMessage = "Not a currency code. Use an ISO 4217 code such as USD.";

function parseCurrencyShape(value: unknown): string {
  if (typeof value !== "string" || !CURRENCY_SHAPE.test(value)) throw malformed("CURRENCY_UNKNOWN", currencyMessage);
  return value;
}

/** Checks the form alone; whether the code is registered is the command's to say, as it can name the field. */
export const currencyCodeScalar = new GraphQLScalarType<string, string>({
  name: "CurrencyCode",
  description: "ISO 4217, or a code that is registered here.",
  serialize: parseCurrencyShape,
  parseValue: parseCurrencyShape,
  parseLiteral: (node) => parseCurrencyShape(stringLiteral(node, "CURRENCY_UNKNOWN", currencyMessage)),
});

const cursorMessage = "Not a cursor. Send back a cursor exactly as it was given.";

function parseCursor(value: unknown): string {
  if (typeof value !== "string" || value.length === 0 || value.length > MAX_CURSOR_LENGTH)
    throw malformed("CURSOR_FORMAT", cursorMessage);
  return value;
}

/** Opaque and signed; the signature is checked by whoever opens it. */
export const cursorScalar = new GraphQLScalarType<string, string>({
  name: "Cursor",
  description: "Opaque and signed.",
  serialize: parseCursor,
  parseValue: parseCursor,
  parseLiteral: (node) => parseCursor(stringLiteral(node, "CURSOR_FORMAT", cursorMessage)),
});

function assertBoundedJson(value: unknown): unknown {
  if (depthOf(value, 0) > MAX_JSON_DEPTH)
    throw malformed("JSON_TOO_DEEP", `Nested deeper than ${MAX_JSON_DEPTH} levels. Send a flatter value.`);
  if ((JSON.stringify(value) ?? "null").length > MAX_JSON_CHARACTERS)
    throw malformed("JSON_TOO_LARGE", `Longer than ${MAX_JSON_CHARACTERS} characters. Send less.`);
  return value;
}

/** Stops one level behind the bound, so that a bomb costs no more than the bound. */
function depthOf(value: unknown, level: number): number {
  if (value === null || typeof value !== "object" || level > MAX_JSON_DEPTH) return level;
  let deepest = level + 1;
  for (const child of Object.values(value)) deepest = Math.max(deepest, depthOf(child, level + 1));
  return deepest;
}

export const jsonScalar = new GraphQLScalarType<unknown, unknown>({
  name: "JSON",
  description: "Any JSON value of bounded depth and size. Money in it is a decimal string.",
  serialize: (value) => value,
  parseValue: assertBoundedJson,
  parseLiteral: (node, variables) => assertBoundedJson(valueFromASTUntyped(node, variables)),
});

const scalars = [decimalScalar, dateTimeScalar, dateScalar, currencyCodeScalar, cursorScalar, jsonScalar];

/** By name; `createSubgraph` adds those that the subgraph's schema declares. */
export const scalarResolvers: Readonly<Record<string, GraphQLScalarType>> = Object.fromEntries(
  scalars.map((scalar) => [scalar.name, scalar]),
);
