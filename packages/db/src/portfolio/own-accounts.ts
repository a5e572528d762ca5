import { formatInstant, type EventEnvelope, type Instant, type Uuid } from "@florin/kernel";
import { plainArray, textArray } from "../array-literal.js";
import type { Sql, Transaction } from "../connect-database.js";

/** Who an account held here belongs to; owners never change. */
export async function insertOwnAccountOwners(
  tx: Transaction,
  accountId: Uuid,
  owners: readonly string[],
): Promise<void> {
  await tx`
    insert into portfolio.own_account_owner (account_id, principal)
    select ${accountId}, unnest(${[...owners]}::text[]) on conflict do nothing`;
}

export interface OpenedAccount {
  readonly accountId: Uuid;
  readonly currency: string;
  /** undefined: the ledger did not say. */
  readonly tside: "ASSET" | "LIABILITY" | undefined;
  readonly hasDebtElsewhere: boolean;
  readonly openedAt: Instant;
}

export async function putOwnAccount(tx: Transaction, account: OpenedAccount): Promise<void> {
  await tx`
    insert into portfolio.own_account (account_id, currency, tside, has_debt_elsewhere, opened_at)
    values (${account.accountId}, ${account.currency}, ${account.tside ?? null}, ${account.hasDebtElsewhere},
      ${formatInstant(account.openedAt)})
    on conflict (account_id) do update set currency = excluded.currency, tside = excluded.tside,
      has_debt_elsewhere = excluded.has_debt_elsewhere, opened_at = excluded.opened_at`;
}

export async function closeOwnAccount(tx: Transaction, accountId: Uuid, closedAt: Instant): Promise<void> {
  await tx`
    insert into portfolio.own_account (account_id, closed_at) values (${accountId}, ${formatInstant(closedAt)})
    on conflict (account_id) do update set closed_at = excluded.closed_at`;
}

export interface ToldBalance {
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
  readonly batchId: Uuid;
  /** The day that the money moved, as text. */
  readonly day: string;
  /** After the whole batch, in the account's own sense; decimal text. */
  readonly committed: string;
  readonly currency: string;
  readonly asOf: Instant;
}

/** What an event says, and which event said it. */
export interface ToldBalanceEvent {
  readonly event: EventEnvelope;
  readonly balance: ToldBalance;
}

/**
 * Many at once in one statement, as there is one such event for each account of each batch of the ledger. Of each account the newest balance
 * becomes its balance, and each newer one tells what it differs by from the one before. An event that comes again, or late, changes
 * nothing: the balance that is known has it in already. So it needs no row in the inbox; one is written for an event that was a dead
 * letter, as those are looked for there.
 */
export async function applyToldBalances(sql: Sql, consumer: string, rows: readonly ToldBalanceEvent[]): Promise<void> {
  // Accounts in one order for everybody: two processes that do the same wait for each other and do not lock each other out.
  await sql`
    with told as (
      select distinct on (account_id, account_seq) * from unnest(
        ${plainArray(rows, ({ event }) => event.eventId)}::uuid[], ${plainArray(rows, ({ event }) => event.position)}::bigint[],
        ${plainArray(rows, ({ balance }) => balance.accountId)}::uuid[], ${plainArray(rows, ({ balance }) => balance.accountSeq)}::bigint[],
        ${plainArray(rows, ({ balance }) => balance.batchId)}::uuid[], ${plainArray(rows, ({ balance }) => balance.day)}::date[],
        ${plainArray(rows, ({ balance }) => balance.committed)}::numeric[], ${textArray(rows, ({ balance }) => balance.currency)}::text[],
        ${plainArray(rows, ({ balance }) => formatInstant(balance.asOf))}::timestamptz[])
        as t (event_id, position, account_id, account_seq, batch_id, day, committed, currency, as_of)
      order by account_id, account_seq),
    replayed as (
      insert into portfolio.inbox (consumer, event_id, stream, position)
      select ${consumer}::text, t.event_id, 'ledger', t.position from told t
      where exists (select from portfolio.dead_letter d where d.consumer = ${consumer} and d.event_id = t.event_id)
      on conflict (consumer, event_id) do nothing),
    moved as (
      insert into portfolio.own_balance as known (account_id, account_seq, committed, currency, as_of)
      select distinct on (account_id) account_id, account_seq, committed, currency, as_of from told
      order by account_id, account_seq desc
      on conflict (account_id) do update set account_seq_before = known.account_seq, committed_before = known.committed,
        account_seq = excluded.account_seq, committed = excluded.committed, currency = excluded.currency, as_of = excluded.as_of
        where known.account_seq < excluded.account_seq
      returning account_id, account_seq_before, committed_before),
    flow as (
      select t.*, t.committed - lag(t.committed, 1, m.committed_before) over (partition by account_id order by t.account_seq) as amount
      from moved m join told t using (account_id) where t.account_seq > m.account_seq_before)
    insert into portfolio.own_flow (account_id, account_seq, batch_id, day, amount, currency)
    select account_id, account_seq, batch_id, day, amount, currency from flow where amount <> 0`;
}

/** Of the keys those that have an open dead letter, as `isKeyParked` says of one. */
export async function listParkedKeys(
  sql: Sql,
  consumer: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await sql<{ key: string }[]>`
    select distinct key from portfolio.dead_letter
    where consumer = ${consumer} and stream = 'ledger' and key = any(${[...keys]}::text[]) and status in ('PARKED', 'WAITING')`;
  return new Set(rows.map(({ key }) => key));
}
