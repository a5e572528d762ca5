import type { asUuid } from "@florin/kernel";
import { formatId, parseId } from "@florin/kernel";
import type { AccountsContext } from "../context.js";
import { isOfType, type LinkedAccountTypeName } from "./LinkedAccount.js";

/** Everything that this person has linked: it has the person's own id, and no row. */
export interface VirtualAccountSource {
  readonly userId: ReturnType<typeof asUuid>;
}

/** null while nothing is linked. Whether the viewer may see it was judged before. */
export async function toVirtualAccount(
  context: AccountsContext,
  userId: VirtualAccountSource["userId"],
): Promise<VirtualAccountSource | null> {
  const items = await context.linked.itemsOf(userId);
  return items.length === 0 ? null : { userId };
}

export const VirtualAccount = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) => {
    const userId = context.linked.findOwner(reference.id) ?? parseId("virtualAccount", reference.id);
    return userId === undefined ? null : toVirtualAccount(context, userId);
  },
  id: ({ userId }: VirtualAccountSource) => formatId("virtualAccount", userId),
  items: ({ userId }: VirtualAccountSource, _args: unknown, context: AccountsContext) => context.linked.itemsOf(userId),
  accounts: async (
    { userId }: VirtualAccountSource,
    args: { readonly type?: LinkedAccountTypeName | null },
    context: AccountsContext,
  ) => {
    const items = await context.linked.itemsOf(userId);
    const accounts = await Promise.all(items.map(({ itemId }) => context.linked.accountsOf(itemId)));
    return accounts
      .flat()
      .filter((account) => isOfType(account, args.type))
      .sort((one, other) => (one.linkedAccountId < other.linkedAccountId ? -1 : 1));
  },
};
