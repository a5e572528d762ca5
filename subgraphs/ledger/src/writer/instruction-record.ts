import {
  amountToNumeric,
  formatId,
  formatMinor,
  isAtMinorScale,
  type CurrencyCode,
  type Instruction,
  type InstructionEffect,
  type Json,
  type Money,
} from "@florin/kernel";
import { isProposedFollowUp, type AccountReference, type PostingCommand, type ProposedInstruction } from "./command.js";
import { accountIdOf } from "./command-accounts.js";

/**
 * What is kept of an instruction beside its legs. `terms`: as it was sent, where it says more than most. `effect`: what it did to its client
 * transaction (CT-9). Amounts are decimal strings. undefined for what a movement without more leaves out: most of what there is.
 */
export function termsOf(instruction: Instruction): Json | undefined {
  const terms: { [name: string]: Json | undefined } = {};
  const { advice, overrideRestrictions, paymentDevice } = instruction;
  if (advice) terms["advice"] = true;
  if (overrideRestrictions !== undefined && overrideRestrictions.length > 0)
    terms["overrideRestrictions"] = [...overrideRestrictions];
  if (paymentDevice !== undefined) terms["paymentDevice"] = paymentDevice;
  addOwnTerms(instruction, terms);
  for (const name in terms) if (terms[name] !== undefined) return terms;
  return undefined;
}

function addOwnTerms(instruction: Instruction, terms: { [name: string]: Json | undefined }): void {
  switch (instruction.type) {
    case "INBOUND_AUTHORISATION":
    case "OUTBOUND_AUTHORISATION":
      terms["expiresAfterMicros"] = instruction.expiresAfterMicros?.toString();
      terms["onExpired"] = instruction.onExpired;
      terms["allowOverSettlement"] = instruction.allowOverSettlement;
      terms["relatedClientTransactionId"] = instruction.relatedClientTransactionId;
      return;
    case "AUTHORISATION_ADJUSTMENT":
      terms["delta"] = numericOf(instruction.delta);
      terms["replaceTo"] = numericOf(instruction.replaceTo);
      return;
    case "SETTLEMENT":
      terms["amount"] = numericOf(instruction.money);
      terms["final"] = instruction.final;
      return;
    case "CUSTOM_INSTRUCTION":
      terms["fx"] = instruction.fx && { ...instruction.fx };
      terms["truesUp"] = instruction.truesUp?.map((batchId) => formatId("batch", batchId));
      return;
    case "RELEASE":
      return;
    default:
      terms["relatedClientTransactionId"] = instruction.relatedClientTransactionId;
  }
}

function numericOf(money: Money | undefined): string | undefined {
  return money && amountToNumeric(money.amount, money.currency);
}

/** undefined: a movement, or a custom instruction, which changes nothing of what is held. */
export function effectOf(
  { change, isConverted }: InstructionEffect,
  currency: CurrencyCode | undefined,
): Json | undefined {
  if (currency === undefined) return undefined;
  const amount = (name: "authorised" | "adjusted" | "settled" | "overSettled" | "released") =>
    change[name] === 0n ? undefined : amountToNumeric(change[name], currency);
  return {
    authorised: amount("authorised"),
    adjusted: amount("adjusted"),
    settled: amount("settled"),
    overSettled: amount("overSettled"),
    released: amount("released"),
    closedBy: change.closedBy,
    isConverted: isConverted ? true : undefined,
  };
}

/** Of a rejected batch: what was asked for (PIB-1). */
export function proposedOf({ instructions, reversal }: PostingCommand): Json {
  if (reversal === undefined) return instructions.map(proposedToJson);
  return [{ reverses: formatId("batch", reversal.id), mode: reversal.mode }];
}

function proposedToJson(instruction: ProposedInstruction): Json {
  if (isProposedFollowUp(instruction)) {
    const { target, counterparty } = instruction;
    return { ...instruction, target: target && { ...target }, counterparty: counterparty && { ...counterparty } };
  }
  if (instruction.type === "CUSTOM_INSTRUCTION")
    return {
      ...instruction,
      fx: instruction.fx && { ...instruction.fx },
      legs: instruction.legs.map(({ account, money, ...leg }) => ({
        ...leg,
        account: accountText(account, money),
        money: moneyText(money),
      })),
    };
  const { target, counterparty, money } = instruction;
  return {
    ...instruction,
    target: accountText(target, money),
    counterparty: accountText(counterparty, money),
    money: moneyText(money),
    expiresAfterMicros: "expiresAfterMicros" in instruction ? instruction.expiresAfterMicros?.toString() : undefined,
  };
}

function accountText(reference: AccountReference, { currency }: Money): string {
  return formatId("account", accountIdOf(reference, currency));
}

function moneyText({ amount, currency }: Money): Json {
  const text = isAtMinorScale(amount, currency) ? formatMinor(amount, currency) : amountToNumeric(amount, currency);
  return { amount: text, currency };
}
