import { formatId, type Instant } from "@florin/kernel";
import type { AccountsContext } from "../context.js";
import { nextActionOf } from "../linked/item-status.js";
import { isOfType, type LinkedAccountTypeName } from "./LinkedAccount.js";

/** An item's row, as the readers and commands give it. */
type ItemSource = Awaited<ReturnType<AccountsContext["linked"]["getItem"]>>;
type ProductSource = Awaited<ReturnType<AccountsContext["linked"]["productsOf"]>>[number];

const products = ["BALANCES", "TRANSACTIONS", "LIABILITIES", "INVESTMENTS"] as const;

export const LinkedItem = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) =>
    context.linked.getItem(reference.id),
  id: (item: ItemSource) => formatId("linkedItem", item.itemId),
  nextAction: (item: ItemSource) => nextActionOf(item) ?? null,
  lastSyncedAt: async (item: ItemSource, _args: unknown, context: AccountsContext) => {
    const times = (await context.linked.productsOf(item.itemId))
      .map((product) => product.lastSyncedAt)
      .filter((at): at is Instant => at !== null);
    return times.length === 0 ? null : times.reduce((latest, at) => (at > latest ? at : latest));
  },
  products: async (item: ItemSource, _args: unknown, context: AccountsContext) => {
    if (item.removedAt !== null) return [];
    const known = await context.linked.productsOf(item.itemId);
    return products.map((product) => known.find((one) => one.product === product) ?? notReady(item, product));
  },
  timeline: async (item: ItemSource, _args: unknown, context: AccountsContext) => context.linked.historyOf(item.itemId),
  accounts: async (
    item: ItemSource,
    args: { readonly type?: LinkedAccountTypeName | null },
    context: AccountsContext,
  ) => (await context.linked.accountsOf(item.itemId)).filter((account) => isOfType(account, args.type)),
};

/** Nothing was read yet, good or bad. */
function notReady({ itemId }: ItemSource, product: ProductSource["product"]): ProductSource {
  return { itemId, product, status: "NOT_READY", reason: null, lastSyncedAt: null };
}
