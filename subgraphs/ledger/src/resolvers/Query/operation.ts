import { notFound } from "@florin/kernel";
import { signedInViewer } from "../../access.js";
import type { LedgerContext } from "../../context.js";
import { getReadableOperation } from "../Operation.js";

export const operation = (_root: unknown, { id }: { readonly id: string }, context: LedgerContext) =>
  getReadableOperation(context, id);

/** The caller's own keys alone: a key is a secret between its principal and us. */
export async function operationByKey(
  _root: unknown,
  { idempotencyKey }: { readonly idempotencyKey: string },
  context: LedgerContext,
) {
  const found = await context.readers.findOperationByKey(signedInViewer(context).principal, idempotencyKey);
  if (found === undefined) throw notFound("operation");
  return found;
}
