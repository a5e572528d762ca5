import {
  findCommittedBatch,
  findDenominations,
  listOpenHoldKeys,
  listSpendableHistories,
  type AccountTerms,
  type CommittedBatch,
  type FetchedHookData,
  type SpendableHistory,
} from "@florin/db/ledger";
import type { Transaction } from "@florin/db";
import { clientTransactionKey, reversalKey, type Uuid } from "@florin/kernel";
import { clientIdOf, isProposedFollowUp, needsQuietBook, type LedgerCommand, type PostingCommand } from "./command.js";
import { addAccountsOf } from "./command-accounts.js";
import { NO_TERMS_FACTS, readTermsFacts, type TermsFacts } from "./terms-facts.js";

/**
 * What few commands need beyond the writer's state, read for them alone and before it, in the commit's transaction. Such commands are
 * decided with no other commit in flight (`needsQuietBook`), so what is read here is what the database and the writer agree on; a writer
 * that was overtaken meanwhile finds another epoch in the head.
 */
export interface CommitFacts {
  /** By the reversal's command id: what it takes back (T-8). */
  readonly originals: ReadonlyMap<Uuid, CommittedBatch>;
  /** `reversalKey` of every instruction of the originals that was taken back before. */
  readonly reversed: readonly string[];
  /** Of accounts that backdated batches touch, from the earliest of their value times on (BAL-2). Of this commit, and no later one. */
  readonly spendable: ReadonlyMap<Uuid, SpendableHistory>;
  /** Of accounts that are to be closed: `clientTransactionKey` of open authorisations, as many as this commit could close and one more. */
  readonly openHolds: ReadonlyMap<Uuid, readonly string[]>;
  /** Of accounts that are to be closed: what a closing hook may post in. */
  readonly currencies: ReadonlyMap<Uuid, string>;
  readonly terms: TermsFacts;
  /** Of accounts that are to be opened: what is said of their customers and of their product's template already. Read with every opening. */
  readonly openingTerms: ReadonlyMap<Uuid, AccountTerms>;
  /** By command: what the hook inside its decision declared (terms-facts.ts). Read last, when the accounts' products are known. */
  readonly hookData: ReadonlyMap<Uuid, FetchedHookData>;
}

export const NO_FACTS: CommitFacts = {
  originals: new Map(),
  reversed: [],
  spendable: new Map(),
  openHolds: new Map(),
  currencies: new Map(),
  terms: NO_TERMS_FACTS,
  openingTerms: new Map(),
  hookData: new Map(),
};

/** No statement at all when no command asks for any. */
export async function readCommitFacts(
  tx: Transaction,
  bookId: number,
  commands: readonly LedgerCommand[],
): Promise<CommitFacts> {
  if (!commands.some(needsQuietBook)) return NO_FACTS;
  const originals = await readOriginals(tx, bookId, commands);
  const reversed = [...originals.values()].flatMap(({ instructions }) =>
    instructions.flatMap(({ isReversed, reference }) => (isReversed ? [reversalKey(reference)] : [])),
  );
  const [spendable, openHolds, currencies, terms] = await Promise.all([
    listSpendableHistories(tx, bookId, backdatedTouches(commands, originals)),
    readOpenHolds(tx, bookId, commands),
    findDenominations(
      tx,
      bookId,
      commands.flatMap((command) => (command.kind === "account.close" ? [command.accountId] : [])),
    ),
    readTermsFacts(tx, bookId, commands),
  ]);
  return { originals, reversed, spendable, openHolds, currencies, terms, openingTerms: new Map(), hookData: new Map() };
}

async function readOriginals(
  tx: Transaction,
  bookId: number,
  commands: readonly LedgerCommand[],
): Promise<ReadonlyMap<Uuid, CommittedBatch>> {
  const originals = new Map<Uuid, CommittedBatch>();
  for (const command of commands) {
    if (command.kind !== "posting" || command.reversal === undefined) continue;
    const original = await findCommittedBatch(tx, bookId, command.reversal.id);
    if (original !== undefined) originals.set(command.commandId, original);
  }
  return originals;
}

/** What a batch with a value time of its own may touch: accounts by id, and those of the client transactions that it goes on with. */
function backdatedTouches(commands: readonly LedgerCommand[], originals: ReadonlyMap<Uuid, CommittedBatch>) {
  return commands.flatMap((command) => {
    if (command.kind !== "posting") return [];
    const original = originals.get(command.commandId);
    const from = command.reversal?.mode === "AT_ORIGINAL_VALUE" ? original?.valueAt : command.valueAt;
    return from === undefined ? [] : [{ from, ...touchedBy(command, original) }];
  });
}

function touchedBy(command: PostingCommand, original: CommittedBatch | undefined) {
  const accountIds = new Set<Uuid>();
  const clientId = clientIdOf(command);
  const clientTransactions = command.instructions.flatMap((instruction) => {
    addAccountsOf(instruction, accountIds);
    return isProposedFollowUp(instruction) ? [{ clientId, clientTransactionId: instruction.clientTransactionId }] : [];
  });
  for (const { legs } of original?.instructions ?? []) for (const { accountId } of legs) accountIds.add(accountId);
  return { accountIds: [...accountIds], clientTransactions };
}

async function readOpenHolds(
  tx: Transaction,
  bookId: number,
  commands: readonly LedgerCommand[],
): Promise<ReadonlyMap<Uuid, readonly string[]>> {
  const openHolds = new Map<Uuid, readonly string[]>();
  const limit = 1 + commands.reduce((sum, one) => sum + (one.kind === "posting" ? one.instructions.length : 0), 0);
  for (const command of commands) {
    if (command.kind !== "account.close") continue;
    const keys = await listOpenHoldKeys(tx, { bookId, accountId: command.accountId, limit });
    openHolds.set(
      command.accountId,
      keys.map((key) => clientTransactionKey(key.clientId, key.clientTransactionId)),
    );
  }
  return openHolds;
}
