import { amountToNumeric, type Amount, type ClientTransactionState } from "@florin/kernel";
import { plainArray, textArray } from "../array-literal.js";
import type { BalanceWrite, BookWrite } from "./commit-rows.js";
import { instantOf, unnest, type Columns, type StatementBuilder } from "./statement-builder.js";

/** A balance was not as the writer's memory had it. Everything was rolled back. */
export const MEMORY_STALE = "FL004";

/** Known coordinates are moved on from where the writer saw them, new ones are made. */
export function addBalances(statement: StatementBuilder, { bookId, balances }: BookWrite): void {
  const known = balances.filter(({ previousSeq }) => previousSeq !== undefined);
  const fresh = balances.filter(({ previousSeq }) => previousSeq === undefined);
  if (known.length > 0) {
    const rows = unnest(statement, {
      ...balanceColumns(known),
      previous_seq: ["bigint", plainArray(known, (r) => r.previousSeq)],
    });
    statement.part(
      "moved",
      `update ledger.balance b set total_debit = r.total_debit, total_credit = r.total_credit, account_seq = r.account_seq from ${rows}
      where b.book_id = ${bookId} and b.account_id = r.account_id and b.address = r.address and b.asset = r.asset
        and b.denomination = r.denomination and b.phase = r.phase and b.account_seq = r.previous_seq
      returning 1`,
    );
    statement.expect("moved", known.length, MEMORY_STALE, "a balance was not as the writer remembered it");
  }
  if (fresh.length === 0) return;
  const columns = balanceColumns(fresh);
  const names = Object.keys(columns).join(", ");
  statement.part(
    "made",
    `insert into ledger.balance (book_id, ${names}) select ${bookId}, ${names} from ${unnest(statement, columns)}`,
  );
}

function balanceColumns(rows: readonly BalanceWrite[]): Columns {
  return {
    account_id: ["uuid", plainArray(rows, (r) => r.accountId)],
    address: ["text", plainArray(rows, (r) => r.address)],
    asset: ["text", plainArray(rows, (r) => r.asset)],
    denomination: ["text", plainArray(rows, (r) => r.denomination)],
    phase: ["text", plainArray(rows, (r) => r.phase)],
    total_debit: ["numeric", plainArray(rows, (r) => amountToNumeric(r.totalDebit, r.denomination))],
    total_credit: ["numeric", plainArray(rows, (r) => amountToNumeric(r.totalCredit, r.denomination))],
    account_seq: ["bigint", plainArray(rows, (r) => r.accountSeq)],
  };
}

/** Opened, or followed up: the database refuses to change one that is closed (CT-5). */
export function addClientTransactions(
  statement: StatementBuilder,
  { bookId, clientTransactions: rows }: BookWrite,
): void {
  if (rows.length === 0) return;
  const amounts = (pick: (row: ClientTransactionState) => Amount) =>
    plainArray(rows, (r) => (r.denomination === undefined ? "0" : amountToNumeric(pick(r), r.denomination)));
  const columns: Columns = {
    client_id: ["text", textArray(rows, (r) => r.clientId)],
    client_transaction_id: ["text", textArray(rows, (r) => r.clientTransactionId)],
    kind: ["text", plainArray(rows, (r) => r.kind)],
    direction: ["text", plainArray(rows, (r) => r.direction)],
    target: ["uuid", plainArray(rows, (r) => r.target)],
    counterparty: ["uuid", plainArray(rows, (r) => r.counterparty)],
    asset: ["text", plainArray(rows, (r) => r.asset)],
    denomination: ["text", plainArray(rows, (r) => r.denomination)],
    expires_at: ["timestamptz", plainArray(rows, (r) => instantOf(r.expiresAt))],
    on_expired: ["text", plainArray(rows, (r) => r.onExpired)],
    allow_over_settlement: ["boolean", plainArray(rows, (r) => String(r.allowOverSettlement))],
    authorised: ["numeric", amounts((r) => r.authorised)],
    adjusted: ["numeric", amounts((r) => r.adjusted)],
    settled: ["numeric", amounts((r) => r.settled)],
    over_settled: ["numeric", amounts((r) => r.overSettled)],
    released: ["numeric", amounts((r) => r.released)],
    closed_by: ["text", plainArray(rows, (r) => r.closedBy)],
  };
  const names = Object.keys(columns).join(", ");
  statement.part(
    "client_transactions",
    `insert into ledger.client_transaction (book_id, ${names}) select ${bookId}, ${names} from ${unnest(statement, columns)}
    on conflict (book_id, client_id, client_transaction_id) do update
      set authorised = excluded.authorised, adjusted = excluded.adjusted, settled = excluded.settled,
        over_settled = excluded.over_settled, released = excluded.released, closed_by = excluded.closed_by`,
  );
}
