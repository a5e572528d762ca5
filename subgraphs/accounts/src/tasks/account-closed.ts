import type { Transaction } from "@florin/db";
import type { EventHandler } from "@florin/events";
import { z } from "zod";
import type { LedgerAnswers } from "../ledger-answers.js";
import { accountIdField, applyLedgerAnswer, instantField } from "./apply-ledger-answer.js";

const payload = z.object({ accountId: accountIdField, closedAt: instantField });

/** `account.closed`: final. */
export function accountClosed(answers: LedgerAnswers): EventHandler<Transaction, z.infer<typeof payload>> {
  return {
    parse: (json) => payload.parse(json),
    apply: (tx, event, { accountId, closedAt }) =>
      applyLedgerAnswer(tx, event, accountId, { kind: "closed", closedAt }, answers),
  };
}
