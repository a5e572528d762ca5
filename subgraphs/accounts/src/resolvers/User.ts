import { formatId } from "@florin/kernel";
import type { AccountsContext } from "../context.js";
import { toVirtualAccount } from "./VirtualAccount.js";
import { toAccountConnection, type AccountListArguments } from "./account-connection.js";

/** A person's row, as the readers and commands give it. */
type UserSource = Awaited<ReturnType<AccountsContext["readers"]["getUser"]>>;

export const User = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) =>
    context.readers.getUser(reference.id),
  id: (user: UserSource) => formatId("user", user.userId),
  accounts: (user: UserSource, args: AccountListArguments, context: AccountsContext) =>
    toAccountConnection(context, formatId("user", user.userId), args),
  // Who may see a person may see what that person linked: the rows of the two actions are the same.
  virtualAccount: (user: UserSource, _args: unknown, context: AccountsContext) =>
    toVirtualAccount(context, user.userId),
};
