import {
  amountFromNumeric,
  clientTransactionKey,
  coordinateKey,
  type AccountState,
  type BookView,
  type Totals,
  type Uuid,
} from "@florin/kernel";
import { answerEventIdOf, internalAccountId } from "@florin/db";
import type { StoredAccount, StoredBalance, WriterState, WriterStateQuery } from "@florin/db/ledger";
import type { AccountReference, LedgerCommand, ProposedInstruction } from "./command.js";
import type { ProductCatalogue } from "./product-catalogue.js";

/** What must be read to decide these commands. */
export function planQuery(bookId: number, commands: readonly LedgerCommand[]): WriterStateQuery {
  const operationIds: Uuid[] = [];
  const answerEventIds: Uuid[] = [];
  const accountIds = new Set<Uuid>();
  const clientTransactions: { clientId: string; clientTransactionId: string }[] = [];
  for (const command of commands) {
    if (command.kind !== "posting") {
      answerEventIds.push(answerEventIdOf(command.commandId));
      accountIds.add(command.accountId);
      continue;
    }
    operationIds.push(command.commandId);
    for (const instruction of command.instructions) {
      accountIds.add(accountIdOf(instruction.target, instruction));
      accountIds.add(accountIdOf(instruction.counterparty, instruction));
      const { clientTransactionId } = instruction;
      if (clientTransactionId !== undefined)
        clientTransactions.push({ clientId: command.principal, clientTransactionId });
    }
  }
  return { bookId, operationIds, answerEventIds, accountIds: [...accountIds].sort(), clientTransactions };
}

/** The reference's id; whether there is such an account shows when it is read. */
export function accountIdOf(reference: AccountReference, { money }: ProposedInstruction): Uuid {
  return "accountId" in reference ? reference.accountId : internalAccountId(reference.internalCode, money.currency);
}

/** What was read, in the kernel's shape. */
export function toBookView(state: WriterState, catalogue: ProductCatalogue): BookView {
  const balancesByAccount = new Map<Uuid, StoredBalance[]>();
  for (const balance of state.balances) {
    const known = balancesByAccount.get(balance.accountId);
    if (known === undefined) balancesByAccount.set(balance.accountId, [balance]);
    else known.push(balance);
  }
  return {
    accounts: new Map(
      state.accounts.map((account) => [
        account.accountId,
        toAccountState(account, balancesByAccount.get(account.accountId) ?? [], catalogue),
      ]),
    ),
    clientTransactions: new Map(
      state.clientTransactions.map((transaction) => [
        clientTransactionKey(transaction.clientId, transaction.clientTransactionId),
        transaction,
      ]),
    ),
  };
}

function toAccountState(
  account: StoredAccount,
  balances: readonly StoredBalance[],
  catalogue: ProductCatalogue,
): AccountState {
  const { accountId, tside, status, denomination, openedAt, parameters, productVersionId } = account;
  const version = productVersionId === null ? undefined : catalogue.findVersion(productVersionId);
  if (productVersionId !== null && version === undefined)
    throw new Error(`product version ${productVersionId} is not in the catalogue; it must be read again`);
  let accountSeq = 0n;
  const totals = new Map<string, Totals>();
  for (const balance of balances) {
    if (balance.accountSeq > accountSeq) accountSeq = balance.accountSeq;
    totals.set(coordinateKey(balance), {
      totalDebit: amountFromNumeric(balance.totalDebit, balance.denomination),
      totalCredit: amountFromNumeric(balance.totalCredit, balance.denomination),
    });
  }
  const product = version?.product;
  return { accountId, tside, status, denomination, openedAt, product, parameters, accountSeq, totals };
}
