import { amountFromNumeric, coordinateKey, type AccountState, type Totals, type Uuid } from "@florin/kernel";
import { answerEventIdOf } from "@florin/db";
import type { StoredAccount, StoredBalance, WriterStateQuery } from "@florin/db/ledger";
import { clientIdOf, type CloseAccountCommand, type LedgerCommand, type OpenAccountCommand } from "./command.js";
import { addAccountsOf } from "./command-accounts.js";
import { NO_FACTS, type CommitFacts } from "./commit-facts.js";
import type { ProductCatalogue } from "./product-catalogue.js";
import { accountsOfTerms, contractAccountsIn } from "./terms-command.js";

/** What must be read to decide these commands. `facts`: what some of them needed to be read before (T-8). */
export function planQuery(
  bookId: number,
  commands: readonly LedgerCommand[],
  facts: CommitFacts = NO_FACTS,
): WriterStateQuery {
  const operationIds: Uuid[] = [];
  const answerEventIds: Uuid[] = [];
  const accountIds = new Set<Uuid>();
  const clientTransactions: { clientId: string; clientTransactionId: string }[] = [];
  for (const command of commands) {
    if (command.kind === "terms") {
      operationIds.push(command.commandId);
      for (const accountId of accountsOfTerms(command)) accountIds.add(accountId);
      continue;
    }
    if (command.kind !== "posting") {
      answerEventIds.push(answerEventIdOf(command.commandId));
      accountIds.add(command.accountId);
      for (const accountId of contractAccountsOf(command, facts)) accountIds.add(accountId);
      continue;
    }
    operationIds.push(command.commandId);
    const clientId = clientIdOf(command);
    for (const instruction of command.instructions) {
      addAccountsOf(instruction, accountIds);
      const { clientTransactionId } = instruction;
      if (clientTransactionId !== undefined) clientTransactions.push({ clientId, clientTransactionId });
    }
    for (const { legs } of facts.originals.get(command.commandId)?.instructions ?? [])
      for (const { accountId } of legs) accountIds.add(accountId);
  }
  return { bookId, operationIds, answerEventIds, accountIds: [...accountIds].sort(), clientTransactions };
}

/** What hooks of opening and closing may post to. */
function contractAccountsOf(command: OpenAccountCommand | CloseAccountCommand, facts: CommitFacts): readonly Uuid[] {
  const currency = command.kind === "account.open" ? command.currency : facts.currencies.get(command.accountId);
  return currency === undefined ? [] : contractAccountsIn(currency);
}

/** What was read of an account, in the kernel's shape. */
export function toAccountState(
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
