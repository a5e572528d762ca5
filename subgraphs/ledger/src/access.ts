import { mayDo, type Viewer } from "@florin/auth";
import { formatId, notFound, RequestError, type Uuid } from "@florin/kernel";
import type { LedgerAccount, LedgerContext } from "./context.js";
import type { OperationRecord } from "./writer/command.js";

/** Who may see what. Somebody else's object is not there: NOT_FOUND, the same as for an id that never was. */
type Asking = Pick<LedgerContext, "viewer" | "readers" | "accessLog">;

/** For code behind `@authenticated`; stands there for the compiler and as a second lock. */
export function signedInViewer(context: { readonly viewer: Viewer | undefined }): Viewer {
  if (context.viewer === undefined) throw new RequestError("UNAUTHENTICATED", "Sign in first: send an access token.");
  return context.viewer;
}

export function isOwner(viewer: Viewer | undefined, account: LedgerAccount): boolean {
  return viewer !== undefined && account.owners.includes(viewer.principal);
}

/** The account, when the viewer may read it. Throws NOT_FOUND. */
export async function getReadableAccount(context: Asking, accountId: Uuid | undefined): Promise<LedgerAccount> {
  const account = accountId === undefined ? undefined : await context.readers.findAccount(accountId);
  if (account === undefined || !mayReadAccount(context, account)) throw notFound("account");
  return account;
}

function mayReadAccount(context: Asking, account: LedgerAccount): boolean {
  const { viewer, accessLog } = context;
  const action = account.kind === "INTERNAL" ? "internal-account:read" : "account:read";
  const decision = mayDo(viewer, action, { isOwner: isOwner(viewer, account) });
  accessLog.record(viewer, action, formatId("account", account.accountId), decision);
  return decision.allowed;
}

/** May the viewer see this operation: they asked for it, own its account, or work in the office. */
export async function mayReadOperation(context: Asking, operation: OperationRecord): Promise<boolean> {
  const { viewer, accessLog } = context;
  const account =
    operation.accountId === undefined ? undefined : await context.readers.findAccount(operation.accountId);
  const decision = mayDo(viewer, "operation:read", {
    isRequester: viewer?.principal === operation.principal,
    isOwner: account !== undefined && isOwner(viewer, account),
  });
  accessLog.record(viewer, "operation:read", formatId("operation", operation.operationId), decision);
  return decision.allowed;
}

/** A batch shows every leg: for its sender, and for those with the scope. */
export function mayReadBatch(context: Asking, batch: { readonly batchId: Uuid; readonly clientId: string }): boolean {
  const { viewer, accessLog } = context;
  if (viewer?.principal === batch.clientId) return true;
  const decision = mayDo(viewer, "batch:read");
  accessLog.record(viewer, "batch:read", formatId("batch", batch.batchId), decision);
  return decision.allowed;
}

/** T-8: whoever sent it, with posting:write, and staff. */
export function mayReverseBatch(
  context: Asking,
  batch: { readonly batchId: Uuid; readonly clientId: string },
): boolean {
  const { viewer, accessLog } = context;
  const decision = mayDo(viewer, "batch:reverse", { isRequester: viewer?.principal === batch.clientId });
  accessLog.record(viewer, "batch:reverse", formatId("batch", batch.batchId), decision);
  return decision.allowed;
}

/** CT-9: for its client, and for those with the scope. */
export function mayReadClientTransaction(context: Asking, clientId: string, clientTransactionId: string): boolean {
  const { viewer, accessLog } = context;
  if (viewer?.principal === clientId) return true;
  const decision = mayDo(viewer, "client-transaction:read");
  accessLog.record(viewer, "client-transaction:read", `${clientId}/${clientTransactionId}`, decision);
  return decision.allowed;
}

/** Of the caller's scopes, those that let a batch do more than most may (T-2, RES-3, §2.3). */
export function postingPermissions({ scopes }: Viewer): readonly string[] | undefined {
  const permissions = scopes.filter((scope) => scope.startsWith("posting."));
  return permissions.length === 0 ? undefined : permissions;
}
