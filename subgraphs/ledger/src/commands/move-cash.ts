import { mayDo } from "@florin/auth";
import {
  assertInput,
  formatId,
  notFound,
  parseInstructedMoney,
  RequestError,
  type FieldFault,
  type Money,
} from "@florin/kernel";
import { isOwner, signedInViewer } from "../access.js";
import type { LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { performOperation } from "./await-outcome.js";
import { checkKey, checkReference, parseAccountId, parseWaitMs } from "./parse-input.js";

/** What deposit and withdraw share: cash crosses the border between a customer's account and an internal one. */
export interface MoveCashInput {
  readonly accountId: string;
  readonly amount: { readonly amount: string; readonly currency: string };
  readonly reference?: string | null | undefined;
  readonly idempotencyKey: string;
  readonly waitMs?: number | null | undefined;
}

interface CashMovement {
  readonly mutation: "deposit" | "withdraw";
  readonly type: "DEPOSIT" | "WITHDRAWAL";
  readonly action: "cash:deposit" | "cash:withdraw";
  readonly instruction: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT";
  readonly internalCode: "CASH_IN" | "CASH_OUT";
}

/**
 * Throws BAD_USER_INPUT with every fault, then NOT_FOUND for an account that is not there or not the caller's, then FORBIDDEN
 * for an owner who has no right to move cash. Everything behind that is a result.
 */
export async function moveCash(
  context: LedgerContext,
  movement: CashMovement,
  input: MoveCashInput,
): Promise<OperationRecord> {
  const faults: FieldFault[] = [];
  const money = parseInstructedMoney(input.amount, "input.amount", faults);
  checkKey(input.idempotencyKey, faults);
  checkReference(input.reference, faults);
  const waitMs = parseWaitMs(input.waitMs, faults);
  assertInput(faults);
  const accountId = parseAccountId(input.accountId);
  await assertMayMoveCash(context, movement, accountId);

  const target = { accountId };
  const counterparty = { internalCode: movement.internalCode };
  return performOperation(context, {
    idempotencyKey: input.idempotencyKey,
    waitMs,
    fingerprinted: {
      mutation: movement.mutation,
      accountId: input.accountId,
      amount: { amount: input.amount.amount, currency: input.amount.currency },
      reference: input.reference ?? undefined,
    },
    posting: {
      type: movement.type,
      details: toDetails(input.reference),
      instructions: [{ type: movement.instruction, target, counterparty, money: money as Money }],
      account: accountId,
      amount: money,
    },
  });
}

/** How a reference is kept: in the batch's details, from where statements read it. */
export function toDetails(reference: string | null | undefined): { readonly reference: string } | undefined {
  return reference === null || reference === undefined || reference === "" ? undefined : { reference };
}

async function assertMayMoveCash(
  context: LedgerContext,
  movement: CashMovement,
  accountId: ReturnType<typeof parseAccountId>,
): Promise<void> {
  const viewer = signedInViewer(context);
  const account = await context.readers.findAccount(accountId);
  if (account === undefined || account.kind === "INTERNAL") throw notFound("account");
  const owns = isOwner(viewer, account);
  const decision = mayDo(viewer, movement.action, { isOwner: owns, isDemo: context.ownersMayMoveCash });
  context.accessLog.record(viewer, movement.action, formatId("account", accountId), decision);
  if (decision.allowed) return;
  if (!owns) throw notFound("account");
  throw new RequestError("FORBIDDEN", "Cash is brought and taken by an agent or a channel. Ask one of them.");
}
