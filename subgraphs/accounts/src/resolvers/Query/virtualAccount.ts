import type { AccountsContext } from "../../context.js";
import { toVirtualAccount } from "../VirtualAccount.js";

export async function virtualAccount(
  _parent: unknown,
  args: { readonly id?: string | null },
  context: AccountsContext,
) {
  const userId = context.linked.findOwner(args.id ?? undefined);
  return userId === undefined ? null : toVirtualAccount(context, userId);
}
