import { formatId, assertInput } from "@florin/kernel";
import { signedInViewer } from "../../access.js";
import type { AccountBalanceView } from "../../account-balance.js";
import type { LedgerContext } from "../../context.js";
import { findBalance } from "../find-balance.js";

const MAX_ACCOUNTS = 100;

/** Of the accounts that are named, all of them readable, or else of the caller's own. In the order asked for. */
export async function balances(
  _root: unknown,
  { accountIds }: { readonly accountIds?: readonly string[] | null | undefined },
  context: LedgerContext,
): Promise<readonly AccountBalanceView[]> {
  if ((accountIds?.length ?? 0) > MAX_ACCOUNTS)
    assertInput([{ path: "accountIds", code: "LIST_SIZE", message: `Name at most ${MAX_ACCOUNTS} accounts.` }]);
  const ids = accountIds ?? (await listOwnIds(context));
  const found = await Promise.all(ids.map((id) => findBalance(context, { id }, {})));
  return found.filter((balance) => balance !== null);
}

async function listOwnIds(context: LedgerContext): Promise<readonly string[]> {
  const own = await context.readers.listAccountIdsOfOwner(signedInViewer(context).principal);
  return own.map((id) => formatId("account", id));
}
