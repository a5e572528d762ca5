import type { AccountsContext } from "../../context.js";

export async function linkedAccount(_parent: unknown, args: { readonly id: string }, context: AccountsContext) {
  return context.linked.getAccount(args.id);
}
