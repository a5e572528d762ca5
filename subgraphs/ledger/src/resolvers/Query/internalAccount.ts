import { notFound } from "@florin/kernel";
import { getReadableAccount } from "../../access.js";
import type { LedgerContext } from "../../context.js";
import { toAccountReference } from "../account-reference.js";

export async function internalAccount(
  _root: unknown,
  { code, currency }: { readonly code: string; readonly currency: string },
  context: LedgerContext,
) {
  const accountId = await context.readers.findInternalAccountId(code, currency);
  if (accountId === undefined) throw notFound("internal account");
  await getReadableAccount(context, accountId);
  return toAccountReference(accountId);
}
