import {
  decideBatch,
  formatMinor,
  instantFromMicros,
  netsOf,
  parseDecimal,
  asUuid,
  wallet,
  type AccountState,
  type Amount,
  type AuthorisationInstruction,
  type BatchDecision,
  type BookView,
  type CurrencyCode,
  type Instant,
  type Instruction,
  type MovementInstruction,
  type Money,
  type ProposedBatch,
  type SettlementInstruction,
  type Uuid,
} from "../src/index.js";

/** A book of four accounts, and the shortest way to say an instruction. Amounts are dollars as text. */
export const USD = "USD" as CurrencyCode;
export const EUR = "EUR" as CurrencyCode;
export const OPENED = instantFromMicros(1_000n);
export const NOW = instantFromMicros(2_000n);
export const at = (micros: bigint): Instant => instantFromMicros(micros);
export const id = (n: number): Uuid => asUuid(`00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`);

export const ADA = id(1);
export const BO = id(2);
export const CASH = id(9);
export const FEES = id(10);
export const NOBODY = id(404);

export function money(amount: string, currency: CurrencyCode = USD): Money {
  return { amount: parseDecimal(amount, 7) as Amount, currency };
}
export const dollars = (amount: string): Amount => money(amount).amount;

export function account(accountId: Uuid, more: Partial<AccountState> = {}): AccountState {
  return {
    accountId,
    tside: "LIABILITY",
    status: "OPEN",
    denomination: USD,
    openedAt: OPENED,
    product: wallet,
    parameters: {},
    accountSeq: 0n,
    totals: new Map(),
    ...more,
  };
}

export function viewOf(...accounts: readonly AccountState[]): BookView {
  return {
    accounts: new Map(accounts.map((one) => [one.accountId, one])),
    clientTransactions: new Map(),
    reversed: new Set(),
  };
}

export function newView(ada: Partial<AccountState> = {}): BookView {
  return viewOf(
    account(ADA, ada),
    account(BO),
    account(CASH, { tside: "ASSET", product: undefined }),
    account(FEES, { product: undefined }),
  );
}

type Movement = Partial<MovementInstruction>;
const opener = { advice: false, target: ADA, counterparty: CASH } as const;

export const deposit = (amount: string, more: Movement = {}): MovementInstruction => ({
  ...opener,
  type: "INBOUND_HARD_SETTLEMENT",
  money: money(amount),
  ...more,
});
export const withdraw = (amount: string, more: Movement = {}): MovementInstruction => ({
  ...opener,
  type: "OUTBOUND_HARD_SETTLEMENT",
  money: money(amount),
  ...more,
});
export const transfer = (amount: string, more: Movement = {}): MovementInstruction => ({
  ...opener,
  counterparty: BO,
  type: "TRANSFER",
  money: money(amount),
  ...more,
});

export const TXN = "card-1";
type Authorisation = Partial<AuthorisationInstruction>;
export const authorise = (amount: string, more: Authorisation = {}): AuthorisationInstruction => ({
  ...opener,
  type: "OUTBOUND_AUTHORISATION",
  money: money(amount),
  clientTransactionId: TXN,
  ...more,
});
export const expectIn = (amount: string, more: Authorisation = {}): AuthorisationInstruction =>
  authorise(amount, { type: "INBOUND_AUTHORISATION", ...more });

const followUp = { advice: false, clientTransactionId: TXN } as const;
export const adjust = (amount: string, more: { clientTransactionId?: string } = {}): Instruction => ({
  ...followUp,
  type: "AUTHORISATION_ADJUSTMENT",
  delta: money(amount),
  ...more,
});
export const replaceTo = (amount: string): Instruction => ({
  ...followUp,
  type: "AUTHORISATION_ADJUSTMENT",
  replaceTo: money(amount),
});
export const settle = (amount?: string, more: Partial<SettlementInstruction> = {}): SettlementInstruction => ({
  ...followUp,
  type: "SETTLEMENT",
  money: amount === undefined ? undefined : money(amount),
  ...more,
});
export const settleFinally = (amount: string): SettlementInstruction => settle(amount, { final: true });
export const release = (more: { clientTransactionId?: string; advice?: boolean } = {}): Instruction => ({
  ...followUp,
  type: "RELEASE",
  ...more,
});

let batches = 0;
export function decide(
  view: BookView,
  instructions: readonly Instruction[],
  more: Partial<ProposedBatch> = {},
): BatchDecision {
  const given = { operationId: `op_${++batches}`, clientId: "client", valueAt: NOW, bookedAt: NOW };
  return decideBatch(view, { ...given, instructions, ...more });
}

/** As `[code, place]`, in order of precedence; empty when accepted. */
export function codesOf(decision: BatchDecision) {
  return decision.kind === "accepted"
    ? []
    : decision.violations.map(({ code, instructionIndex }) => [code, instructionIndex]);
}

/** `committed pendingIn pendingOut available`. */
export function shows(view: BookView, accountId: Uuid = ADA): string {
  const state = view.accounts.get(accountId)!;
  const { committed, pendingIn, pendingOut, available } = netsOf(state, state.totals);
  return [committed, pendingIn, pendingOut, available].map((amount) => formatMinor(amount, USD)).join(" ");
}
