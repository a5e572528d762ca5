import type { Transaction } from "@florin/db";
import type { EventHandler } from "@florin/events";
import { z } from "zod";
import type { LedgerAnswers } from "../ledger-answers.js";
import { accountIdField, applyLedgerAnswer, instantField } from "./apply-ledger-answer.js";

const payload = z.object({
  accountId: accountIdField,
  productId: z.string(),
  productVersionId: z.string(),
  parameters: z.json(),
  openedAt: instantField,
});

/** `account.opened`: the ledger has activated an account that was asked for. */
export function accountOpened(answers: LedgerAnswers): EventHandler<Transaction, z.infer<typeof payload>> {
  return {
    parse: (json) => payload.parse(json),
    apply: (tx, event, { accountId, ...opened }) =>
      applyLedgerAnswer(tx, event, accountId, { kind: "opened", ...opened }, answers),
  };
}
