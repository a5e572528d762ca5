import type { AccountsContext } from "../../context.js";

export async function linkedItem(_parent: unknown, args: { readonly id: string }, context: AccountsContext) {
  return context.linked.getItem(args.id);
}
