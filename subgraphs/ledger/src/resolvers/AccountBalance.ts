import { notFound } from "@florin/kernel";
import { getReadableAccount } from "../access.js";
import { balanceAfterPosting, emptyBalance, type AccountBalanceView } from "../account-balance.js";
import type { LedgerContext } from "../context.js";
import { accountIdOf, toAccountReference } from "./account-reference.js";
import { toMoney } from "./money.js";

interface BalanceKey {
  readonly account: { readonly id: string };
  readonly accountSeq: string;
}

const SEQUENCE = /^(0|[1-9][0-9]{0,18})$/;

/** The balance at exactly that sequence, whatever was posted since: an event carries the key, this answers it. */
async function resolveReference(key: BalanceKey, context: LedgerContext): Promise<AccountBalanceView> {
  const account = await getReadableAccount(context, accountIdOf(key.account));
  if (!SEQUENCE.test(key.accountSeq)) throw notFound("balance");
  const accountSeq = BigInt(key.accountSeq);
  if (accountSeq === 0n) return emptyBalance(account, account.openedAt);
  const row = await context.readers.findBalanceAtSeq({ accountId: account.accountId, accountSeq });
  if (row === undefined) throw notFound("balance");
  return balanceAfterPosting(account, row);
}

export const AccountBalance = {
  __resolveReference: resolveReference,
  account: (balance: AccountBalanceView) => toAccountReference(balance.accountId),
  available: (balance: AccountBalanceView) => toMoney(balance.available, balance.currency),
  committed: (balance: AccountBalanceView) => toMoney(balance.committed, balance.currency),
  pendingIn: (balance: AccountBalanceView) => toMoney(balance.pendingIn, balance.currency),
  pendingOut: (balance: AccountBalanceView) => toMoney(balance.pendingOut, balance.currency),
};
