import type { CurrencyCode } from "./currency.js";
import type { Uuid } from "./ids.js";
import { addMicros, type Instant } from "./instant.js";
import {
  COMMERCIAL_BANK_MONEY,
  directionOf,
  oppositeSide,
  pendingPhaseOf,
  sideOf,
  type AdjustmentInstruction,
  type AuthorisationInstruction,
  type Direction,
  type FollowUpInstruction,
  type Movement,
  type OnExpired,
  type OpenerInstruction,
  type Parties,
  type SettlementInstruction,
} from "./instruction.js";
import { ZERO, type Amount } from "./money.js";
import { refuse, type Refusal } from "./refusal.js";

/**
 * Client transactions (ledger.md §2.4): one hold's life, or one movement.
 *
 *     (none)                       --authorise-->                  AUTHORISED         --adjust*--> AUTHORISED
 *     AUTHORISED                   --settle, not final-->          PARTIALLY_SETTLED  --settle | adjust*--> PARTIALLY_SETTLED
 *     AUTHORISED|PARTIALLY_SETTLED --settle final|release|expiry-> CLOSED
 *     (none)                       --hard settlement | transfer--> CLOSED
 *     (none)                       --custom-->                     OPEN_CUSTOM        --custom--> OPEN_CUSTOM
 *
 * An instruction is planned into a change, and `applyChange` is the one function that changes a state. What is outstanding is never
 * kept on the side: authorised + adjusted − (settled − over-settled) − released, which is also the sum of the transaction's
 * postings in its pending phase (INV-3).
 *
 * Pure. The caller holds the client transaction's lock from before its state was read (CT-3).
 */
export type ClientTransactionStatus = "AUTHORISED" | "PARTIALLY_SETTLED" | "CLOSED" | "OPEN_CUSTOM";
export type ClosedBy = "SETTLED" | "RELEASED" | "EXPIRED";

/** What one instruction did to its client transaction. */
export interface ClientTransactionChange {
  readonly authorised: Amount;
  /** Signed. */
  readonly adjusted: Amount;
  /** With what is over the authorisation. */
  readonly settled: Amount;
  readonly overSettled: Amount;
  readonly released: Amount;
  readonly closedBy?: ClosedBy | undefined;
}

export interface ClientTransactionTerms {
  readonly clientId: string;
  readonly clientTransactionId: string;
  readonly kind: "AUTHORISATION" | "MOVEMENT" | "CUSTOM";
  /** undefined for CUSTOM, as is whatever else its legs say. A transfer is outbound of its debtor. */
  readonly direction: Direction | undefined;
  readonly target: Uuid | undefined;
  readonly counterparty: Uuid | undefined;
  readonly asset: string | undefined;
  readonly denomination: CurrencyCode | undefined;
  readonly expiresAt: Instant | undefined;
  readonly onExpired: OnExpired;
  readonly allowOverSettlement: boolean;
}

export interface ClientTransactionState extends ClientTransactionTerms, Omit<ClientTransactionChange, "closedBy"> {
  readonly status: ClientTransactionStatus;
  readonly closedBy: ClosedBy | undefined;
  /** Nothing more can happen to it. */
  readonly isFinal: boolean;
  readonly outstanding: Amount;
}

export type Step =
  | {
      readonly kind: "stepped";
      readonly state: ClientTransactionState;
      readonly change: ClientTransactionChange;
      /** At the target's DEFAULT; the counterparty gets the mirror. */
      readonly movements: readonly Movement[];
      /** CT-6: a settlement after the expiry that was taken as a hard one. */
      readonly isConverted: boolean;
    }
  | { readonly kind: "refused"; readonly refusals: readonly Refusal[] };

export const NO_CHANGE: ClientTransactionChange = {
  authorised: ZERO,
  adjusted: ZERO,
  settled: ZERO,
  overSettled: ZERO,
  released: ZERO,
};

export function clientTransactionKey(clientId: string, clientTransactionId: string): string {
  return `${clientId}\u0000${clientTransactionId}`;
}

/** The state before anything happened, for `applyChange` to start from. */
export function beginClientTransaction(terms: ClientTransactionTerms): ClientTransactionState {
  return toState(terms, NO_CHANGE);
}

export function applyChange(state: ClientTransactionState, change: ClientTransactionChange): ClientTransactionState {
  return toState(state, {
    authorised: (state.authorised + change.authorised) as Amount,
    adjusted: (state.adjusted + change.adjusted) as Amount,
    settled: (state.settled + change.settled) as Amount,
    overSettled: (state.overSettled + change.overSettled) as Amount,
    released: (state.released + change.released) as Amount,
    closedBy: state.closedBy ?? change.closedBy,
  });
}

/** Member by member: this runs once for every instruction there is, and a spread costs three times as much. */
function toState(terms: ClientTransactionTerms, sums: ClientTransactionChange): ClientTransactionState {
  const { authorised, adjusted, settled, overSettled, released, closedBy } = sums;
  return {
    clientId: terms.clientId,
    clientTransactionId: terms.clientTransactionId,
    kind: terms.kind,
    direction: terms.direction,
    target: terms.target,
    counterparty: terms.counterparty,
    asset: terms.asset,
    denomination: terms.denomination,
    expiresAt: terms.expiresAt,
    onExpired: terms.onExpired,
    allowOverSettlement: terms.allowOverSettlement,
    authorised,
    adjusted,
    settled,
    overSettled,
    released,
    outstanding: (authorised + adjusted - (settled - overSettled) - released) as Amount,
    closedBy,
    isFinal: closedBy !== undefined,
    status: statusOf(terms, settled, closedBy),
  };
}

function statusOf(
  { kind }: ClientTransactionTerms,
  settled: Amount,
  closedBy: ClosedBy | undefined,
): ClientTransactionStatus {
  if (kind === "CUSTOM") return "OPEN_CUSTOM";
  if (closedBy !== undefined) return "CLOSED";
  return settled > 0n ? "PARTIALLY_SETTLED" : "AUTHORISED"; // also when nothing is outstanding (CT-4)
}

/** An opener on an id that nobody has used. The caller has refused amounts that are not above zero. */
export function planOpener(
  key: { readonly clientId: string; readonly clientTransactionId: string },
  instruction: OpenerInstruction,
  parties: Parties,
  bookedAt: Instant,
): Extract<Step, { kind: "stepped" }> {
  const { amount } = instruction.money;
  const direction = directionOf(instruction);
  const hold =
    instruction.type === "INBOUND_AUTHORISATION" || instruction.type === "OUTBOUND_AUTHORISATION"
      ? instruction
      : undefined;
  const change: ClientTransactionChange = {
    authorised: amount,
    adjusted: ZERO,
    settled: hold === undefined ? amount : ZERO, // PI-1: as if authorised and settled
    overSettled: ZERO,
    released: ZERO,
    closedBy: hold === undefined ? "SETTLED" : undefined,
  };
  const phase = hold === undefined ? "COMMITTED" : pendingPhaseOf(direction);
  return {
    kind: "stepped",
    state: toState(openerTerms(key, parties, direction, hold, bookedAt), change),
    change,
    movements: [{ phase, side: sideOf(direction), amount }],
    isConverted: false,
  };
}

function openerTerms(
  key: { readonly clientId: string; readonly clientTransactionId: string },
  parties: Parties,
  direction: Direction,
  hold: AuthorisationInstruction | undefined,
  bookedAt: Instant,
): ClientTransactionTerms {
  const expiresAfter = hold?.expiresAfterMicros;
  return {
    clientId: key.clientId,
    clientTransactionId: key.clientTransactionId,
    kind: hold === undefined ? "MOVEMENT" : "AUTHORISATION",
    direction,
    target: parties.target,
    counterparty: parties.counterparty,
    asset: parties.asset,
    denomination: parties.denomination,
    expiresAt: expiresAfter === undefined ? undefined : addMicros(bookedAt, expiresAfter),
    onExpired: hold?.onExpired ?? "REJECT",
    allowOverSettlement: hold?.allowOverSettlement ?? true,
  };
}

/** Why an opener may not take this id (CT-1), if somebody has. */
export function refuseReopening(state: ClientTransactionState | undefined): Refusal | undefined {
  if (state === undefined) return undefined;
  return refuse(state.isFinal ? "CLIENT_TRANSACTION_CLOSED" : "CLIENT_TRANSACTION_EXISTS");
}

/** What a follow-up does to a client transaction. `isExpiry`: the release that the system books when the time is up (CT-6). */
export function planFollowUp(
  state: ClientTransactionState | undefined,
  instruction: FollowUpInstruction,
  now: { readonly bookedAt: Instant; readonly isExpiry: boolean },
): Step {
  if (state === undefined) return refused(refuse("CLIENT_TRANSACTION_NOT_FOUND")); // CT-8
  if (state.kind === "CUSTOM" || !matches(state, instruction)) return refused(refuse("CLIENT_TRANSACTION_MISMATCH"));
  if (state.isFinal) return refused(refuse("CLIENT_TRANSACTION_CLOSED")); // CT-5: never reopened
  const isExpired = state.expiresAt !== undefined && now.bookedAt >= state.expiresAt;
  if (now.isExpiry && (!isExpired || instruction.type !== "RELEASE"))
    return refused(refuse("CLIENT_TRANSACTION_NOT_EXPIRED"));
  const isConverted =
    isExpired && instruction.type === "SETTLEMENT" && state.onExpired === "CONVERT_TO_HARD_SETTLEMENT";
  if (isExpired && !now.isExpiry && !isConverted) return refused(refuse("CLIENT_TRANSACTION_EXPIRED"));
  switch (instruction.type) {
    case "AUTHORISATION_ADJUSTMENT":
      return planAdjustment(state, instruction);
    case "SETTLEMENT":
      return planSettlement(state, instruction, isConverted);
    case "RELEASE":
      return planRelease(state, now.isExpiry ? "EXPIRED" : "RELEASED");
  }
}

/** CT-2: what a follow-up says again must be what the opener said. */
function matches(state: ClientTransactionState, instruction: FollowUpInstruction): boolean {
  const { target, counterparty, asset } = instruction;
  const currency = followUpMoney(instruction)?.currency;
  return (
    (target === undefined || target === state.target) &&
    (counterparty === undefined || counterparty === state.counterparty) &&
    (asset === undefined || asset === state.asset) &&
    (currency === undefined || currency === state.denomination)
  );
}

export function followUpMoney(instruction: FollowUpInstruction) {
  if (instruction.type === "RELEASE") return undefined;
  return instruction.type === "SETTLEMENT" ? instruction.money : (instruction.delta ?? instruction.replaceTo);
}

function planAdjustment(state: ClientTransactionState, { delta, replaceTo }: AdjustmentInstruction): Step {
  const authorised = state.authorised + state.adjusted;
  const by = delta === undefined ? replaceTo.amount - authorised : delta.amount;
  if (by === 0n) return refused(refuse("AMOUNT_NOT_POSITIVE", "the adjustment changes nothing"));
  if (state.outstanding + by < 0n) return refused(refuse("ADJUSTMENT_BELOW_ZERO"));
  const { pending, holds } = holdOf(state);
  const side = by > 0n ? holds : oppositeSide(holds);
  const amount = (by > 0n ? by : -by) as Amount;
  return stepped(state, { ...NO_CHANGE, adjusted: by as Amount }, [{ phase: pending, side, amount }]);
}

function planSettlement(
  state: ClientTransactionState,
  { money, final }: SettlementInstruction,
  isConverted: boolean,
): Step {
  const { outstanding } = state;
  const amount = money?.amount ?? outstanding;
  if (amount <= 0n) return refused(refuse("AMOUNT_NOT_POSITIVE", "nothing is outstanding"));
  const consumed = (amount < outstanding ? amount : outstanding) as Amount;
  const overSettled = (amount - consumed) as Amount;
  if (overSettled > 0n && !state.allowOverSettlement) return refused(refuse("SETTLEMENT_EXCEEDS_AUTHORISATION"));
  const isFinal = money === undefined || final === true || isConverted;
  const released = (isFinal ? outstanding - consumed : 0n) as Amount;
  const { pending, holds } = holdOf(state);
  const movements: readonly Movement[] = [
    { phase: pending, side: oppositeSide(holds), amount: consumed },
    { phase: "COMMITTED", side: holds, amount },
    { phase: pending, side: oppositeSide(holds), amount: released },
  ];
  const change = { ...NO_CHANGE, settled: amount, overSettled, released, closedBy: isFinal ? "SETTLED" : undefined };
  return stepped(state, change as ClientTransactionChange, movements, isConverted);
}

function planRelease(state: ClientTransactionState, closedBy: ClosedBy): Step {
  const { outstanding } = state;
  const { pending, holds } = holdOf(state);
  const change = { ...NO_CHANGE, released: outstanding, closedBy };
  return stepped(state, change, [{ phase: pending, side: oppositeSide(holds), amount: outstanding }]);
}

function holdOf({ direction }: ClientTransactionState) {
  if (direction === undefined) throw new Error("an authorisation without a direction");
  return { pending: pendingPhaseOf(direction), holds: sideOf(direction) };
}

function stepped(
  state: ClientTransactionState,
  change: ClientTransactionChange,
  movements: readonly Movement[],
  isConverted = false,
): Step {
  const moved = movements.filter(({ amount }) => amount > 0n);
  return { kind: "stepped", state: applyChange(state, change), change, movements: moved, isConverted };
}

function refused(...refusals: readonly Refusal[]): Step {
  return { kind: "refused", refusals };
}

/** A custom instruction opens its client transaction or joins one of its kind. It groups, and nothing more. */
export function planCustom(
  key: { readonly clientId: string; readonly clientTransactionId: string },
  state: ClientTransactionState | undefined,
): Step {
  if (state !== undefined && state.kind !== "CUSTOM")
    return refused(refuse(state.isFinal ? "CLIENT_TRANSACTION_CLOSED" : "CLIENT_TRANSACTION_MISMATCH"));
  const none = { direction: undefined, target: undefined, counterparty: undefined };
  const open =
    state ??
    beginClientTransaction({
      ...key,
      ...none,
      kind: "CUSTOM",
      asset: undefined,
      denomination: undefined,
      expiresAt: undefined,
      onExpired: "REJECT",
      allowOverSettlement: true,
    });
  return { kind: "stepped", state: open, change: NO_CHANGE, movements: [], isConverted: false };
}

/** Asset and parties of an opener, its accounts known. */
export function partiesOf(instruction: OpenerInstruction, target: Uuid, counterparty: Uuid): Parties {
  return {
    target,
    counterparty,
    asset: instruction.asset ?? COMMERCIAL_BANK_MONEY,
    denomination: instruction.money.currency,
  };
}
