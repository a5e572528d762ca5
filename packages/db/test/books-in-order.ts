import type { Transaction } from "@florin/db";

/**
 * Books with one of everything, by hand: a person, a wallet that was asked for, opened and paid into, an overdrawn current account
 * that an advice took below its limit, a rejected transfer, an account that the ledger refused, one that was closed, a poisoned event
 * that was replayed and one that was discarded. Nothing of the code under test makes them, so a mistake there cannot hide here.
 */
export async function writeBooksInOrder(tx: Transaction): Promise<void> {
  await tx.unsafe(BOOKS);
}

const id = (n: number): string => `01900000-0000-7000-8000-${n.toString().padStart(12, "0")}`;
const USER = id(1);
export const WALLET = id(11);
export const OVERDRAWN = id(12);
export const REFUSED = id(13);
export const CLOSED = id(14);
const PRODUCT = id(31);
const at = (second: number): string => `'2026-01-01 00:00:${second.toString().padStart(2, "0")}+00'::timestamptz`;
const acct = (uuid: string): string => `florin.border_id('acct', '${uuid}')`;

const accountsEvent = (position: number, key: string, type: string, payload = "{}"): string => `
  insert into accounts.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, audience, payload)
  values ('${id(100 + position)}', ${position}, 0, ${key}, '${type}', 1, ${at(position)}, 'c', '{}', '${payload}');`;

const ledgerEvent = (
  position: number,
  key: string,
  type: string,
  more: { eventId?: string; changeId?: string; payload?: string } = {},
): string => `
  insert into ledger.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, change_id, audience, payload)
  values (${more.eventId ?? `'${id(200 + position)}'`}, ${position}, 0, ${key}, '${type}', 1, ${at(position)}, 'c', ${more.changeId ?? "null"}, '{}',
    ${more.payload ?? "'{}'"});`;

const applied = (area: string, consumer: string, stream: string, first: number, positions: readonly number[]): string =>
  positions
    .map(
      (position) => `
  insert into ${area}.inbox (consumer, event_id, stream, position, applied_at)
  values ('${consumer}', '${id(first + position)}', '${stream}', ${position}, ${at(position)});`,
    )
    .join("");

const deadLetter = (position: number, status: string, error: string): string => `
  insert into accounts.dead_letter (consumer, stream, position, event_id, key, type, envelope, status, error, attempts, reason, resolved_at)
  select 'accounts', 'ledger', position, event_id, key, type, '{}', '${status}', '${error}', 5,
    ${status === "DISCARDED" ? "'asked twice'" : "null"}, now() from ledger.outbox where position = ${position};`;

const opened = `jsonb_build_object('productId', 'prod_1', 'productVersionId', 'prdv_1', 'parameters', '{}'::jsonb)`;

const customer = (uuid: string, status: string, ledgerPosition: number): string => `
  insert into accounts.account (account_id, kind, name, currency, status, requested_product, product_id, product_version_id, created_at,
    opened_at, closed_at, rejection_code, rejection_message, ledger_position)
  values ('${uuid}', 'CUSTOMER', 'an account', 'USD', '${status}', 'wallet',
    ${status === "REJECTED" ? "null, null" : "'prod_1', 'prdv_1'"}, ${at(1)}, ${status === "REJECTED" ? "null" : at(2)},
    ${status === "CLOSED" ? at(3) : "null"}, ${status === "REJECTED" ? "'NO', 'no'" : "null, null"}, ${ledgerPosition});
  insert into accounts.account_owner values ('${uuid}', florin.border_id('usr', '${USER}'));`;

const held = (uuid: string, parameters: string, status = "OPEN"): string => `
  insert into ledger.account (book_id, account_id, kind, product_version_id, denomination, tside, status, parameters, opened_at, closed_at)
  values (1, '${uuid}', 'CUSTOMER', '${id(32)}', 'USD', 'LIABILITY', '${status}', '${parameters}', ${at(2)},
    ${status === "CLOSED" ? at(3) : "null"});
  insert into ledger.account_owner values (1, '${uuid}', florin.border_id('usr', '${USER}'));`;

/** One operation of one instruction, with both legs: `amount` from `debit` to `credit`, each with its account_seq and balance after. */
const moved = (
  seq: number,
  amount: number,
  debit: { account: string; accountSeq: number; after: number },
  credit: { account: string; accountSeq: number; after: number },
  details = "null",
): string => `
  insert into ledger.operation
  select florin.derived_id('operation', 'usr_x', 'k${seq}'), 1, 'usr_x', 'k${seq}', 'f', 'OTHER', 'COMPLETED', null, null, null, ${amount}, 'USD',
    '${id(50 + seq)}', 'c', ${at(seq)}, ${at(seq)};
  insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, details, value_at, booked_at, known_at)
  values (1, '${id(50 + seq)}', ${seq}, 'usr_x', 'ACCEPTED', ${details}, ${at(seq)}, ${at(seq)}, ${at(seq)});
  insert into ledger.posting_instruction values (1, '${id(50 + seq)}', 0, 'TRANSFER', 'usr_x', 'op_t${seq}', null);
  insert into ledger.posting
  select 1, account_id, account_seq, ${seq}, '${id(50 + seq)}'::uuid, 0, 'DEFAULT', 'COMMERCIAL_BANK_MONEY', 'USD', 'COMMITTED', side, ${amount},
    ${at(seq)}, ${at(seq)}, after, 0, 0
  from (values (${debit.account}, ${debit.accountSeq}, 'DEBIT', ${debit.after}),
               (${credit.account}, ${credit.accountSeq}, 'CREDIT', ${credit.after})) leg (account_id, account_seq, side, after);`;

/** The events of a moved batch, in the writer's order: each account, then the outcome. */
const told = (position: number, seq: number, accounts: readonly { account: string; accountSeq: number }[]): string =>
  accounts
    .map(({ account, accountSeq }, index) =>
      ledgerEvent(position + index, `florin.border_id('acct', ${account})`, "account.posted", {
        changeId: `florin.border_id('op', florin.derived_id('operation', 'usr_x', 'k${seq}'))`,
        payload: `jsonb_build_object('accountSeq', '${accountSeq}')`,
      }),
    )
    .join("") +
  ledgerEvent(
    position + accounts.length,
    `florin.border_id('op', florin.derived_id('operation', 'usr_x', 'k${seq}'))`,
    "operation.completed",
    { eventId: `florin.derived_id('answer', florin.derived_id('operation', 'usr_x', 'k${seq}')::text)` },
  );

const cashIn = "florin.internal_account_id('CASH_IN', 'USD')";
const wallet = `'${WALLET}'::uuid`;
const overdrawn = `'${OVERDRAWN}'::uuid`;

const BOOKS = `
  insert into accounts.app_user (user_id, email, full_name, country, password_hash, roles, created_at)
    values ('${USER}', 'a@example.test', 'A', 'US', '$argon2id$x', '{CUSTOMER}', ${at(1)});
  ${customer(WALLET, "OPEN", 1)} ${customer(OVERDRAWN, "OPEN", 2)} ${customer(REFUSED, "REJECTED", 3)} ${customer(CLOSED, "CLOSED", 6)}
  insert into accounts.account_closure (closure_id, account_id, requested_by, status, requested_at, decided_at)
    values ('${id(41)}', '${CLOSED}', 'usr_x', 'CLOSED', ${at(2)}, ${at(3)});
  ${accountsEvent(1, `florin.border_id('usr', '${USER}')`, "user.registered")}
  ${accountsEvent(2, acct(WALLET), "account.open")} ${accountsEvent(3, acct(OVERDRAWN), "account.open")}
  ${accountsEvent(4, acct(REFUSED), "account.open")} ${accountsEvent(5, acct(CLOSED), "account.open")}
  ${accountsEvent(6, acct(CLOSED), "account.close")}
  update accounts.outbox_head set numbered = 6, delivered = 6;
  ${applied("ledger", "ledger.account-commands", "accounts", 100, [2, 3, 4, 5, 6])}

  insert into ledger.product values ('${PRODUCT}', 'current_account', 'Current account', ${at(1)});
  insert into ledger.product_version values ('${id(32)}', '${PRODUCT}', '1', 'LIABILITY', '[]', ${at(1)});
  ${held(WALLET, "{}")} ${held(OVERDRAWN, '{"arrangedOverdraft": "50.00"}')} ${held(CLOSED, "{}", "CLOSED")}
  ${ledgerEvent(1, acct(WALLET), "account.opened", { payload: opened })}
  ${ledgerEvent(2, acct(OVERDRAWN), "account.opened", { payload: opened })}
  ${ledgerEvent(3, acct(REFUSED), "account.rejected")}
  ${ledgerEvent(4, acct(CLOSED), "account.opened", { payload: opened })}
  ${ledgerEvent(5, acct(CLOSED), "account.close_rejected")}
  ${ledgerEvent(6, acct(CLOSED), "account.closed")}
  ${applied("accounts", "accounts", "ledger", 200, [1, 2, 3, 4, 5, 6])}
  ${deadLetter(3, "REPLAYED", "it was poison")} ${deadLetter(5, "DISCARDED", "it was poison too")}

  ${moved(1, 100, { account: cashIn, accountSeq: 1, after: 100 }, { account: wallet, accountSeq: 1, after: 100 })}
  ${moved(2, 40, { account: overdrawn, accountSeq: 1, after: -40 }, { account: wallet, accountSeq: 2, after: 140 })}
  ${moved(3, 30, { account: overdrawn, accountSeq: 2, after: -70 }, { account: wallet, accountSeq: 3, after: 170 }, `'{"accepted_despite": [{"instructionIndex": 0, "code": "INSUFFICIENT_FUNDS"}]}'`)}
  ${moved(4, 5, { account: wallet, accountSeq: 4, after: 165 }, { account: overdrawn, accountSeq: 3, after: -65 })}
  insert into ledger.operation
    select florin.derived_id('operation', 'usr_x', 'k5'), 1, 'usr_x', 'k5', 'f', 'OTHER', 'REJECTED', 'NO', 'no', null, null, null, '${id(55)}',
      'c', ${at(5)}, ${at(5)};
  insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, rejections, proposed, value_at, booked_at, known_at)
    values (1, '${id(55)}', 5, 'usr_x', 'REJECTED', '[{}]', '[]', ${at(5)}, ${at(5)}, ${at(5)});
  ${told(7, 1, [
    { account: cashIn, accountSeq: 1 },
    { account: wallet, accountSeq: 1 },
  ])}
  ${told(10, 2, [
    { account: overdrawn, accountSeq: 1 },
    { account: wallet, accountSeq: 2 },
  ])}
  ${told(13, 3, [
    { account: overdrawn, accountSeq: 2 },
    { account: wallet, accountSeq: 3 },
  ])}
  ${told(16, 4, [
    { account: wallet, accountSeq: 4 },
    { account: overdrawn, accountSeq: 3 },
  ])}
  ${ledgerEvent(19, `florin.border_id('op', florin.derived_id('operation', 'usr_x', 'k5'))`, "operation.rejected", { eventId: `florin.derived_id('answer', florin.derived_id('operation', 'usr_x', 'k5')::text)` })}
  insert into ledger.balance
    select book_id, account_id, address, asset, denomination, phase, coalesce(sum(amount) filter (where side = 'DEBIT'), 0),
      coalesce(sum(amount) filter (where side = 'CREDIT'), 0), max(account_seq)
    from ledger.posting group by 1, 2, 3, 4, 5, 6;
  update ledger.head set batch = 5, seq = 5, known_at = ${at(5)}, outbox_position = 19;
  update ledger.outbox_head set delivered = 19;`;
