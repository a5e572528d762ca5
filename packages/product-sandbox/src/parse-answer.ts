import {
  isUuid,
  refusalCodes,
  restrictionTypes,
  type Amount,
  type ContractInstruction,
  type ContractLeg,
  type Directives,
  type HookAnswers,
  type HookData,
  type HookKind,
  type Instant,
  type NotificationDirective,
  type Objection,
  type PostingsDirective,
  type Rejection,
  type ScheduleDirective,
  type Uuid,
} from "@florin/kernel";
import {
  count,
  json,
  list,
  maybe,
  oneOf,
  parseExactText,
  record,
  refuseShape,
  shape,
  text,
  wholeNumber,
  type Reader,
} from "./strict-shape.js";

/**
 * The column "may return" of ledger.md §2.9, for answers that no compiler has seen: one batch at most (HOOK-1), only what this kind of
 * hook may answer, and nothing that the kernel would have to take on faith. Whether an amount or an address is right stays for the
 * kernel to judge, as it does for built-in products.
 */
export type AnswerReader<K extends HookKind = HookKind> = (answer: string, data: HookData<K>) => HookAnswers[K];

const reason = { code: oneOf(refusalCodes), message: text(2_000) };

const objection: Reader<Objection> = shape<Objection>({
  instructionIndex: count,
  kind: oneOf(["funds", "limit", "rule"]),
  ...reason,
});

const amount: Reader<Amount> = (value, path) => wholeNumber(value, path) as Amount;
const instant: Reader<Instant> = (value, path) => wholeNumber(value, path) as Instant;
const uuid: Reader<Uuid> = (value, path) =>
  typeof value === "string" && isUuid(value) ? value : refuseShape(path, "not an id");

const internalAccount = shape<{ internalCode: string }>({ internalCode: text(64) });

const leg = shape<ContractLeg>({
  account: (value, path) => (value === "SELF" ? value : internalAccount(value, path)),
  address: maybe(text(64)) as Reader<string>,
  side: oneOf(["DEBIT", "CREDIT"]),
  amount,
});

const instruction = shape<ContractInstruction>({
  legs: list(leg, 100),
  details: maybe(json) as Reader<NonNullable<ContractInstruction["details"]>>,
  overrideRestrictions: maybe(list(oneOf(restrictionTypes), restrictionTypes.length)) as Reader<
    NonNullable<ContractInstruction["overrideRestrictions"]>
  >,
  truesUp: maybe(list(uuid, 1_000)) as Reader<readonly Uuid[]>,
});

const batch = shape<PostingsDirective>({
  instructions: list(instruction, 500),
  valueAt: maybe(instant) as Reader<Instant>,
});
const postings: Reader<PostingsDirective | undefined> = maybe((value, path) =>
  Array.isArray(value) ? refuseShape(path, "one batch an execution, not a list of them (HOOK-1)") : batch(value, path),
);

const notification = shape<NotificationDirective>({
  type: text(100),
  details: maybe(json) as Reader<NonNullable<NotificationDirective["details"]>>,
});
const schedule = shape<ScheduleDirective>({
  eventType: text(100),
  action: oneOf(["CREATE", "REPLACE", "RETAIN", "DISABLE"]),
  definition: maybe(json) as Reader<NonNullable<ScheduleDirective["definition"]>>,
});

const notifications = maybe(list(notification, 100)) as Reader<readonly NotificationDirective[]>;
const schedules = maybe(list(schedule, 100)) as Reader<readonly ScheduleDirective[]>;

type Posting = Omit<Directives, "reject" | "schedules">;
const withoutSchedules = shape<Posting>({ postings, notifications });
const directives = shape<Omit<Directives, "reject">>({ postings, notifications, schedules });
const silence = shape<Record<never, never>>({});
const rejection = shape<Rejection>({
  reject: shape(reason),
} as { readonly [Key in keyof Rejection]-?: Reader<Rejection[Key]> });

/** A rejection comes alone: what is refused posts nothing. */
function rejectionOr<T>(otherwise: Reader<T>): Reader<Rejection | T> {
  return (value, path) =>
    value !== null && typeof value === "object" && Object.hasOwn(value, "reject")
      ? rejection(value, path)
      : otherwise(value, path);
}

const objections = list(objection, 1_000);

function readObjections(answer: string, { occasion }: HookData<"prePosting">): readonly Objection[] {
  if (answer === "[]") return [];
  const read = objections(parseExactText(answer, "answer"), "answer");
  for (const { instructionIndex } of read)
    if (!occasion.instructions.some(({ index }) => index === instructionIndex))
      refuseShape("answer", `an objection to instruction ${instructionIndex}, which is not there`);
  return read;
}

function readDerived(names: readonly string[]): Reader<Record<string, string>> {
  const read = record(text(1_000), 1_000);
  return (value, path) => {
    const derived = read(value, path);
    for (const name of names)
      if (!Object.hasOwn(derived, name))
        refuseShape(path, `no value for the derived parameter ${name}; answer all of them`);
    const extra = Object.keys(derived).find((name) => !names.includes(name));
    if (extra !== undefined) refuseShape(path, `${extra.slice(0, 40)} is no declared derived parameter`);
    return derived;
  };
}

const from =
  <T>(read: Reader<T>) =>
  (answer: string): T =>
    read(parseExactText(answer, "answer"), "answer");

export function answerReaders(derivedNames: readonly string[]): { readonly [K in HookKind]: AnswerReader<K> } {
  return {
    activation: from(rejectionOr(directives)),
    prePosting: readObjections,
    postPosting: from(directives),
    preParameterChange: from(rejectionOr(silence)),
    postParameterChange: from(directives),
    derivedParameters: from(readDerived(derivedNames)),
    deactivation: from(rejectionOr(withoutSchedules)),
    conversion: from(directives),
  };
}
