import type { Tside } from "./balance.js";
import type { CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import type { Hooks, InstructionChange, Objection } from "./hook.js";
import { DEFAULT_ADDRESS } from "./instruction.js";
import type { Amount } from "./money.js";
import { resolveParameters, type ParameterDefinition, type ResolvedParameters } from "./parameter.js";
import { refuse } from "./refusal.js";
import type { AddressScale } from "./rounding.js";

/**
 * A product: what an account of this kind may be opened with, and what may happen on it. The ledger knows no overdraft, the product
 * does (BAL-1). Made by `defineProduct`, which checks what the types cannot.
 */
export interface Product {
  readonly code: string;
  readonly name: string;
  /** A change of code or of parameter definitions is a new version; old accounts stay on theirs until they are converted. */
  readonly version: string;
  readonly tside: Tside;
  /** undefined: every registered currency. */
  readonly currencies?: readonly CurrencyCode[] | undefined;
  readonly parameters: readonly ParameterDefinition[];
  /** MON-2. What is not named here is MINOR, as DEFAULT always is. */
  readonly addresses?: Readonly<Record<string, AddressScale>> | undefined;
  /** HOOK-7: addresses that need not be zero when an account is closed. */
  readonly closureExemptAddresses?: readonly string[] | undefined;
  /** What `derivedParameters` answers. */
  readonly derivedParameters?: readonly string[] | undefined;
  /** BAL-2: refuses what would have been below zero in the past, where others are marked. */
  readonly strictBackdating?: boolean | undefined;
  /**
   * Absent hook, absent cost (HOOK-6). Without prePosting the kernel guards spendable ≥ 0 in its place (BAL-1, fail closed).
   */
  readonly hooks?: Hooks | undefined;
}

export function scaleOfAddress(product: Product | undefined, address: string): AddressScale {
  if (address === DEFAULT_ADDRESS) return "MINOR";
  return product?.addresses?.[address] ?? "MINOR";
}

/** May an account of this product be opened so? Absent parameters take their defaults; unknown ones are refused by name. */
export function activate(product: Product, currency: CurrencyCode, proposed: Json): ResolvedParameters {
  if (product.currencies !== undefined && !product.currencies.includes(currency))
    return { refusal: refuse("CURRENCY_NOT_OFFERED", `${product.code} in ${currency}`) };
  return resolveParameters(product, currency, proposed);
}

/** What an account of this side can still give: available, and of what is owed the mirror (PI-2). */
export function spendableOf(tside: Tside, available: Amount): Amount {
  return tside === "LIABILITY" ? available : (-available as Amount);
}

/**
 * Objects to each instruction that lowers what can be spent below the floor. What raises it may pass even below: the cure rule
 * (BAL-3).
 */
export function objectToSpendableBelow(
  floor: Amount,
  tside: Tside,
  instructions: readonly InstructionChange[],
): readonly Objection[] {
  return instructions
    .filter(({ before, after }) => {
      const left = spendableOf(tside, after.available);
      return left < floor && left < spendableOf(tside, before.available);
    })
    .map(({ index }) => ({ instructionIndex: index, kind: "funds", ...refuse("INSUFFICIENT_FUNDS") }));
}

/** Objects to each instruction that raises what is held above the maximum; what lowers it may pass even above (BAL-3). */
export function objectToCommittedAbove(
  maximum: Amount,
  instructions: readonly InstructionChange[],
): readonly Objection[] {
  return instructions
    .filter(({ before, after }) => after.committed > maximum && after.committed > before.committed)
    .map(({ index }) => ({ instructionIndex: index, kind: "limit", ...refuse("MAXIMUM_BALANCE") }));
}
