import type { Transaction } from "@florin/db";
import { OVERDRAWN, WALLET } from "./books-in-order.js";

/**
 * What portfolio knows of the books in order, by hand: the balances of the two accounts that were posted to, an item that is linked, one
 * that was removed, and its own event. Every event of the other areas that is its business was applied.
 */
export async function writePortfolioInOrder(tx: Transaction): Promise<void> {
  await tx.unsafe(PORTFOLIO);
}

const ITEM = "01900000-0000-7000-8000-000000000901";
const REMOVED = "01900000-0000-7000-8000-000000000902";
const PERSON = "01900000-0000-7000-8000-000000000001";

const heard = (consumer: string, stream: string, types: string): string => `
  insert into portfolio.inbox (consumer, event_id, stream, position, applied_at)
  select '${consumer}', event_id, '${stream}', position, occurred_at from ${stream}.outbox where type in (${types});`;

const flow = (account: string, accountSeq: number, amount: number): string => `
  insert into portfolio.own_flow values ('${account}', ${accountSeq}, gen_random_uuid(), '2026-01-01', ${amount}, 'USD');`;

const PORTFOLIO = `
  ${heard("portfolio.linked", "accounts", "'account.open'")}
  ${heard("portfolio.balances", "ledger", "'account.opened', 'account.closed'")}
  insert into portfolio.own_balance (account_id, account_seq, committed, currency, as_of)
    values ('${WALLET}', 4, 165, 'USD', now()), ('${OVERDRAWN}', 3, -65, 'USD', now());
  ${flow(WALLET, 1, 100)} ${flow(WALLET, 2, 40)} ${flow(WALLET, 3, 30)} ${flow(WALLET, 4, -5)}
  ${flow(OVERDRAWN, 1, -40)} ${flow(OVERDRAWN, 2, -30)} ${flow(OVERDRAWN, 3, 5)}
  insert into portfolio.applied_snapshot values ('${ITEM}', 'HOLDINGS', 2, now(), now());
  insert into portfolio.snapshot_page values ('${ITEM}', 'HOLDINGS', 3, 0, 2, '{}', now());
  insert into portfolio.item_removal values ('${REMOVED}', '${PERSON}', now(), '{}');
  insert into portfolio.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, audience, payload)
    values (gen_random_uuid(), 1, 0, 'lit_x', 'portfolio.updated', 1, now(), 'c', '{}', '{}');
  update portfolio.outbox_head set numbered = 1, delivered = 1;`;

const letter = (status: string, more: { readonly columns?: string; readonly values?: string } = {}): string => `
  insert into portfolio.dead_letter (consumer, stream, position, event_id, key, type, envelope, status${more.columns ?? ""})
  select 'portfolio.linked', 'accounts', position, event_id, key, type, '{}', '${status}'${more.values ?? ""}
  from accounts.outbox where position = 2`;

/** The negative control of each rule that looks at portfolio. */
export const portfolioDamages: readonly (readonly [sentence: string, damage: string])[] = [
  [
    "the balance that portfolio knows of an account",
    `update portfolio.own_balance set committed = 166 where account_id = '${WALLET}'`,
  ],
  [
    "the balance that portfolio knows of an account",
    `delete from portfolio.own_flow where account_id = '${OVERDRAWN}' and account_seq = 2`,
  ],
  ["no page is kept of a version", "update portfolio.applied_snapshot set version = 3"],
  ["no page is kept of a version", `update portfolio.snapshot_page set item_id = '${REMOVED}'`],
  [
    "nothing is kept of an item that was removed",
    `insert into portfolio.liability_history values ('${REMOVED}', 'LOAN', '', 1, 1, '${PERSON}', now(), '{}')`,
  ],
  [
    "portfolio has heard of every posting",
    `update portfolio.own_balance set account_seq = 3 where account_id = '${WALLET}'`,
  ],
  ["portfolio has heard of every posting", `delete from portfolio.own_balance where account_id = '${OVERDRAWN}'`],
  ["outbox positions of portfolio have no gap", "update portfolio.outbox_head set numbered = 2"],
  ["nothing of portfolio counts as delivered", "update portfolio.outbox_head set delivered = 2"],
  ["every event of portfolio has its position", "update portfolio.outbox set position = null"],
  [
    "what counts as delivered of accounts was applied or parked by portfolio.linked",
    "delete from portfolio.inbox where stream = 'accounts' and position = 2",
  ],
  [
    "every event of accounts was applied or parked by portfolio.linked",
    "delete from portfolio.inbox where stream = 'accounts' and position = 2",
  ],
  [
    "what counts as delivered of ledger was applied or parked by portfolio.balances",
    "delete from portfolio.inbox where stream = 'ledger' and position = 1",
  ],
  [
    "every event of ledger was applied or parked by portfolio.balances",
    "delete from portfolio.inbox where stream = 'ledger' and position = 1",
  ],
  [
    "portfolio applied nothing that accounts never published",
    "update portfolio.inbox set position = 40 where stream = 'accounts' and position = 2",
  ],
  [
    "portfolio applied nothing that ledger never published",
    "insert into portfolio.inbox values ('portfolio.balances', gen_random_uuid(), 'ledger', 40, now())",
  ],
  [
    "STR-1 portfolio.linked applied the events of each key of accounts in their order",
    "update accounts.outbox set key = 'acct_same' where type = 'account.open'; update portfolio.inbox set applied_at = '2020-01-01' where stream = 'accounts' and position = 3",
  ],
  [
    "STR-1 portfolio.balances applied the events of each key of ledger in their order",
    "update portfolio.inbox set applied_at = '2020-01-01' where stream = 'ledger' and position = 6",
  ],
  ["an event that portfolio parked says why", letter("PARKED")],
  [
    "an event that left the dead letters of portfolio",
    `delete from portfolio.inbox where stream = 'accounts' and position = 2; ${letter("REPLAYED", { columns: ", resolved_at", values: ", now()" })}`,
  ],
  [
    "an event is applied by portfolio or parked",
    letter("PARKED", { columns: ", error, attempts", values: ", 'e', 1" }),
  ],
];
