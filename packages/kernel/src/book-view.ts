import { accountNets, type AccountNets, type Totals, type Tside } from "./balance.js";
import type { ClientTransactionChange, ClientTransactionState } from "./client-transaction.js";
import type { CurrencyCode } from "./currency.js";
import type { CalendarPeriod } from "./hook.js";
import type { Uuid } from "./ids.js";
import type { Instant } from "./instant.js";
import type { Instruction, InstructionReference, Leg } from "./instruction.js";
import type { Amount } from "./money.js";
import type { BalanceSnapshot, ValuedChange, ValueWindow } from "./observation.js";
import type { ParameterValues } from "./parameter.js";
import type { Product } from "./product.js";
import type { Refusal, RefusalCode } from "./refusal.js";
import type { Restriction } from "./restriction.js";
import type { AddressScale } from "./rounding.js";
import type { ParameterHistory, Timeseries } from "./timeseries.js";

/** What a batch is decided over, and what is decided. Optional members are facts that most accounts do not have. */
export interface AccountState {
  readonly accountId: Uuid;
  readonly tside: Tside;
  readonly status: "PENDING" | "OPEN" | "PENDING_CLOSURE" | "CLOSED";
  readonly denomination: CurrencyCode;
  readonly openedAt: Instant;
  /** undefined for internal accounts: nobody judges their postings (BAL-1). */
  readonly product: Product | undefined;
  /** As they are now. */
  readonly parameters: ParameterValues;
  /** Of the account's last posting; 0 when there is none. Gapless (INV-4). */
  readonly accountSeq: bigint;
  /** By `coordinateKey`. */
  readonly totals: ReadonlyMap<string, Totals>;
  /** Where there is one, hooks see parameters as of the value time (FLAG-1). */
  readonly parameterHistory?: ParameterHistory | undefined;
  readonly flags?: Readonly<Record<string, Timeseries<boolean>>> | undefined;
  /** Of its customer, of itself and of its payment devices. */
  readonly restrictions?: readonly Restriction[] | undefined;
  readonly guards?: KernelGuards | undefined;
  /** T-2: value times before this need `posting.backdate.closed_period`. */
  readonly closedUntil?: Instant | undefined;
  /** MON-2, of an internal account; a customer's account has its product's. */
  readonly addressScales?: Readonly<Record<string, AddressScale>> | undefined;
  /** For a backdated batch: what can be spent, in value time from the batch's value time on (BAL-2). */
  readonly spendableHistory?: { readonly opening: Amount; readonly changes: readonly ValuedChange[] } | undefined;
  /** What the product's prePosting asks for and is not live: by the requirement's id. */
  readonly observations?: Readonly<Record<string, BalanceSnapshot>> | undefined;
  readonly calendars?: Readonly<Record<string, readonly CalendarPeriod[]>> | undefined;
}

/** BAL-1: the belt beside the product. Of what can be spent, and of what is held. */
export interface KernelGuards {
  readonly minAvailable?: Amount | undefined;
  readonly maxCommitted?: Amount | undefined;
}

export interface BookView {
  /** With both accounts of every client transaction that a batch follows up. */
  readonly accounts: Map<Uuid, AccountState>;
  /** By `clientTransactionKey`: every one that the batches name and that exists, read under its lock (CT-3). */
  readonly clientTransactions: Map<string, ClientTransactionState>;
  /** `reversalKey` of every instruction that the batches reverse and that was reversed before (T-8). Absent: no batch reverses. */
  readonly reversed?: Set<string> | undefined;
}

export function reversalKey({ batchId, ordinal }: InstructionReference): string {
  return `${batchId}:${ordinal}`;
}

export interface ProposedBatch {
  /** The operation's id as text (`op_…`): instructions without a client transaction id get one made from it. */
  readonly operationId: string;
  readonly clientId: string;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly instructions: readonly Instruction[];
  /** Absent: CLIENT. EXPIRY books releases of what has expired, and nothing else (CT-6). */
  readonly origin?: "CLIENT" | "CONTRACT" | "EXPIRY" | undefined;
  /** `posting.address`, `posting.custom.pending`, `posting.backdate.closed_period`, `posting.override.<type>`. Absent: none. */
  readonly permissions?: ReadonlySet<string> | undefined;
  /** Of origin CONTRACT: whose hook it came from, and how many batches of products lie between it and a client (HOOK-3). */
  readonly emittedBy?: { readonly accountId: Uuid; readonly cascadeDepth: number } | undefined;
}

export interface DecidedLeg extends Leg {
  /** The instruction's place in the batch. */
  readonly ordinal: number;
  readonly accountSeq: bigint;
  /** At address DEFAULT, after this leg. */
  readonly after: AccountNets;
}

export interface Violation extends Refusal {
  /** undefined when it is about the batch as a whole. */
  readonly instructionIndex?: number | undefined;
}

/** PI-4: an advice that was objected to for lack of funds or for a limit. */
export interface AcceptedDespite {
  readonly instructionIndex: number;
  readonly code: RefusalCode;
}

/** What an instruction did to its client transaction: to be stored beside it (CT-9). */
export interface InstructionEffect {
  readonly clientTransactionId: string;
  readonly change: ClientTransactionChange;
  /** CT-6: it came after the expiry and was taken as a hard settlement. */
  readonly isConverted: boolean;
}

export interface AcceptedBatch {
  readonly kind: "accepted";
  readonly legs: readonly DecidedLeg[];
  readonly acceptedDespite: readonly AcceptedDespite[];
  /** One for each instruction. */
  readonly clientTransactionIds: readonly string[];
  /** One for each instruction. */
  readonly effects: readonly InstructionEffect[];
  /** Those that the batch opened or changed, as they are after it. */
  readonly clientTransactions: readonly ClientTransactionState[];
  /** BAL-2: accepted, and below zero in the past. */
  readonly intermediateNegative: readonly { readonly accountId: Uuid; readonly windows: readonly ValueWindow[] }[];
  /** T-2: its value time lies in a closed period, by permission. */
  readonly adjustsPeriod: boolean;
}

export interface RejectedBatch {
  readonly kind: "rejected";
  /** Never empty; in order of precedence, so the first one is the one to show. */
  readonly violations: readonly Violation[];
}

export type BatchDecision = AcceptedBatch | RejectedBatch;

export function netsOf(
  account: Pick<AccountState, "denomination" | "tside">,
  totals: ReadonlyMap<string, Totals>,
): AccountNets {
  return accountNets((key) => totals.get(key), account.denomination, account.tside);
}
