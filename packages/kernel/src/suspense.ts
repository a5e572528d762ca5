import type { ProposedBatch, RejectedBatch } from "./book-view.js";
import type { CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import { formatId, type Uuid } from "./ids.js";
import type { Instruction, MovementInstruction } from "./instruction.js";
import type { RefusalCode } from "./refusal.js";

/** What keeps money from an account that cannot take it; everything else is a mistake that the sender must correct. */
const STRUCTURAL: readonly RefusalCode[] = [
  "ACCOUNT_NOT_FOUND",
  "ACCOUNT_NOT_OPEN",
  "CURRENCY_MISMATCH",
  "BEFORE_OPENING",
];

type HardSettlement = MovementInstruction & { readonly type: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT" };

/**
 * The suspense path of an advice (PI-4): money has moved outside, and its account cannot show it. The same batch, with the suspense account of
 * the currency in the place of each such account; the details say whose it was and why. undefined when that would not help: something
 * else is wrong too, or there is no suspense account. Whether the counterparty stands is judged again, like everything.
 */
export function planSuspense(
  batch: ProposedBatch,
  { violations }: RejectedBatch,
  findSuspenseAccount: (currency: CurrencyCode) => Uuid | undefined,
): ProposedBatch | undefined {
  const codesByIndex = new Map<number, RefusalCode[]>();
  for (const { code, instructionIndex } of violations) {
    if (instructionIndex === undefined || !STRUCTURAL.includes(code)) return undefined;
    codesByIndex.set(instructionIndex, [...(codesByIndex.get(instructionIndex) ?? []), code]);
  }
  const instructions: Instruction[] = [];
  for (const [index, instruction] of batch.instructions.entries()) {
    const codes = codesByIndex.get(index);
    const suspended = codes === undefined ? instruction : suspend(instruction, codes, findSuspenseAccount);
    if (suspended === undefined) return undefined;
    instructions.push(suspended);
  }
  return { ...batch, instructions };
}

function suspend(
  instruction: Instruction,
  codes: readonly RefusalCode[],
  findSuspenseAccount: (currency: CurrencyCode) => Uuid | undefined,
): Instruction | undefined {
  if (!isHardSettlement(instruction) || !instruction.advice) return undefined;
  const target = findSuspenseAccount(instruction.money.currency);
  if (target === undefined || target === instruction.target) return undefined;
  const account = instruction.target === undefined ? null : formatId("account", instruction.target);
  const { details } = instruction;
  return { ...instruction, target, details: { ...membersOf(details), suspended: { account, codes: [...codes] } } };
}

function isHardSettlement(instruction: Instruction): instruction is HardSettlement {
  return instruction.type === "INBOUND_HARD_SETTLEMENT" || instruction.type === "OUTBOUND_HARD_SETTLEMENT";
}

function membersOf(details: Json | undefined): Readonly<Record<string, Json | undefined>> {
  if (details === undefined || details === null) return {};
  const isObject = typeof details === "object" && !Array.isArray(details);
  return isObject ? (details as Readonly<Record<string, Json | undefined>>) : { details };
}
