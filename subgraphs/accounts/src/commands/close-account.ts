import { mayDo, type Viewer } from "@florin/auth";
import { appendOutbox, fingerprintOf, type Transaction } from "@florin/db";
import {
  claimIdempotencyKey,
  findAccountClosure,
  findPendingClosure,
  insertAccountClosure,
  listAccountsByIds,
  lockAccount,
  updateAccount,
  type AccountRecord,
  type KeptKey,
} from "@florin/db/accounts";
import { assertInput, idempotencyKeyReused, notFound, parseId, type FieldFault, type Uuid } from "@florin/kernel";
import { accountClose } from "../account-events.js";
import type { Rejection } from "../account-lifecycle.js";
import { checkIdempotencyKey, parseWaitMs } from "../input-checks.js";
import type { RequestFacts, Services } from "../services.js";
import type { AccountOutcome } from "./open-account.js";

export interface CloseAccountInput {
  readonly accountId: string;
  readonly idempotencyKey: string;
  readonly waitMs?: number | null | undefined;
}

const notOpen: Rejection = {
  code: "ACCOUNT_NOT_OPEN",
  message: "Only an open account can be closed. Look at its status.",
};

/**
 * Asks the ledger to close an account; the ledger refuses while money is on it.
 *
 * OPEN: PENDING_CLOSURE and a command to the ledger. PENDING_CLOSURE: this call joins the request that waits. Anything else: refused
 * at once, as a result. The request (an account_closure) is what the key leads to, so a replay shows the answer it got, whatever has
 * become of the account since.
 */
export async function closeAccount(
  services: Services,
  viewer: Viewer,
  input: CloseAccountInput,
  facts: RequestFacts,
): Promise<AccountOutcome> {
  const faults: FieldFault[] = [];
  checkIdempotencyKey(input.idempotencyKey, faults);
  const waitMs = Math.min(parseWaitMs(input.waitMs, faults), facts.timeLeftMs());
  assertInput(faults);
  const accountId = parseId("account", input.accountId);
  if (accountId === undefined) throw notFound("account");

  const asked = { closureId: services.ids.next(), accountId, owners: [viewer.principal] };
  const event = accountClose(services, asked, viewer.principal, facts.correlationId);
  const position = services.answers.expectPosition(event.eventId, waitMs);
  const { closureId, isReplay, isSent } = await services.transact(async (tx) => {
    const account = await lockAccount(tx, accountId);
    if (account === undefined || !mayDo(viewer, "account:close", { isOwner: isOwner(account, viewer) }).allowed)
      throw notFound("account");
    const pending = await findPendingClosure(tx, accountId);
    const entityId = pending?.closureId ?? asked.closureId;
    const kept = await claimKey(services, tx, viewer, input, entityId);
    if (kept !== undefined) {
      // Under our own new closure's id, the key is ours: a COMMIT of this very call whose answer was lost.
      const isOurs = kept.entityId === asked.closureId;
      return { closureId: kept.entityId, isReplay: !isOurs, isSent: isOurs && account.status === "PENDING_CLOSURE" };
    }
    if (pending !== undefined) return { closureId: entityId, isReplay: false, isSent: false };
    const isOpen = account.status === "OPEN";
    await insertAccountClosure(tx, {
      closureId: entityId,
      accountId,
      requestedBy: viewer.principal,
      requestedAt: services.clock.now(),
      rejection: isOpen ? undefined : notOpen,
    });
    if (isOpen) {
      await updateAccount(tx, accountId, { status: "PENDING_CLOSURE" });
      await appendOutbox(tx, "accounts", [{ ...event, audience: withOwners(event.audience, account.owners) }]);
    }
    return { closureId: entityId, isReplay: false, isSent: isOpen };
  });
  if (isSent) services.wakeRelay();
  const { account, rejection } = await services.answers.waitForAccount(
    accountId,
    waitMs,
    () => readOutcome(services, accountId, closureId),
    (present) => present.isPending,
  );
  return { account, rejection, isReplay, position: isSent ? await position : undefined };
}

async function claimKey(
  services: Services,
  tx: Transaction,
  viewer: Viewer,
  input: CloseAccountInput,
  entityId: Uuid,
): Promise<KeptKey | undefined> {
  const fingerprint = fingerprintOf({ accountId: input.accountId });
  const kept = await claimIdempotencyKey(tx, {
    principal: viewer.principal,
    key: input.idempotencyKey,
    operation: "closeAccount",
    fingerprint,
    entityId,
    createdAt: services.clock.now(),
  });
  if (kept !== undefined && (kept.operation !== "closeAccount" || kept.fingerprint !== fingerprint))
    throw idempotencyKeyReused();
  return kept;
}

async function readOutcome(
  services: Services,
  accountId: Uuid,
  closureId: Uuid,
): Promise<Pick<AccountOutcome, "account" | "rejection"> & { readonly isPending: boolean }> {
  const closure = await findAccountClosure(services.sql, closureId);
  const [account] = await listAccountsByIds(services.sql, [accountId]);
  if (closure === undefined || account === undefined)
    throw new Error(`a request to close that was written is not there: ${closureId}`);
  const { rejectionCode: code, rejectionMessage: message } = closure;
  const rejection = code === null || message === null ? undefined : { code, message };
  return { account, rejection, isPending: closure.status === "PENDING" };
}

function isOwner(account: AccountRecord, viewer: Viewer): boolean {
  return account.owners.includes(viewer.principal);
}

function withOwners(audience: readonly string[], owners: readonly string[]): readonly string[] {
  return [...new Set([...owners, ...audience])];
}
