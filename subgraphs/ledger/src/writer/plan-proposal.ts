import {
  asUuid,
  clientTransactionKey,
  formatId,
  internalDigits,
  parseCurrency,
  parseDecimal,
  type Amount,
  type CurrencyCode,
  type Instruction,
  type Money,
  type ProposedBatch,
} from "@florin/kernel";
import {
  clientIdOf,
  isProposedFollowUp,
  type AccountReference,
  type PostingCommand,
  type ProposedFollowUp,
  type ProposedInstruction,
} from "./command.js";
import { accountIdOf } from "./command-accounts.js";
import type { CommitDraft } from "./commit-draft.js";

/** A command's batch as the kernel judges it: references become ids, and amounts of follow-ups get their opener's currency (CT-2). */
export function proposeBatch(draft: CommitDraft, command: PostingCommand): ProposedBatch {
  const base = proposalBase(draft, command);
  const { clientId } = base;
  let opened: Map<string, CurrencyCode> | undefined;
  const currencyOf = (clientTransactionId: string): CurrencyCode | undefined =>
    opened?.get(clientTransactionId) ??
    draft.view.clientTransactions.get(clientTransactionKey(clientId, clientTransactionId))?.denomination;
  const instructions = command.instructions.map((instruction) => {
    if ("money" in instruction && instruction.clientTransactionId !== undefined)
      (opened ??= new Map()).set(instruction.clientTransactionId, instruction.money.currency); // CT-7
    return toInstruction(instruction, currencyOf);
  });
  return { ...base, valueAt: command.valueAt ?? draft.bookedAt, instructions }; // T-1
}

/** All of a proposed batch but its instructions and its time. */
export function proposalBase(
  draft: CommitDraft,
  command: PostingCommand,
): Omit<ProposedBatch, "instructions" | "valueAt"> {
  return {
    operationId: formatId("operation", command.commandId),
    clientId: clientIdOf(command),
    bookedAt: draft.bookedAt,
    origin: command.origin,
    permissions: command.permissions === undefined ? undefined : new Set(command.permissions),
    emittedBy: command.emittedBy,
  };
}

type CurrencyOf = (clientTransactionId: string) => CurrencyCode | undefined;

function toInstruction(instruction: ProposedInstruction, currencyOf: CurrencyOf): Instruction {
  const advice = instruction.advice ?? false;
  if (isProposedFollowUp(instruction)) return toFollowUp(instruction, currencyOf(instruction.clientTransactionId));
  if (instruction.type === "CUSTOM_INSTRUCTION")
    return {
      ...instruction,
      advice,
      legs: instruction.legs.map(({ account, ...leg }) => ({
        ...leg,
        account: accountIdOf(account, leg.money.currency),
      })),
    };
  const { currency } = instruction.money;
  const target = accountIdOf(instruction.target, currency);
  const counterparty = accountIdOf(instruction.counterparty, currency);
  return { ...instruction, advice, target, counterparty };
}

/** Without a currency there is no such authorisation: whatever the amount, that is what the kernel says (CT-8). */
function toFollowUp(instruction: ProposedFollowUp, currency: CurrencyCode | undefined): Instruction {
  const { target, counterparty } = instruction;
  const base = {
    clientTransactionId: instruction.clientTransactionId,
    advice: instruction.advice ?? false,
    details: instruction.details,
    overrideRestrictions: instruction.overrideRestrictions,
    paymentDevice: instruction.paymentDevice,
    target: target && resolveAgain(target, currency),
    counterparty: counterparty && resolveAgain(counterparty, currency),
  };
  const moneyOf = (text: string): Money => (currency === undefined ? ANY_MONEY : toMoney(text, currency));
  switch (instruction.type) {
    case "RELEASE":
      return { ...base, type: "RELEASE" };
    case "SETTLEMENT": {
      const { amount, final } = instruction;
      return { ...base, type: "SETTLEMENT", money: amount === undefined ? undefined : moneyOf(amount), final };
    }
    case "AUTHORISATION_ADJUSTMENT": {
      const { delta, replaceTo } = instruction;
      if (delta !== undefined) return { ...base, type: "AUTHORISATION_ADJUSTMENT", delta: moneyOf(delta) };
      if (replaceTo !== undefined) return { ...base, type: "AUTHORISATION_ADJUSTMENT", replaceTo: moneyOf(replaceTo) };
      throw new Error("an adjustment says neither by how much nor to what");
    }
  }
}

/** No account has it: what is named again and cannot be known does not match (CT-2). */
const NOBODY = asUuid("00000000-0000-0000-0000-000000000000");

function resolveAgain(reference: AccountReference, currency: CurrencyCode | undefined) {
  if ("accountId" in reference) return reference.accountId;
  return currency === undefined ? NOBODY : accountIdOf(reference, currency);
}

function currencyOrThrow(text: string): CurrencyCode {
  const currency = parseCurrency(text);
  if (currency === undefined) throw new Error(`${text} is not registered`);
  return currency;
}

const ANY_MONEY = toMoney("1", currencyOrThrow("USD"));

/** More digits than anything keeps become one digit too many, so that they are refused and never rounded (MON-2, MON-3). */
function toMoney(text: string, currency: CurrencyCode): Money {
  const amount = parseDecimal(text, internalDigits(currency));
  return { amount: (amount ?? 1n) as Amount, currency };
}
