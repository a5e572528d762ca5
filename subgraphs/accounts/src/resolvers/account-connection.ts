import { parsePageArguments, toConnection } from "@florin/graph";
import type { AccountsContext } from "../context.js";

export interface AccountListArguments {
  readonly filter?: {
    readonly status?: AccountStatus | null | undefined;
    readonly currency?: string | null | undefined;
  } | null;
  readonly first?: number | null;
  readonly after?: string | null;
}

type AccountStatus = "PENDING" | "OPEN" | "PENDING_CLOSURE" | "CLOSED" | "REJECTED" | "MIGRATING";

/** `totalCount` is counted when it is asked for, and for one owner only: over everybody's accounts it is not cheap. */
export async function toAccountConnection(
  context: AccountsContext,
  owner: string | undefined,
  args: AccountListArguments,
) {
  const page = parsePageArguments(args);
  const filter = { status: args.filter?.status ?? undefined, currency: args.filter?.currency ?? undefined };
  const rows = await context.readers.listAccounts({ owner, ...filter }, page);
  return {
    ...toConnection(rows, page, context.readers.cursorOf),
    totalCount: () => (owner === undefined ? null : context.readers.countAccounts({ owner, ...filter })),
  };
}
