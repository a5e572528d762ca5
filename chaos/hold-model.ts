/**
 * What a hold may do, said again from ledger.md §2.3 and §2.4, and nothing of the kernel: the oracle of `holds` must not share its mistakes.
 * Amounts are cents, times are microseconds since 1970 as the book's batches have them.
 */
export type HoldAction =
  | {
      readonly kind: "authorise";
      readonly hold: string;
      readonly direction: "INBOUND" | "OUTBOUND";
      readonly cents: string;
      readonly lifeMicros?: string | undefined;
      readonly converts: boolean;
      readonly mayOverSettle: boolean;
    }
  | { readonly kind: "adjust"; readonly hold: string; readonly by: string }
  | { readonly kind: "replace"; readonly hold: string; readonly cents: string }
  /** No amount: all that is outstanding, and final. */
  | { readonly kind: "settle"; readonly hold: string; readonly cents?: string | undefined; readonly final: boolean }
  | { readonly kind: "release"; readonly hold: string };

export interface HoldState {
  readonly direction: "INBOUND" | "OUTBOUND";
  readonly authorised: bigint;
  readonly adjusted: bigint;
  readonly settled: bigint;
  readonly overSettled: bigint;
  readonly released: bigint;
  readonly closedBy: "SETTLED" | "RELEASED" | "EXPIRED" | null;
  readonly expiresAt: bigint | null;
  readonly converts: boolean;
  readonly mayOverSettle: boolean;
}

/** Exactly one of them is legal: the state after it, or the code of its refusal. */
export type Outcome = { readonly state: HoldState } | { readonly refused: string };

export function outstandingOf(state: HoldState): bigint {
  return state.authorised + state.adjusted - (state.settled - state.overSettled) - state.released;
}

/** What the action must come to, for who books it at that moment over that state (CT-1 … CT-8). */
export function decideHold(state: HoldState | undefined, action: HoldAction, bookedAt: bigint): Outcome {
  if (action.kind === "authorise") {
    if (state !== undefined)
      return { refused: state.closedBy === null ? "CLIENT_TRANSACTION_EXISTS" : "CLIENT_TRANSACTION_CLOSED" };
    return { state: openHold(action, bookedAt) };
  }
  if (state === undefined) return { refused: "CLIENT_TRANSACTION_NOT_FOUND" };
  if (state.closedBy !== null) return { refused: "CLIENT_TRANSACTION_CLOSED" };
  const isExpired = state.expiresAt !== null && bookedAt >= state.expiresAt;
  if (isExpired && !(action.kind === "settle" && state.converts)) return { refused: "CLIENT_TRANSACTION_EXPIRED" };
  switch (action.kind) {
    case "adjust":
      return adjusted(state, BigInt(action.by));
    case "replace":
      return adjusted(state, BigInt(action.cents) - state.authorised - state.adjusted);
    case "settle":
      return settled(state, action, isExpired);
    case "release":
      return { state: { ...state, released: state.released + outstandingOf(state), closedBy: "RELEASED" } };
  }
}

/** CT-6: the system's own release, legal only when the time is up and nothing has closed the hold. */
export function expireHold(state: HoldState | undefined, bookedAt: bigint): Outcome {
  if (state === undefined || state.closedBy !== null || state.expiresAt === null || bookedAt < state.expiresAt)
    return { refused: "nothing to expire" };
  return { state: { ...state, released: state.released + outstandingOf(state), closedBy: "EXPIRED" } };
}

function openHold(action: Extract<HoldAction, { kind: "authorise" }>, bookedAt: bigint): HoldState {
  const { direction, cents, lifeMicros, converts, mayOverSettle } = action;
  return {
    ...{ direction, converts, mayOverSettle },
    authorised: BigInt(cents),
    ...{ adjusted: 0n, settled: 0n, overSettled: 0n, released: 0n, closedBy: null },
    expiresAt: lifeMicros === undefined ? null : bookedAt + BigInt(lifeMicros),
  };
}

function adjusted(state: HoldState, by: bigint): Outcome {
  if (by === 0n) return { refused: "AMOUNT_NOT_POSITIVE" };
  if (outstandingOf(state) + by < 0n) return { refused: "ADJUSTMENT_BELOW_ZERO" };
  return { state: { ...state, adjusted: state.adjusted + by } };
}

/** c = min(s, u) is consumed, x = s − c is over-settled, and what is left is released when it is final (§2.3, PI-3, CT-4). */
function settled(
  state: HoldState,
  { cents, final }: Extract<HoldAction, { kind: "settle" }>,
  isExpired: boolean,
): Outcome {
  const left = outstandingOf(state);
  const amount = cents === undefined ? left : BigInt(cents);
  if (amount <= 0n) return { refused: "AMOUNT_NOT_POSITIVE" };
  const consumed = amount < left ? amount : left;
  if (amount > consumed && !state.mayOverSettle) return { refused: "SETTLEMENT_EXCEEDS_AUTHORISATION" };
  const isFinal = cents === undefined || final || isExpired;
  return {
    state: {
      ...state,
      settled: state.settled + amount,
      overSettled: state.overSettled + amount - consumed,
      released: state.released + (isFinal ? left - consumed : 0n),
      closedBy: isFinal ? "SETTLED" : null,
    },
  };
}
