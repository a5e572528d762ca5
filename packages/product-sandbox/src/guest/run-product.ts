import * as kernel from "@florin/kernel";
import {
  exactToJson,
  jsonToExact,
  type CurrencyCode,
  type HookData,
  type HookKind,
  type Hooks,
  type InstructionChange,
  type Instant,
  type Json,
  type Product,
  type Uuid,
} from "@florin/kernel";
import { restrictGlobals } from "./restrict-globals.js";

/**
 * The inner side of the wall: runs inside the sandbox. One text in, one text out; nothing else crosses. The host is no friend of what
 * it gets from here and reads it strictly (parse-answer.ts), so this side may be simple.
 */
const { parse, stringify } = JSON;
const { isArray } = Array;
const { isFinite } = Number;
const { getPrototypeOf, keys } = Object;
const plain = Object.prototype;
const { apply } = Reflect;
const nativeSplit: (this: string, by: string) => string[] = String.prototype.split;
const split = (text: string, by: string): string[] => apply(nativeSplit, text, [by]);

/** Of an answer, in UTF-16 units and levels. */
const MAX_ANSWER_LENGTH = 262_144;
const MAX_DEPTH = 16;

let hooks: Hooks = {};

export function restrict(): void {
  restrictGlobals(kernel);
}

/** Takes the product's default export and says what it is, with the hooks' reads in place of the hooks. */
export function load(candidate: unknown): string {
  const product = candidate as Product | null | undefined;
  if (product === null || typeof product !== "object" || typeof product.hooks !== "object")
    throw new TypeError("the default export is no product: write `export default defineProduct({ … })`");
  hooks = product.hooks;
  const reads: Record<string, unknown> = {};
  for (const kind of keys(hooks)) reads[kind] = (hooks as Record<string, { reads?: unknown } | undefined>)[kind]?.reads;
  return write({ ...product, hooks: reads }, 0);
}

/** `A` and the answer, or `E` and the message of what the product threw. */
export function call(kind: HookKind, text: string): string {
  let answer: string;
  try {
    const data = kind === "prePosting" ? readPrePosting(text) : (jsonToExact(parse(text) as Json) as HookData);
    const hook = hooks[kind];
    if (hook === undefined) throw new Error(`the product has no hook ${kind}`);
    const given: unknown = (hook as { run(data: HookData): unknown }).run(data);
    answer = isArray(given) && given.length === 0 ? "[]" : write(given, 0);
  } catch (fault) {
    return `E${stringify({ name: nameOf(fault), message: messageOf(fault) })}`;
  }
  return `A${answer}`;
}

function nameOf(fault: unknown): string {
  return fault instanceof Error ? `${fault.name}`.slice(0, 80) : "thrown";
}

function messageOf(fault: unknown): string {
  try {
    return (fault instanceof Error ? `${fault.message}` : String(fault)).slice(0, 2_000);
  } catch {
    return "what was thrown has no text";
  }
}

const nothing: HookData<"prePosting">["parameters"] = {};
let lastFacts = "";
let lastParameters = nothing;
let lastFlags: readonly string[] | undefined;

/**
 * The hot path (performance.md L8): three lines (pre-posting-text.ts writes them). What most products look at stands in the first, cut
 * and not parsed; facts of the account in the second, where those that nothing can change are kept until they differ; legs, client
 * transactions and details in the third, which is parsed when somebody asks for it.
 */
function readPrePosting(text: string): HookData<"prePosting"> {
  const [head, facts, rest] = split(text, "\n") as [string, string, string];
  const fields = split(head, "|");
  const data: { -readonly [Key in keyof HookData<"prePosting">]: HookData<"prePosting">[Key] } = {
    account: {
      accountId: fields[0] as Uuid,
      denomination: fields[1] as CurrencyCode,
      tside: fields[2] as Product["tside"],
      openedAt: BigInt(fields[3]!) as Instant,
    },
    effectiveAt: BigInt(fields[4]!) as Instant,
    parameters: nothing,
    occasion: { instructions: readChanges(fields, rest) },
  };
  readFacts(facts, data);
  return data;
}

function readFacts(facts: string, data: { -readonly [Key in keyof HookData]: HookData[Key] }): void {
  if (facts !== lastFacts) {
    const [parameters, flags, observations, calendars] = parse(facts) as [
      Readonly<Record<string, string>>,
      readonly string[] | null,
      Json,
      Json,
    ];
    lastParameters = parameters;
    lastFlags = flags ?? undefined;
    lastFacts = observations === null && calendars === null ? facts : "";
    if (observations !== null) data.observations = jsonToExact(observations) as HookData["observations"];
    if (calendars !== null) data.calendars = jsonToExact(calendars) as HookData["calendars"];
  }
  data.parameters = lastParameters;
  data.flags = lastFlags;
}

type Rest = Pick<InstructionChange, "legs" | "clientTransaction" | "details">;
const FIELDS_BEFORE = 5;
const FIELDS_OF_CHANGE = 12;

function readChanges(fields: readonly string[], rest: string): InstructionChange[] {
  let parsed: readonly Rest[] | undefined;
  const restOf = (place: number) => (parsed ??= jsonToExact(parse(rest) as Json) as readonly Rest[])[place]!;
  const changes: InstructionChange[] = [];
  for (let at = FIELDS_BEFORE, place = 0; at < fields.length; at += FIELDS_OF_CHANGE, place++)
    changes[place] = readChange(fields, at, place, restOf);
  return changes;
}

function readChange(
  fields: readonly string[],
  at: number,
  place: number,
  restOf: (place: number) => Rest,
): InstructionChange {
  return {
    index: +fields[at]!,
    type: fields[at + 1] as InstructionChange["type"],
    advice: fields[at + 2] === "1",
    before: readNets(fields, at + 4),
    after: readNets(fields, at + 8),
    get legs() {
      return restOf(place).legs;
    },
    get clientTransaction() {
      return restOf(place).clientTransaction;
    },
    overSettledAmount: BigInt(fields[at + 3]!) as InstructionChange["overSettledAmount"],
    get details() {
      return restOf(place).details;
    },
  };
}

function readNets(fields: readonly string[], at: number): InstructionChange["before"] {
  return {
    committed: BigInt(fields[at]!),
    pendingIn: BigInt(fields[at + 1]!),
    pendingOut: BigInt(fields[at + 2]!),
    available: BigInt(fields[at + 3]!),
  } as InstructionChange["before"];
}

/** Plain data only, each member read once: what the host gets is a text, whatever getters and proxies stand behind it. */
function write(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new TypeError(`an answer of more than ${MAX_DEPTH} levels: make it flatter`);
  switch (typeof value) {
    case "string":
      return stringify(value);
    case "bigint":
      return stringify(exactToJson(value));
    case "boolean":
      return `${value}`;
    case "number":
      if (!isFinite(value)) throw new TypeError(`${value} in an answer: use a whole number as a bigint`);
      return `${value}`;
    case "object":
      return value === null ? "null" : isArray(value) ? writeList(value, depth) : writeObject(value, depth);
    case "undefined":
      return "null";
    default:
      throw new TypeError(`a ${typeof value} in an answer: answer with plain data`);
  }
}

function writeList(list: readonly unknown[], depth: number): string {
  const { length } = list;
  let text = "[";
  for (let place = 0; place < length; place++)
    text = grown(text, (place === 0 ? "" : ",") + write(list[place], depth + 1));
  return `${text}]`;
}

function writeObject(object: object, depth: number): string {
  const prototype: unknown = getPrototypeOf(object);
  if (prototype !== plain && prototype !== null)
    throw new TypeError("an answer holds an object of a class or a promise: answer at once, with plain data");
  let text = "{";
  for (const key of keys(object)) {
    const member = (object as Record<string, unknown>)[key];
    if (member === undefined) continue;
    const name = stringify(key.startsWith("$") ? `$${key}` : key);
    text = grown(text, `${text === "{" ? "" : ","}${name}:${write(member, depth + 1)}`);
  }
  return `${text}}`;
}

function grown(text: string, more: string): string {
  if (text.length + more.length > MAX_ANSWER_LENGTH)
    throw new TypeError(`an answer of more than ${MAX_ANSWER_LENGTH} characters: answer less`);
  return text + more;
}
