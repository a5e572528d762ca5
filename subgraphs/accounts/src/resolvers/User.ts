import { formatId } from "@florin/kernel";
import type { AccountsContext } from "../context.js";
import { toAccountConnection, type AccountListArguments } from "./account-connection.js";

/** A person's row, as the readers and commands give it. */
type UserSource = Awaited<ReturnType<AccountsContext["readers"]["getUser"]>>;

export const User = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) =>
    context.readers.getUser(reference.id),
  id: (user: UserSource) => formatId("user", user.userId),
  accounts: (user: UserSource, args: AccountListArguments, context: AccountsContext) =>
    toAccountConnection(context, formatId("user", user.userId), args),
};
