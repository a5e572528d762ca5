import { internalAccountId } from "@florin/db";
import type { CurrencyCode, Uuid } from "@florin/kernel";
import { isProposedFollowUp, type AccountReference, type ProposedInstruction } from "./command.js";

/** Code of the internal account for money whose own account cannot take it (PI-4). */
export const SUSPENSE = "SUSPENSE";

/** The reference's id; whether there is such an account shows when it is read. */
export function accountIdOf(reference: AccountReference, currency: CurrencyCode): Uuid {
  return "accountId" in reference ? reference.accountId : internalAccountId(reference.internalCode, currency);
}

/**
 * The accounts that must be read to judge an instruction. Follow-ups name accounts only to say again what the opener said: those are read
 * with the client transaction.
 */
export function addAccountsOf(instruction: ProposedInstruction, accountIds: Set<Uuid>): void {
  if (isProposedFollowUp(instruction)) return;
  if (instruction.type === "CUSTOM_INSTRUCTION") {
    for (const { account, money } of instruction.legs) accountIds.add(accountIdOf(account, money.currency));
    return;
  }
  const { target, counterparty, money, advice } = instruction;
  accountIds.add(accountIdOf(target, money.currency));
  accountIds.add(accountIdOf(counterparty, money.currency));
  if (advice === true) accountIds.add(internalAccountId(SUSPENSE, money.currency)); // for when its account cannot take it
}
