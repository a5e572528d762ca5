import type { Transaction } from "@florin/db";
import type { EventHandler } from "@florin/events";
import { z } from "zod";
import type { LedgerAnswers } from "../ledger-answers.js";
import { accountIdField, applyLedgerAnswer } from "./apply-ledger-answer.js";

const payload = z.object({ accountId: accountIdField, code: z.string(), message: z.string() });

/** `account.rejected`: the ledger will not open it. */
export function accountRejected(answers: LedgerAnswers): EventHandler<Transaction, z.infer<typeof payload>> {
  return {
    parse: (json) => payload.parse(json),
    apply: (tx, event, { accountId, ...rejection }) =>
      applyLedgerAnswer(tx, event, accountId, { kind: "rejected", rejection }, answers),
  };
}
