import {
  applyChange,
  beginClientTransaction,
  type ClientTransactionChange,
  type ClientTransactionState,
  type ClientTransactionTerms,
} from "./client-transaction.js";
import type { Instant } from "./instant.js";
import type { InstructionReference, InstructionType, ReleaseInstruction } from "./instruction.js";

/** A committed instruction of a client transaction, with what it changed. */
export interface ClientTransactionRecord {
  readonly instruction: InstructionReference;
  readonly type: InstructionType;
  readonly change: ClientTransactionChange;
  readonly valueAt: Instant;
  readonly knownAt: Instant;
}

/** CT-9. */
export interface ClientTransactionView extends ClientTransactionState {
  /** First and last value time of what is counted. */
  readonly effectiveWindow: { readonly from: Instant; readonly to: Instant };
  readonly instructions: readonly ClientTransactionRecord[];
}

/**
 * A client transaction as it stood at a value time, as it was known at a known time (CT-9): the sum of what had been changed by
 * then, in book order. undefined when nothing had. `records` in book order.
 */
export function viewClientTransaction(
  terms: ClientTransactionTerms,
  records: readonly ClientTransactionRecord[],
  at: { readonly valueAt: Instant; readonly knownAt: Instant },
): ClientTransactionView | undefined {
  const counted = records.filter((record) => record.valueAt <= at.valueAt && record.knownAt <= at.knownAt);
  const [first] = counted;
  if (first === undefined) return undefined;
  let state = beginClientTransaction(terms);
  let from = first.valueAt;
  let to = first.valueAt;
  for (const { change, valueAt } of counted) {
    state = applyChange(state, change);
    if (valueAt < from) from = valueAt;
    if (valueAt > to) to = valueAt;
  }
  return { ...state, effectiveWindow: { from, to }, instructions: counted };
}

/** The release that the system books for an authorisation whose time is up, in a batch of origin EXPIRY under the opener's client. */
export interface DueExpiry {
  readonly clientId: string;
  readonly expiresAt: Instant;
  readonly instruction: ReleaseInstruction;
}

/** CT-6: whose time is up, in order of expiry; of equals in order of their keys, so that every process finds the same order. */
export function planExpiries(states: Iterable<ClientTransactionState>, now: Instant): readonly DueExpiry[] {
  const due: DueExpiry[] = [];
  for (const { clientId, clientTransactionId, expiresAt, isFinal, kind } of states) {
    if (kind !== "AUTHORISATION" || isFinal || expiresAt === undefined || expiresAt > now) continue;
    due.push({ clientId, expiresAt, instruction: { type: "RELEASE", clientTransactionId, advice: false } });
  }
  return due.sort(
    (a, b) =>
      Number(a.expiresAt > b.expiresAt) - Number(a.expiresAt < b.expiresAt) ||
      compareText(a.clientId, b.clientId) ||
      compareText(a.instruction.clientTransactionId, b.instruction.clientTransactionId),
  );
}

function compareText(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}
