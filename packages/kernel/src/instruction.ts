import type { CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import type { Uuid } from "./ids.js";
import type { Amount, Money } from "./money.js";
import type { RestrictionType } from "./restriction-type.js";

/**
 * Posting instructions: the nine types of ledger.md §2.3, and the legs they become. An opener begins a client transaction, a
 * follow-up goes on with one (client-transaction.ts says what it moves), a custom instruction carries its legs itself. A leg says
 * where (account, address, asset, denomination, phase), which side and how much; every instruction's legs balance per asset,
 * denomination and phase (INV-1).
 */
export type Phase = "COMMITTED" | "PENDING_IN" | "PENDING_OUT";
export type Side = "DEBIT" | "CREDIT";
export type Direction = "INBOUND" | "OUTBOUND";

export const DEFAULT_ADDRESS = "DEFAULT";
export const COMMERCIAL_BANK_MONEY = "COMMERCIAL_BANK_MONEY";

export const instructionTypes = [
  "INBOUND_HARD_SETTLEMENT",
  "OUTBOUND_HARD_SETTLEMENT",
  "INBOUND_AUTHORISATION",
  "OUTBOUND_AUTHORISATION",
  "AUTHORISATION_ADJUSTMENT",
  "SETTLEMENT",
  "RELEASE",
  "TRANSFER",
  "CUSTOM_INSTRUCTION",
] as const;
export type InstructionType = (typeof instructionTypes)[number];

/** A committed instruction: its batch and its place there. */
export interface InstructionReference {
  readonly batchId: Uuid;
  readonly ordinal: number;
}

interface InstructionBase {
  /** CT-1: with the batch's client, unique for ever. undefined: the ledger makes one. */
  readonly clientTransactionId?: string | undefined;
  /** PI-4: it already happened outside, so a lack of funds is noted and not refused. */
  readonly advice: boolean;
  readonly details?: Json | undefined;
  /** RES-3: needs `posting.override.<type>` for each. */
  readonly overrideRestrictions?: readonly RestrictionType[] | undefined;
  /** The card or other device it came from: restrictions of level PAYMENT_DEVICE name one (RES-1). */
  readonly paymentDevice?: string | undefined;
  /** T-8: the instruction that this one takes back. */
  readonly reverses?: InstructionReference | undefined;
}

interface OpenerBase extends InstructionBase {
  /** Settlements: the customer's account. Transfers: the debtor. undefined: the reference named no account that exists. */
  readonly target: Uuid | undefined;
  /** Settlements: the internal account. Transfers: the creditor. */
  readonly counterparty: Uuid | undefined;
  readonly money: Money;
  /** Absent: COMMERCIAL_BANK_MONEY. */
  readonly asset?: string | undefined;
  /** CT-5: what a late clearing belongs to. It is a note; nothing is reopened. */
  readonly relatedClientTransactionId?: string | undefined;
}

/** Opens a client transaction and closes it at once. */
export interface MovementInstruction extends OpenerBase {
  readonly type: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT" | "TRANSFER";
}

/** CT-6: what becomes of a settlement that comes after the expiry and before the expiry is booked. */
export type OnExpired = "REJECT" | "CONVERT_TO_HARD_SETTLEMENT";

export interface AuthorisationInstruction extends OpenerBase {
  readonly type: "INBOUND_AUTHORISATION" | "OUTBOUND_AUTHORISATION";
  /** Microseconds from booking; resolved on the server's clock (CT-6). Absent: it never expires. */
  readonly expiresAfterMicros?: bigint | undefined;
  /** Absent: REJECT. */
  readonly onExpired?: OnExpired | undefined;
  /** Absent: true (PI-3). */
  readonly allowOverSettlement?: boolean | undefined;
}

interface FollowUpBase extends InstructionBase {
  readonly clientTransactionId: string;
  /** CT-2: each may be left out; what is sent must be what the opener said. */
  readonly target?: Uuid | undefined;
  readonly counterparty?: Uuid | undefined;
  readonly asset?: string | undefined;
}

/** Exactly one of `delta` (signed) and `replaceTo` (the new sum of authorisation and adjustments). */
export type AdjustmentInstruction = FollowUpBase & { readonly type: "AUTHORISATION_ADJUSTMENT" } & (
    | { readonly delta: Money; readonly replaceTo?: undefined }
    | { readonly replaceTo: Money; readonly delta?: undefined }
  );

export interface SettlementInstruction extends FollowUpBase {
  readonly type: "SETTLEMENT";
  /** Absent: all that is outstanding, and final. */
  readonly money?: Money | undefined;
  readonly final?: boolean | undefined;
}

export interface ReleaseInstruction extends FollowUpBase {
  readonly type: "RELEASE";
}

export interface InstructedLeg {
  /** undefined: the reference named no account that exists. */
  readonly account: Uuid | undefined;
  /** Absent: DEFAULT. */
  readonly address?: string | undefined;
  /** Absent: COMMERCIAL_BANK_MONEY. */
  readonly asset?: string | undefined;
  /** Absent: COMMITTED. Others need `posting.custom.pending`. */
  readonly phase?: Phase | undefined;
  readonly side: Side;
  readonly money: Money;
}

/** MON-4: where the rate of an exchange came from. */
export interface FxRecord {
  /** A decimal string above zero. */
  readonly rate: string;
  readonly rateSource: string;
  /** RFC 3339. */
  readonly rateTimestamp: string;
}

export interface CustomInstruction extends InstructionBase {
  readonly type: "CUSTOM_INSTRUCTION";
  readonly legs: readonly InstructedLeg[];
  readonly fx?: FxRecord | undefined;
  /** T-7: the batches whose overnight results this one corrects. */
  readonly truesUp?: readonly Uuid[] | undefined;
}

export type OpenerInstruction = MovementInstruction | AuthorisationInstruction;
export type FollowUpInstruction = AdjustmentInstruction | SettlementInstruction | ReleaseInstruction;
export type Instruction = OpenerInstruction | FollowUpInstruction | CustomInstruction;

export function isFollowUp(instruction: Instruction): instruction is FollowUpInstruction {
  const { type } = instruction;
  return type === "AUTHORISATION_ADJUSTMENT" || type === "SETTLEMENT" || type === "RELEASE";
}

export interface Leg {
  readonly accountId: Uuid;
  readonly address: string;
  readonly asset: string;
  readonly denomination: CurrencyCode;
  readonly phase: Phase;
  readonly side: Side;
  readonly amount: Amount;
}

/** What happens to the target at address DEFAULT; the counterparty gets the mirror. */
export interface Movement {
  readonly phase: Phase;
  readonly side: Side;
  readonly amount: Amount;
}

/** Between whom and in what: what an opener fixes (CT-2). */
export interface Parties {
  readonly target: Uuid;
  readonly counterparty: Uuid;
  readonly asset: string;
  readonly denomination: CurrencyCode;
}

export function oppositeSide(side: Side): Side {
  return side === "DEBIT" ? "CREDIT" : "DEBIT";
}

/** Out is a debit of the customer's account, in a credit: of COMMITTED and of the phase where the hold lies. */
export function sideOf(direction: Direction): Side {
  return direction === "OUTBOUND" ? "DEBIT" : "CREDIT";
}

export function pendingPhaseOf(direction: Direction): Phase {
  return direction === "OUTBOUND" ? "PENDING_OUT" : "PENDING_IN";
}

export function directionOf({ type }: OpenerInstruction): Direction {
  return type === "INBOUND_HARD_SETTLEMENT" || type === "INBOUND_AUTHORISATION" ? "INBOUND" : "OUTBOUND";
}

/** The legs of movements between two parties. Throws when they would not balance: a fault of the table (INV-1). */
export function expandMovements(parties: Parties, movements: readonly Movement[]): readonly Leg[] {
  const { target, counterparty, asset, denomination } = parties;
  const legs: Leg[] = [];
  const address = DEFAULT_ADDRESS;
  for (const { phase, side, amount } of movements)
    legs.push(
      { accountId: target, address, asset, denomination, phase, side, amount },
      { accountId: counterparty, address, asset, denomination, phase, side: oppositeSide(side), amount },
    );
  assertBalanced(legs);
  return legs;
}

/** The legs of a custom instruction whose accounts are known. */
export function expandCustom({ legs }: CustomInstruction): readonly Leg[] {
  const expanded = legs.map(({ account, address, asset, phase, side, money }): Leg => {
    if (account === undefined) throw new Error("an instruction without its accounts has no legs");
    return {
      accountId: account,
      address: address ?? DEFAULT_ADDRESS,
      asset: asset ?? COMMERCIAL_BANK_MONEY,
      denomination: money.currency,
      phase: phase ?? "COMMITTED",
      side,
      amount: money.amount,
    };
  });
  assertBalanced(expanded);
  return expanded;
}

/** INV-1: Σ debits = Σ credits per (asset, denomination, phase), and every amount above zero. */
export function assertBalanced(legs: readonly Leg[]): void {
  for (const leg of legs)
    if (leg.amount <= 0n) throw new Error(`a leg of ${leg.amount} ${leg.denomination}: amounts are above zero`);
  const key = findImbalance(legs);
  if (key !== undefined) throw new Error(`INV-1: debits and credits differ in ${key}`);
}

type Weighed = Pick<Leg, "asset" | "denomination" | "phase" | "side" | "amount">;

/** The first (asset, denomination, phase) in which debits and credits differ, as text. */
export function findImbalance(legs: readonly Weighed[]): string | undefined {
  const [first, second] = legs;
  if (legs.length === 2 && first !== undefined && second !== undefined && isMirror(first, second)) return undefined;
  const sums = new Map<string, bigint>();
  for (const { asset, denomination, phase, side, amount } of legs) {
    const key = `${asset}|${denomination}|${phase}`;
    sums.set(key, (sums.get(key) ?? 0n) + (side === "DEBIT" ? amount : -amount));
  }
  for (const [key, sum] of sums) if (sum !== 0n) return key;
  return undefined;
}

/** What nearly every instruction is: no sums are needed to see it. */
function isMirror(a: Weighed, b: Weighed): boolean {
  return (
    a.side !== b.side &&
    a.amount === b.amount &&
    a.phase === b.phase &&
    a.asset === b.asset &&
    a.denomination === b.denomination
  );
}
