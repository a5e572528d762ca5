import { parsePageArguments, toConnection } from "@florin/graph";
import type { AccountsContext } from "../../context.js";
import { toStoredType, type LinkedAccountTypeName } from "../LinkedAccount.js";

export interface LinkedAccountsArguments {
  readonly virtualAccountId?: string | null;
  readonly type?: LinkedAccountTypeName | null;
  readonly first?: number | null;
  readonly after?: string | null;
}

/** The viewer's own, or those of a virtual account that the viewer may see. A partner has none. */
export async function linkedAccounts(_parent: unknown, args: LinkedAccountsArguments, context: AccountsContext) {
  const page = parsePageArguments(args);
  const userId = context.linked.findOwner(args.virtualAccountId ?? undefined);
  if (userId === undefined) return toConnection([], page, context.linked.accountCursorOf, 0);
  const filter = { userId, type: toStoredType(args.type) };
  const rows = await context.linked.listAccounts(filter, page);
  return {
    ...toConnection(rows, page, context.linked.accountCursorOf),
    totalCount: () => context.linked.countAccounts(filter),
  };
}
