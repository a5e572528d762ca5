import type { AccountsContext } from "../../context.js";

export async function account(_parent: unknown, args: { readonly id: string }, context: AccountsContext) {
  return context.readers.getAccount(args.id);
}
