import { formatId } from "@florin/kernel";
import type { AccountsContext } from "../context.js";

/** An account's row, as the readers and commands give it. */
type AccountSource = Awaited<ReturnType<AccountsContext["readers"]["getAccount"]>>;

export const Account = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) =>
    context.readers.getAccount(reference.id),
  id: (account: AccountSource) => formatId("account", account.accountId),
};
