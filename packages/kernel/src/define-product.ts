import type { Tside } from "./balance.js";
import type { CurrencyCode } from "./currency.js";
import { parseShorthand, spanInDays, type BalanceFilter, type DataRequirements } from "./data-requirement.js";
import {
  hookKinds,
  readableBy,
  type CalendarPeriod,
  type Hook,
  type HookAccount,
  type HookAnswers,
  type HookData,
  type HookKind,
  type HookOccasions,
  type Hooks,
  type Readable,
} from "./hook.js";
import type { Instant } from "./instant.js";
import type { BalanceInterval, PostingEntry } from "./observation.js";
import { ObservedBalances } from "./observed-balances.js";
import { decodeParameter, type Decoded, type ParameterDefinition, type ParameterTerms } from "./parameter.js";
import type { Product } from "./product.js";
import type { AddressScale } from "./rounding.js";

/**
 * Products typed by permission. The data that a hook declares decides what it can read, the hook's kind what it may declare and what it
 * may answer; both are types, so a prePosting that posts and a read that was not asked for do not compile. Code that comes without
 * types finds the same walls at run time: what was not declared throws (FET-1).
 */
type Terms = Readonly<Record<string, ParameterTerms>>;
type NameOf<P extends Terms> = keyof P & string;
type DecodedOf<P extends Terms, N extends NameOf<P>> = { readonly [Name in N]: Decoded<P[Name]["kind"]> };

/** Nothing where the requirement is absent: `unknown` adds no member to an intersection. */
type Facts<P extends Terms, R> = (R extends { readonly parameters: readonly (infer N)[] }
  ? { readonly parameters: DecodedOf<P, N & NameOf<P>> }
  : unknown) &
  (R extends { readonly flags: readonly (infer F)[] }
    ? { readonly flags: { readonly [Name in F & string]: boolean } }
    : unknown) &
  (R extends { readonly observations: infer O }
    ? { readonly observations: { readonly [Id in keyof O]: ObservedBalances } }
    : unknown) &
  (R extends { readonly balanceIntervals: infer I }
    ? { readonly balanceIntervals: { readonly [Id in keyof I]: BalanceInterval } }
    : unknown) &
  (R extends { readonly postingIntervals: infer I }
    ? { readonly postingIntervals: { readonly [Id in keyof I]: readonly PostingEntry[] } }
    : unknown) &
  (R extends { readonly calendars: infer C }
    ? { readonly calendars: { readonly [Id in keyof C]: readonly CalendarPeriod[] } }
    : unknown) &
  (R extends { readonly lastExecutions: readonly (infer E)[] }
    ? { readonly lastExecutions: { readonly [Event in E & string]: Instant | undefined } }
    : unknown) &
  (R extends { readonly balances: infer W }
    ? { readonly balances: W extends "latest" | "latest live" ? ObservedBalances : BalanceInterval }
    : unknown) &
  (R extends { readonly postings: string } ? { readonly postings: readonly PostingEntry[] } : unknown);

export type HookInput<K extends HookKind, P extends Terms, R> = {
  readonly account: HookAccount;
  readonly effectiveAt: Instant;
} & HookOccasions[K] &
  Facts<P, R>;

/** Only what this kind of hook may read; anything else has the type `never`, which nothing is. */
type OnlyReadable<K extends HookKind, R> = { readonly [Key in Exclude<keyof R, Readable<K>>]: never };

type AnswerOf<K extends HookKind, D extends string> = K extends "derivedParameters"
  ? { readonly [Name in D]: string }
  : HookAnswers[K];

export type HookBuilder<P extends Terms, D extends string> = {
  readonly [K in HookKind]: <const R extends DataRequirements<NameOf<P>>>(
    reads: R & OnlyReadable<K, R>,
    run: (input: HookInput<K, P, R>) => AnswerOf<K, D>,
  ) => Hook<K>;
};

export interface ProductTerms<P extends Terms, D extends string> {
  readonly code: string;
  readonly name: string;
  readonly version: string;
  readonly tside: Tside;
  readonly currencies?: readonly CurrencyCode[];
  readonly parameters: P;
  readonly addresses?: Readonly<Record<string, AddressScale>>;
  readonly closureExemptAddresses?: readonly string[];
  readonly derivedParameters?: readonly D[];
  readonly strictBackdating?: boolean;
  readonly hooks: (on: HookBuilder<P, D>) => Hooks;
}

/** Throws when a hook asks for what its kind may not read, or for one kind of data in two ways (FET-4). */
export function defineProduct<const P extends Terms, const D extends string = never>(
  terms: ProductTerms<P, D>,
): Product {
  const parameters = Object.entries<ParameterTerms>(terms.parameters).map(
    ([name, { description, kind, defaultValue }]): ParameterDefinition => ({ name, description, kind, defaultValue }),
  );
  const hooks = terms.hooks(hookBuilder<P, D>(parameters));
  for (const kind of hookKinds) {
    const reads = hooks[kind]?.reads;
    if (reads !== undefined) assertReads(`${terms.code}: ${kind}`, kind, reads);
  }
  return { ...terms, parameters, hooks };
}

function hookBuilder<P extends Terms, D extends string>(
  definitions: readonly ParameterDefinition[],
): HookBuilder<P, D> {
  const build =
    <K extends HookKind>(kind: K) =>
    <R extends DataRequirements<NameOf<P>>>(reads: R, run: (input: HookInput<K, P, R>) => AnswerOf<K, D>): Hook<K> => ({
      kind,
      reads,
      run: (data) => run(toInput(reads, definitions, data) as HookInput<K, P, R>) as HookAnswers[K],
    });
  return {
    activation: build("activation"),
    prePosting: build("prePosting"),
    postPosting: build("postPosting"),
    preParameterChange: build("preParameterChange"),
    postParameterChange: build("postParameterChange"),
    derivedParameters: build("derivedParameters"),
    deactivation: build("deactivation"),
    conversion: build("conversion"),
  };
}

/** The executor's data cut down to what was declared. What was declared and not fetched throws: a fault of the executor. */
function toInput(reads: DataRequirements, definitions: readonly ParameterDefinition[], data: HookData): object {
  const { account, effectiveAt, occasion } = data;
  const input: Record<string, unknown> = { account, effectiveAt, ...occasion };
  if (reads.parameters !== undefined)
    input["parameters"] = pick("parameters", reads.parameters, (name) => {
      const definition = definitions.find((known) => known.name === name);
      if (definition === undefined) throw new Error(`UNDECLARED_READ: the product has no parameter ${name}`);
      return decodeParameter(definition, data.parameters, account.denomination);
    });
  if (reads.flags !== undefined)
    input["flags"] = pick("flags", reads.flags, (name) => data.flags?.includes(name) ?? false);
  if (reads.observations !== undefined) {
    const { observations } = reads;
    input["observations"] = pick("observations", Object.keys(observations), (id) =>
      toBalances(data, id, observations[id]!),
    );
  }
  for (const kind of ["balanceIntervals", "postingIntervals", "calendars"] as const)
    if (reads[kind] !== undefined)
      input[kind] = pick(kind, Object.keys(reads[kind]), (id) => fetched(kind, id, data[kind]?.[id]));
  if (reads.lastExecutions !== undefined)
    input["lastExecutions"] = pick("lastExecutions", reads.lastExecutions, (event) => data.lastExecutions?.[event]);
  if (reads.balances !== undefined)
    input["balances"] = isMoment(reads.balances)
      ? toBalances(data, "balances", {})
      : fetched("balanceIntervals", "balances", data.balanceIntervals?.["balances"]);
  if (reads.postings !== undefined)
    input["postings"] = fetched("postingIntervals", "postings", data.postingIntervals?.["postings"]);
  return guarded("the input", input);
}

function toBalances(data: HookData, id: string, filter: BalanceFilter): ObservedBalances {
  return new ObservedBalances(fetched("observations", id, data.observations?.[id]), filter, data.account);
}

function isMoment(shorthand: string): boolean {
  const parsed = parseShorthand(shorthand);
  return parsed !== undefined && "at" in parsed;
}

function fetched<T>(kind: string, id: string, value: T | undefined): T {
  if (value === undefined) throw new Error(`${kind} ${id} was declared and not fetched`);
  return value;
}

function pick(what: string, names: readonly string[], read: (name: string) => unknown): object {
  const picked: Record<string, unknown> = {};
  for (const name of names) picked[name] = read(name);
  return guarded(what, picked);
}

/** FET-1: a name that is not there throws, where plain JavaScript would say undefined. */
function guarded(what: string, members: Record<string, unknown>): object {
  return new Proxy(members, {
    get: (target, name) => {
      if (typeof name === "string" && !Object.hasOwn(target, name) && name !== "toJSON")
        throw new Error(`UNDECLARED_READ: ${name} is not in ${what}; declare it among what the hook reads`);
      return Reflect.get(target, name);
    },
  });
}

/** Days that an interval of a hook may span (FET-5). */
const MAX_INTERVAL_DAYS = 400;

function assertReads(where: string, kind: HookKind, reads: DataRequirements): void {
  const readable: readonly string[] = readableBy[kind];
  for (const [key, value] of Object.entries(reads))
    if (value !== undefined && !readable.includes(key)) throw new Error(`${where} may not read ${key}`);
  const { observations, balanceIntervals, postingIntervals, balances, postings } = reads;
  if (balances !== undefined && (observations !== undefined || balanceIntervals !== undefined))
    throw new Error(`${where} asks for balances both by fetcher and by shorthand; keep one (FET-4)`);
  if (postings !== undefined && postingIntervals !== undefined)
    throw new Error(`${where} asks for postings both by fetcher and by shorthand; keep one (FET-4)`);
  if (kind === "prePosting" && balances !== undefined && !isMoment(balances))
    throw new Error(`${where} reads observations only: ask for "latest" or "latest live" (FET-5)`);
  for (const [name, text] of Object.entries({ balances, postings })) {
    if (text === undefined) continue;
    const parsed = parseShorthand(text);
    if (parsed === undefined || (name === "postings" && "at" in parsed))
      throw new Error(`${where}: "${text}" is no range of ${name}; write "1 month" or "90 days live"`);
    if ("start" in parsed) assertSpan(where, parsed);
  }
  for (const interval of Object.values({ ...balanceIntervals, ...postingIntervals })) assertSpan(where, interval);
}

function assertSpan(where: string, interval: Parameters<typeof spanInDays>[0]): void {
  if (spanInDays(interval) > MAX_INTERVAL_DAYS)
    throw new Error(`${where} looks back more than ${MAX_INTERVAL_DAYS} days; ask for less (FET-5)`);
}
