import { formatInstant, type EventEnvelope, type Instant, type Uuid } from "@florin/kernel";
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

/**
 * One statement, as there is one such event for each account of each batch: the balance when it is newer than the one that is known, and
 * what it differs by. An event that comes again, or late, changes nothing: the balance that is known has it in already. So it needs no
 * row in the inbox; one is written for an event that was a dead letter, as those are looked for there.
 */
export async function applyToldBalance(
  sql: Sql,
  consumer: string,
  event: EventEnvelope,
  balance: ToldBalance,
): Promise<void> {
  await sql`
    with replayed as (
      insert into portfolio.inbox (consumer, event_id, stream, position)
      select ${consumer}::text, ${event.eventId}::uuid, ${event.stream}::text, ${event.position}::bigint
      where exists (select from portfolio.dead_letter where consumer = ${consumer} and event_id = ${event.eventId}::uuid)
      on conflict (consumer, event_id) do nothing),
    moved as (
      insert into portfolio.own_balance as known (account_id, account_seq, committed, committed_before, currency, as_of)
      values (${balance.accountId}, ${balance.accountSeq}, ${balance.committed}, 0, ${balance.currency}, ${formatInstant(balance.asOf)})
      on conflict (account_id) do update set account_seq = excluded.account_seq, committed_before = known.committed,
        committed = excluded.committed, currency = excluded.currency, as_of = excluded.as_of
        where known.account_seq < excluded.account_seq
      returning account_id, account_seq, committed - committed_before as amount, currency)
    insert into portfolio.own_flow (account_id, account_seq, batch_id, day, amount, currency)
    select account_id, account_seq, ${balance.batchId}::uuid, ${balance.day}::text::date, amount, currency from moved
    where amount <> 0`;
}
