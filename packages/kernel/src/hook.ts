import type { AccountNets, Tside } from "./balance.js";
import type { ClientTransactionState } from "./client-transaction.js";
import type { CurrencyCode } from "./currency.js";
import type { DataRequirements } from "./data-requirement.js";
import type { Json } from "./event.js";
import type { Uuid } from "./ids.js";
import type { Instant } from "./instant.js";
import type { InstructionType, Leg, Side } from "./instruction.js";
import type { Amount } from "./money.js";
import type { BalanceInterval, BalanceSnapshot, PostingEntry } from "./observation.js";
import type { ParameterValues } from "./parameter.js";
import type { RefusalCode } from "./refusal.js";
import type { RestrictionType } from "./restriction-type.js";

/**
 * The hooks of a product (ledger.md §2.9): what each is shown, what it may read, what it may answer. Hooks are pure (HOOK-4): no
 * clock, no randomness, no memory. Instants in, directives out; the executor does the rest.
 */
export const hookKinds = [
  "activation",
  "prePosting",
  "postPosting",
  "preParameterChange",
  "postParameterChange",
  "derivedParameters",
  "deactivation",
  "conversion",
] as const;
export type HookKind = (typeof hookKinds)[number];

const everything = [
  "parameters",
  "flags",
  "observations",
  "balanceIntervals",
  "postingIntervals",
  "calendars",
  "lastExecutions",
  "balances",
  "postings",
] as const satisfies readonly (keyof DataRequirements)[];

/** The inputs column of §2.9. prePosting is the hot path: observations, no intervals (FET-5). */
export const readableBy = {
  activation: ["parameters"],
  prePosting: ["parameters", "flags", "observations", "calendars", "balances"],
  postPosting: everything,
  preParameterChange: ["parameters", "flags", "observations", "balances"],
  postParameterChange: everything,
  derivedParameters: ["parameters", "flags", "observations", "balances"],
  deactivation: ["observations", "balanceIntervals", "postingIntervals", "balances", "postings"],
  conversion: ["parameters"],
} as const satisfies Readonly<Record<HookKind, readonly (keyof DataRequirements)[]>>;
export type Readable<K extends HookKind> = (typeof readableBy)[K][number];

/** HOOK-5, enforced by whoever runs the hooks. What exceeds them has failed as the table says; the account stays usable. */
export const hookBudgets = {
  prePostingMillis: 50,
  otherMillis: 2_000,
  memoryMebibytes: 64,
} as const;
/** HOOK-3. */
export const MAX_CASCADE_DEPTH = 8;

/** What a batch's instruction does to one account. */
export interface InstructionChange {
  /** Place in the batch. */
  readonly index: number;
  readonly type: InstructionType;
  readonly advice: boolean;
  readonly before: AccountNets;
  readonly after: AccountNets;
  /** This account's own legs. */
  readonly legs: readonly Leg[];
  /** After the instruction. */
  readonly clientTransaction: ClientTransactionState;
  /** PI-3: what of a settlement is over its authorisation. */
  readonly overSettledAmount: Amount;
  readonly details?: Json | undefined;
}

/** `funds` and `limit` are what an advice downgrades to a note (PI-4); `rule` refuses always. */
export interface Objection {
  readonly instructionIndex: number;
  readonly kind: "funds" | "limit" | "rule";
  readonly code: RefusalCode;
  readonly message: string;
}

export interface ContractLeg {
  /** The account whose hook this is, or an internal account by its code, of the same denomination. */
  readonly account: "SELF" | { readonly internalCode: string };
  readonly address?: string;
  readonly side: Side;
  readonly amount: Amount;
}

/** A custom instruction in the account's denomination, COMMITTED only (§2.3). */
export interface ContractInstruction {
  readonly legs: readonly ContractLeg[];
  readonly details?: Json;
  /** RES-3: by choice of the directive, never by default. */
  readonly overrideRestrictions?: readonly RestrictionType[];
  /** T-7. */
  readonly truesUp?: readonly Uuid[];
}

/** One batch, and no answer holds more than one (HOOK-1). */
export interface PostingsDirective {
  readonly instructions: readonly ContractInstruction[];
  /** Absent: the hook's effective time (HOOK-2). */
  readonly valueAt?: Instant;
}

export interface NotificationDirective {
  readonly type: string;
  readonly details?: Json;
}

export interface ScheduleDirective {
  readonly eventType: string;
  readonly action: "CREATE" | "REPLACE" | "RETAIN" | "DISABLE";
  readonly definition?: Json;
}

export interface Rejection {
  readonly reject: { readonly code: RefusalCode; readonly message: string };
  readonly postings?: never;
  readonly notifications?: never;
  readonly schedules?: never;
}

export interface Directives {
  readonly reject?: never;
  readonly postings?: PostingsDirective | undefined;
  readonly notifications?: readonly NotificationDirective[];
  readonly schedules?: readonly ScheduleDirective[];
}

interface Silence {
  readonly reject?: never;
  readonly postings?: never;
  readonly notifications?: never;
  readonly schedules?: never;
}

type DirectivesWithoutSchedules = Omit<Directives, "schedules"> & { readonly schedules?: never };

/** The column "may return" of §2.9. */
export interface HookAnswers {
  readonly activation: Rejection | Directives;
  readonly prePosting: readonly Objection[];
  readonly postPosting: Directives;
  readonly preParameterChange: Rejection | Silence;
  readonly postParameterChange: Directives;
  readonly derivedParameters: Readonly<Record<string, string>>;
  readonly deactivation: Rejection | DirectivesWithoutSchedules;
  readonly conversion: Directives;
}

interface ParameterChange {
  readonly oldParameters: ParameterValues;
  readonly newParameters: ParameterValues;
}

/** What each hook is shown of its occasion, beside what it declared. */
export interface HookOccasions {
  readonly activation: object;
  /** Each sees the ones before it applied (PIB-2). */
  readonly prePosting: { readonly instructions: readonly InstructionChange[] };
  readonly postPosting: {
    readonly instructions: readonly InstructionChange[];
    readonly batchId: Uuid;
    /** T-7: its value time lies in a business day before the one it was booked in. */
    readonly backdated: boolean;
  };
  readonly preParameterChange: ParameterChange;
  readonly postParameterChange: ParameterChange;
  readonly derivedParameters: object;
  readonly deactivation: object;
  readonly conversion: {
    readonly fromVersion: string;
    readonly oldParameters: ParameterValues;
    readonly schedules: readonly { readonly eventType: string; readonly group?: string }[];
  };
}

export interface HookAccount {
  readonly accountId: Uuid;
  readonly denomination: CurrencyCode;
  readonly tside: Tside;
  readonly openedAt: Instant;
}

/**
 * All that one execution can know, as the executor fetched it: by the ids of the requirements. Plain data with bigints, so that it can
 * be written down and given again (hook-execution.ts).
 */
export interface HookData<K extends HookKind = HookKind> {
  readonly account: HookAccount;
  readonly effectiveAt: Instant;
  /** All of the account's parameters as of `effectiveAt`; the hook sees those it declared. */
  readonly parameters: ParameterValues;
  /** The names of the flags that are raised, as of `effectiveAt`. */
  readonly flags?: readonly string[] | undefined;
  readonly observations?: Readonly<Record<string, BalanceSnapshot>> | undefined;
  readonly balanceIntervals?: Readonly<Record<string, BalanceInterval>> | undefined;
  readonly postingIntervals?: Readonly<Record<string, readonly PostingEntry[]>> | undefined;
  readonly calendars?: Readonly<Record<string, readonly CalendarPeriod[]>> | undefined;
  readonly lastExecutions?: Readonly<Record<string, Instant>> | undefined;
  readonly occasion: HookOccasions[K];
}

export interface CalendarPeriod {
  readonly calendarId: string;
  readonly name: string;
  readonly from: Instant;
  readonly to: Instant;
}

/** A hook with its types forgotten: what the registry and the executor hold. */
export interface Hook<K extends HookKind = HookKind> {
  readonly kind: K;
  readonly reads: DataRequirements;
  /** Throws what the product's code throws. */
  run(data: HookData<K>): HookAnswers[K];
}

export type Hooks = { readonly [K in HookKind]?: Hook<K> };
