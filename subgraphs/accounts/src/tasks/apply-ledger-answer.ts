import { notify, type Transaction } from "@florin/db";
import { lockAccount, updateAccount, updatePendingClosure } from "@florin/db/accounts";
import { parseId, parseInstant, type EventEnvelope, type Instant, type Uuid } from "@florin/kernel";
import { z } from "zod";
import { planAccountChange, type LedgerAnswer } from "../account-lifecycle.js";
import type { LedgerAnswers } from "../ledger-answers.js";

/** Payload fields as they travel; each parses into what the rest of the code uses. */
export const accountIdField = z.string().transform((text, context) => {
  const uuid = parseId("account", text);
  if (uuid !== undefined) return uuid;
  context.addIssue("not an account id");
  return z.NEVER;
});

export const instantField = z.string().transform((text, context): Instant => {
  const instant = parseInstant(text);
  if (instant !== undefined) return instant;
  context.addIssue("not an instant");
  return z.NEVER;
});

/** Who asked may wait in another process than the one that applies the answer: the commit tells all of them the account's id. */
export const ANSWER_CHANNEL = "florin_accounts_answer";

/**
 * What all four tasks do: lock the account, ask the lifecycle what the answer makes of it, write that, and wake who waits. An account
 * that is not ours (an internal one) and an answer that was applied before change nothing.
 */
export async function applyLedgerAnswer(
  tx: Transaction,
  event: EventEnvelope,
  accountId: Uuid,
  answer: LedgerAnswer,
  answers: LedgerAnswers,
): Promise<void | (() => void)> {
  const account = await lockAccount(tx, accountId);
  if (account === undefined || account.kind !== "CUSTOMER") return undefined;
  const change = planAccountChange(account, answer, event.position);
  if (change === undefined) return undefined;
  await updateAccount(tx, accountId, change);
  if (answer.kind === "closed") await updatePendingClosure(tx, accountId, undefined, event.occurredAt);
  if (answer.kind === "close-rejected") await updatePendingClosure(tx, accountId, answer.rejection, event.occurredAt);
  await notify(tx, ANSWER_CHANNEL, accountId);
  return () => answers.settleAccount(accountId);
}
