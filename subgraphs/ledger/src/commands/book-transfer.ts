import { mayDo } from "@florin/auth";
import {
  assertInput,
  formatId,
  notFound,
  parseInstructedMoney,
  type FieldFault,
  type Money,
  type Uuid,
} from "@florin/kernel";
import { isOwner, signedInViewer } from "../access.js";
import type { LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { performOperation } from "./await-outcome.js";
import { toDetails } from "./move-cash.js";
import { checkKey, checkReference, NOBODY, parseAccountId, parseWaitMs } from "./parse-input.js";

export interface BookTransferInput {
  readonly fromAccountId: string;
  readonly toAccountId: string;
  readonly amount: { readonly amount: string; readonly currency: string };
  readonly reference?: string | null | undefined;
  readonly idempotencyKey: string;
  readonly waitMs?: number | null | undefined;
}

/**
 * Between two customers' accounts held here. Throws BAD_USER_INPUT with every fault, then NOT_FOUND when the first account is
 * not the caller's. An unknown recipient, another currency, missing funds are results.
 */
export async function bookTransfer(context: LedgerContext, input: BookTransferInput): Promise<OperationRecord> {
  const faults: FieldFault[] = [];
  const money = parseInstructedMoney(input.amount, "input.amount", faults);
  checkKey(input.idempotencyKey, faults);
  checkReference(input.reference, faults);
  const waitMs = parseWaitMs(input.waitMs, faults);
  assertInput(faults);
  const fromAccountId = parseAccountId(input.fromAccountId);
  await assertMaySpend(context, fromAccountId);
  const toAccountId = await findRecipient(context, parseAccountId(input.toAccountId));

  const target = { accountId: fromAccountId };
  const counterparty = { accountId: toAccountId };
  return performOperation(context, {
    idempotencyKey: input.idempotencyKey,
    waitMs,
    fingerprinted: {
      mutation: "bookTransfer",
      fromAccountId: input.fromAccountId,
      toAccountId: input.toAccountId,
      amount: { amount: input.amount.amount, currency: input.amount.currency },
      reference: input.reference ?? undefined,
    },
    posting: {
      type: "BOOK_TRANSFER",
      details: toDetails(input.reference),
      instructions: [{ type: "TRANSFER", target, counterparty, money: money as Money }],
      account: fromAccountId,
      amount: money,
    },
  });
}

async function assertMaySpend(context: LedgerContext, accountId: Uuid): Promise<void> {
  const viewer = signedInViewer(context);
  const account = await context.readers.findAccount(accountId);
  const facts = { isOwner: account?.kind === "CUSTOMER" && isOwner(viewer, account) };
  const decision = mayDo(viewer, "transfer:book", facts);
  if (account !== undefined)
    context.accessLog.record(viewer, "transfer:book", formatId("account", accountId), decision);
  if (!decision.allowed) throw notFound("account");
}

/** The bank's own accounts receive nothing from people: for them such a recipient is not there. */
async function findRecipient(context: LedgerContext, accountId: Uuid): Promise<Uuid> {
  const account = await context.readers.findAccount(accountId);
  return account?.kind === "INTERNAL" ? NOBODY : accountId;
}
