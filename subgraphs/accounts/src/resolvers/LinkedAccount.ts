import { parsePageArguments, toConnection } from "@florin/graph";
import { formatId } from "@florin/kernel";
import type { AccountsContext } from "../context.js";
import { toCurrency } from "./linked-currency.js";

/** An account's row, as the readers give it. */
type LinkedAccountSource = Awaited<ReturnType<AccountsContext["linked"]["getAccount"]>>;
export type LinkedAccountTypeName = "DEPOSITORY" | "CREDIT" | "LOAN" | "INVESTMENT" | "OTHER";

const storedTypes: Record<LinkedAccountTypeName, string> = {
  DEPOSITORY: "depository",
  CREDIT: "credit",
  LOAN: "loan",
  INVESTMENT: "investment",
  OTHER: "other",
};
const names = Object.keys(storedTypes) as LinkedAccountTypeName[];

export function toStoredType(type: LinkedAccountTypeName | null | undefined): string | undefined {
  return type === null || type === undefined ? undefined : storedTypes[type];
}

export function isOfType(account: LinkedAccountSource, type: LinkedAccountTypeName | null | undefined): boolean {
  return type === null || type === undefined || toTypeName(account.type) === type;
}

/** Institutions' types grow at will: what is new to us is OTHER. */
function toTypeName(stored: string): LinkedAccountTypeName {
  return names.find((name) => storedTypes[name] === stored) ?? "OTHER";
}

export const LinkedAccount = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) =>
    context.linked.getAccount(reference.id),
  id: (account: LinkedAccountSource) => formatId("linkedAccount", account.linkedAccountId),
  type: (account: LinkedAccountSource) => toTypeName(account.type),
  balance: (account: LinkedAccountSource) => ({
    available: account.available,
    current: account.current,
    limit: account.limit,
    currency: toCurrency(account),
    asOf: account.balanceAsOf,
    source: account.balanceSource,
  }),
  transactions: async (
    account: LinkedAccountSource,
    args: { readonly first?: number | null; readonly after?: string | null },
    context: AccountsContext,
  ) => {
    const page = parsePageArguments(args);
    const rows = await context.linked.transactionsOf(account.linkedAccountId, page);
    return toConnection(rows, page, context.linked.transactionCursorOf);
  },
  item: (account: LinkedAccountSource, _args: unknown, context: AccountsContext) => context.linked.itemOf(account),
  isRemoved: (account: LinkedAccountSource) => account.removedAt !== null,
};
