import type { AccountNets, Tside } from "./balance.js";
import { internalDigits, minorDigits, type CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import type { Uuid } from "./ids.js";
import type { InstructionType } from "./instruction.js";
import { formatMinor, parseDecimal, type Amount } from "./money.js";
import { refuse, type Refusal, type RefusalCode } from "./refusal.js";

/**
 * A product: what an account of this kind may be opened with, and what may happen on it. Hooks are pure (HOOK-4): no clock, no
 * randomness, no memory; they see what they are given and answer. The ledger knows no overdraft, the product does (BAL-1).
 */
export interface Product {
  readonly code: string;
  readonly name: string;
  /** A change of code or of parameters is a new version; old accounts stay on theirs. */
  readonly version: string;
  readonly tside: Tside;
  /** undefined: every registered currency. */
  readonly currencies?: readonly CurrencyCode[];
  readonly parameters: readonly ParameterDefinition[];
  /**
   * Judges all instructions of a batch on one account, once a batch (PIB-2), before anything is written. An empty answer
   * accepts. Absent: the kernel guards available ≥ 0 in its place (BAL-1, fail closed).
   */
  prePosting?(input: PrePostingInput): readonly Objection[];
}

/** A parameter that an account is opened with: an amount of the account's currency, as a decimal string. */
export interface ParameterDefinition {
  readonly name: string;
  readonly description: string;
  readonly kind: "AMOUNT_NOT_NEGATIVE";
  readonly defaultValue: string;
}

export type ParameterValues = Readonly<Record<string, string>>;

export interface PrePostingInput {
  readonly account: {
    readonly accountId: Uuid;
    readonly denomination: CurrencyCode;
    readonly parameters: ParameterValues;
  };
  /** The batch's instructions that touch this account, in order; each sees the ones before it applied. */
  readonly instructions: readonly ProposedChange[];
}

export interface ProposedChange {
  /** Place in the batch. */
  readonly index: number;
  readonly type: InstructionType;
  readonly advice: boolean;
  readonly before: AccountNets;
  readonly after: AccountNets;
}

/** `kind: "funds"` is what an advice downgrades to a note (PI-4); `"rule"` refuses always. */
export interface Objection {
  readonly instructionIndex: number;
  readonly kind: "funds" | "rule";
  readonly code: RefusalCode;
  readonly message: string;
}

/** Objects to each instruction that lowers available below the floor. What raises it may pass even below: the cure rule (BAL-3). */
export function objectToAvailableBelow(floor: Amount, input: PrePostingInput): readonly Objection[] {
  return input.instructions
    .filter(({ before, after }) => after.available < floor && after.available < before.available)
    .map(({ index }) => ({ instructionIndex: index, kind: "funds", ...refuse("INSUFFICIENT_FUNDS") }));
}

/** The hook with its failure made an answer: a product that throws never accepts (ledger.md §2.9). */
export function runPrePosting(product: Product, input: PrePostingInput): readonly Objection[] {
  if (product.prePosting === undefined) return objectToAvailableBelow(0n as Amount, input);
  try {
    return product.prePosting(input);
  } catch {
    const index = input.instructions[0]?.index ?? 0;
    return [{ instructionIndex: index, kind: "rule", ...refuse("CONTRACT_ERROR") }];
  }
}

export type Activation = { readonly parameters: ParameterValues } | { readonly refusal: Refusal };

/** May an account of this product be opened so? Absent parameters take their defaults; unknown ones are refused by name. */
export function activate(product: Product, currency: CurrencyCode, proposed: Json): Activation {
  if (product.currencies !== undefined && !product.currencies.includes(currency))
    return { refusal: refuse("CURRENCY_NOT_OFFERED", `${product.code} in ${currency}`) };
  if (proposed === null || typeof proposed !== "object" || Array.isArray(proposed))
    return { refusal: refuse("PARAMETER_INVALID", "parameters: send an object") };
  const given = proposed as { readonly [name: string]: Json | undefined };
  const unknown = Object.keys(given).find((name) => !product.parameters.some((known) => known.name === name));
  if (unknown !== undefined)
    return {
      refusal: refuse("PARAMETER_INVALID", `${product.code} has no parameter of the name ${unknown.slice(0, 80)}`),
    };
  const parameters: Record<string, string> = {};
  for (const definition of product.parameters) {
    const value = parseParameter(definition, given[definition.name], currency);
    if (value === undefined)
      return {
        refusal: refuse("PARAMETER_INVALID", `${definition.name}: send a decimal string of ${currency}, zero or more`),
      };
    parameters[definition.name] = value;
  }
  return { parameters };
}

function parseParameter(definition: ParameterDefinition, given: Json | undefined, currency: CurrencyCode) {
  const text = given ?? definition.defaultValue;
  if (typeof text !== "string") return undefined;
  const digits = minorDigits(currency);
  const scaled = parseDecimal(text, digits);
  if (scaled === undefined || scaled < 0n || scaled >= 10n ** BigInt(15 + digits)) return undefined;
  return formatMinor(scaleUp(scaled, currency), currency);
}

/** A stored parameter as an amount. Throws when it is none: it was checked when the account was opened. */
export function amountParameter(input: PrePostingInput, name: string): Amount {
  const { parameters, denomination } = input.account;
  const scaled = parseDecimal(parameters[name] ?? "", minorDigits(denomination));
  if (scaled === undefined) throw new Error(`account ${input.account.accountId}: parameter ${name} is no amount`);
  return scaleUp(scaled, denomination);
}

function scaleUp(minor: bigint, currency: CurrencyCode): Amount {
  return (minor * 10n ** BigInt(internalDigits(currency) - minorDigits(currency))) as Amount;
}
