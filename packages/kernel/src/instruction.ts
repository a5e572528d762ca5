import type { CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import type { Uuid } from "./ids.js";
import type { Amount, Money } from "./money.js";

/**
 * Posting instructions and the legs they become (ledger.md §2.3). A leg says where (account, address, asset, denomination, phase),
 * which side and how much; every instruction's legs balance per asset, denomination and phase (INV-1).
 */
export type Phase = "COMMITTED" | "PENDING_IN" | "PENDING_OUT";
export type Side = "DEBIT" | "CREDIT";

export const DEFAULT_ADDRESS = "DEFAULT";
export const COMMERCIAL_BANK_MONEY = "COMMERCIAL_BANK_MONEY";

/** Grows by the types with a life (authorisations, settlements, releases) and CUSTOM_INSTRUCTION; each is one row of `movements`. */
export const instructionTypes = ["INBOUND_HARD_SETTLEMENT", "OUTBOUND_HARD_SETTLEMENT", "TRANSFER"] as const;
export type InstructionType = (typeof instructionTypes)[number];

export interface Instruction {
  readonly type: InstructionType;
  /** Settlements: the customer's account. Transfers: the debtor. undefined: the reference named no account that exists. */
  readonly target: Uuid | undefined;
  /** Settlements: the internal account. Transfers: the creditor. */
  readonly counterparty: Uuid | undefined;
  readonly money: Money;
  /** CT-1: with the batch's client, unique for ever. undefined: the ledger makes one. */
  readonly clientTransactionId?: string | undefined;
  /** PI-4: it already happened outside, so a lack of funds is noted and not refused. */
  readonly advice: boolean;
  readonly details?: Json | undefined;
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

/** The table of §2.3: what happens to the target; the counterparty gets the mirror. */
const movements: Readonly<Record<InstructionType, readonly { readonly phase: Phase; readonly side: Side }[]>> = {
  INBOUND_HARD_SETTLEMENT: [{ phase: "COMMITTED", side: "CREDIT" }],
  OUTBOUND_HARD_SETTLEMENT: [{ phase: "COMMITTED", side: "DEBIT" }],
  TRANSFER: [{ phase: "COMMITTED", side: "DEBIT" }],
};

export function oppositeSide(side: Side): Side {
  return side === "DEBIT" ? "CREDIT" : "DEBIT";
}

/** The legs of an instruction whose accounts are known. Throws when they would not balance: a fault of this table (INV-1). */
export function expandInstruction(instruction: Instruction): readonly Leg[] {
  const { target, counterparty, money } = instruction;
  if (target === undefined || counterparty === undefined)
    throw new Error("an instruction without its accounts has no legs");
  const legs = movements[instruction.type].flatMap(({ phase, side }): Leg[] => {
    const where = {
      address: DEFAULT_ADDRESS,
      asset: COMMERCIAL_BANK_MONEY,
      denomination: money.currency,
      phase,
      amount: money.amount,
    };
    return [
      { ...where, accountId: target, side },
      { ...where, accountId: counterparty, side: oppositeSide(side) },
    ];
  });
  assertBalanced(legs);
  return legs;
}

/** INV-1: Σ debits = Σ credits per (asset, denomination, phase), and every amount above zero. */
export function assertBalanced(legs: readonly Leg[]): void {
  const sums = new Map<string, bigint>();
  for (const leg of legs) {
    if (leg.amount <= 0n) throw new Error(`a leg of ${leg.amount} ${leg.denomination}: amounts are above zero`);
    const key = `${leg.asset}|${leg.denomination}|${leg.phase}`;
    sums.set(key, (sums.get(key) ?? 0n) + (leg.side === "DEBIT" ? leg.amount : -leg.amount));
  }
  for (const [key, sum] of sums)
    if (sum !== 0n) throw new Error(`INV-1: debits and credits differ by ${sum} in ${key}`);
}
