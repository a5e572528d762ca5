import type { Transaction } from "@florin/db";
import { OVERDRAWN, WALLET, writeBooksInOrder } from "./books-in-order.js";

/**
 * The books in order, and behind them what holds leave there: one that was settled in part and is open, one that came to nothing, a transfer
 * that was reversed, a change that is no batch, and what a product took by itself. Written by hand, like all of it.
 */
export async function writeHoldsInOrder(tx: Transaction): Promise<void> {
  await writeBooksInOrder(tx);
  await tx.unsafe(HOLDS);
}

const id = (n: number): string => `01900000-0000-7000-8000-${n.toString().padStart(12, "0")}`;
const at = (second: number): string => `'2026-01-01 00:00:${second.toString().padStart(2, "0")}+00'::timestamptz`;
const batchId = (seq: number): string => id(50 + seq);
const link = (seq: number): string => `sha256('${seq}')`;
const operationId = (seq: number): string => `florin.derived_id('operation', 'usr_x', 'k${seq}')`;

const wallet = `'${WALLET}'::uuid`;
const overdrawn = `'${OVERDRAWN}'::uuid`;
const internal = (code: string): string => `florin.internal_account_id('${code}', 'USD')`;
const card = internal("CARD_SETTLEMENT");
const cashIn = internal("CASH_IN");
const fees = internal("FEE_INCOME");

interface Leg {
  readonly account: string;
  readonly accountSeq: number;
  readonly phase: "COMMITTED" | "PENDING_IN" | "PENDING_OUT";
  readonly side: "DEBIT" | "CREDIT";
  readonly amount: number;
  /** Committed, pending in, pending out. */
  readonly after: readonly [number, number, number];
}

interface Record {
  readonly type: string;
  readonly transaction: string;
  readonly legs: readonly Leg[];
  readonly effect?: string;
  readonly reverses?: number;
  readonly emittedBy?: string;
  readonly isLinked?: boolean;
}

let position = 19;

/** An accepted batch of one instruction, its operation, and the events that tell of both. */
function booked(seq: number, given: Record): string {
  const { type, transaction, legs, effect, reverses, emittedBy, isLinked = false } = given;
  const lastOf = new Map(legs.map(({ account, accountSeq }) => [account, accountSeq]));
  const told = (key: string, kind: string, eventId: string, payload: string): string => `
    insert into ledger.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, change_id, audience, payload)
    values (${eventId}, ${++position}, 0, ${key}, '${kind}', 1, ${at(seq)}, 'c', florin.border_id('op', ${operationId(seq)}), '{}', ${payload});`;
  const values = legs.map(
    (leg) =>
      `(${leg.account}, ${leg.accountSeq}, '${leg.phase}', '${leg.side}', ${leg.amount}, ${leg.after.join(", ")})`,
  );
  return `
    insert into ledger.operation (operation_id, book_id, principal, idempotency_key, fingerprint, type, status, batch_id, correlation_id,
        created_at, completed_at)
      values (${operationId(seq)}, 1, 'usr_x', 'k${seq}', 'f', 'OTHER', 'COMPLETED', '${batchId(seq)}', 'c', ${at(seq)}, ${at(seq)});
    insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, value_at, booked_at, known_at, origin, emitted_by,
        cascade_depth, link)
      values (1, '${batchId(seq)}', ${seq}, 'usr_x', 'ACCEPTED', ${at(seq)}, ${at(seq)}, ${at(seq)},
        ${emittedBy === undefined ? "'CLIENT', null, null" : `'CONTRACT', ${emittedBy}, 1`}, ${isLinked ? link(seq) : "null"});
    insert into ledger.posting_instruction (book_id, batch_id, ordinal, type, client_id, client_transaction_id, effect, reverses_batch_id,
        reverses_ordinal)
      values (1, '${batchId(seq)}', 0, '${type}', 'usr_x', '${transaction}', ${effect === undefined ? "null" : `'${effect}'`},
        ${reverses === undefined ? "null, null" : `'${batchId(reverses)}', 0`});
    insert into ledger.posting (book_id, account_id, account_seq, seq, batch_id, ordinal, address, asset, denomination, phase, side, amount,
        value_at, booked_at, committed_after, pending_in_after, pending_out_after)
      select 1, account_id, account_seq, ${seq}, '${batchId(seq)}', 0, 'DEFAULT', 'COMMERCIAL_BANK_MONEY', 'USD', phase, side, amount,
        ${at(seq)}, ${at(seq)}, committed, pending_in, pending_out
      from (values ${values.join(", ")})
        leg (account_id, account_seq, phase, side, amount, committed, pending_in, pending_out);
    ${[...lastOf]
      .map(([account, accountSeq], index) =>
        told(
          `florin.border_id('acct', ${account})`,
          "account.posted",
          `'${id(1_000 + seq * 10 + index)}'`,
          `jsonb_build_object('accountSeq', '${accountSeq}')`,
        ),
      )
      .join("")}
    ${told(`florin.border_id('op', ${operationId(seq)})`, "operation.completed", `florin.derived_id('answer', ${operationId(seq)}::text)`, "'{}'")}`;
}

const opened = (name: string, direction: string, counterparty: string, sums: string, closedBy = "null"): string => `
  insert into ledger.client_transaction (book_id, client_id, client_transaction_id, kind, direction, target, counterparty, asset, denomination,
      authorised, settled, released, closed_by)
    values (1, 'usr_x', '${name}', 'AUTHORISATION', '${direction}', ${wallet}, ${counterparty}, 'COMMERCIAL_BANK_MONEY', 'USD', ${sums},
      ${closedBy});`;

const leg = (
  account: string,
  accountSeq: number,
  phase: Leg["phase"],
  side: Leg["side"],
  amount: number,
  ...after: [number, number, number]
): Leg => ({ account, accountSeq, phase, side, amount, after });

const HOLDS = `
  ${opened("hold-1", "OUTBOUND", card, "20, 5, 0")}
  ${booked(6, {
    type: "OUTBOUND_AUTHORISATION",
    transaction: "hold-1",
    effect: '{"authorised": "20"}',
    legs: [
      leg(wallet, 5, "PENDING_OUT", "DEBIT", 20, 165, 0, -20),
      leg(card, 1, "PENDING_OUT", "CREDIT", 20, 0, 0, 20),
    ],
  })}
  ${booked(7, {
    type: "SETTLEMENT",
    transaction: "hold-1",
    effect: '{"settled": "5"}',
    legs: [
      leg(wallet, 6, "PENDING_OUT", "CREDIT", 5, 165, 0, -15),
      leg(card, 2, "PENDING_OUT", "DEBIT", 5, 0, 0, 15),
      leg(wallet, 7, "COMMITTED", "DEBIT", 5, 160, 0, -15),
      leg(card, 3, "COMMITTED", "CREDIT", 5, 5, 0, 15),
    ],
  })}
  ${booked(8, {
    type: "TRANSFER",
    transaction: "op_k8",
    reverses: 2,
    isLinked: true,
    legs: [
      leg(wallet, 8, "COMMITTED", "DEBIT", 40, 120, 0, -15),
      leg(overdrawn, 4, "COMMITTED", "CREDIT", 40, -25, 0, 0),
    ],
  })}
  insert into ledger.resource_change (book_id, seq, known_at, kind, key, principal, correlation_id, body, link)
    values (1, 9, ${at(9)}, 'parameter.changed', 'acct_x', 'usr_x', 'c', '{}', ${link(9)});
  insert into ledger.client_transaction (book_id, client_id, client_transaction_id, kind) values (1, 'usr_x', 'fee-1', 'CUSTOM');
  ${booked(10, {
    type: "CUSTOM_INSTRUCTION",
    transaction: "fee-1",
    emittedBy: overdrawn,
    isLinked: true,
    legs: [leg(overdrawn, 5, "COMMITTED", "DEBIT", 1, -26, 0, 0), leg(fees, 1, "COMMITTED", "CREDIT", 1, 1, 0, 0)],
  })}
  insert into ledger.hook_execution (book_id, execution_id, attempt, account_id, product_version_id, hook, format, inputs, outcome,
      duration_micros, batch_id, executed_at)
    values (1, 'x1', 1, ${overdrawn}, '${id(32)}', 'postPosting', 1, '{}', '{}', 1, '${batchId(10)}', ${at(10)});
  ${opened("expected-1", "INBOUND", cashIn, "7, 0, 7", "'RELEASED'")}
  ${booked(11, {
    type: "INBOUND_AUTHORISATION",
    transaction: "expected-1",
    effect: '{"authorised": "7"}',
    isLinked: true,
    legs: [leg(wallet, 9, "PENDING_IN", "CREDIT", 7, 120, 7, -15), leg(cashIn, 2, "PENDING_IN", "DEBIT", 7, 100, 7, 0)],
  })}
  ${booked(12, {
    type: "RELEASE",
    transaction: "expected-1",
    effect: '{"released": "7", "closedBy": "RELEASED"}',
    isLinked: true,
    legs: [
      leg(wallet, 10, "PENDING_IN", "DEBIT", 7, 120, 0, -15),
      leg(cashIn, 3, "PENDING_IN", "CREDIT", 7, 100, 0, 0),
    ],
  })}
  delete from ledger.balance;
  insert into ledger.balance
    select book_id, account_id, address, asset, denomination, phase, coalesce(sum(amount) filter (where side = 'DEBIT'), 0),
      coalesce(sum(amount) filter (where side = 'CREDIT'), 0), max(account_seq)
    from ledger.posting group by 1, 2, 3, 4, 5, 6;
  update ledger.head set batch = 12, seq = 12, known_at = ${at(12)}, outbox_position = ${position}, link = ${link(12)};
  update ledger.outbox_head set delivered = ${position};`;

const HOLD = "client_transaction_id = 'hold-1'";

/** The negative control of each rule about holds and records: damage that it must see. */
export const holdDamages: readonly (readonly [sentence: string, damage: string])[] = [
  ["INV-3 what a client transaction", `update ledger.client_transaction set authorised = 21 where ${HOLD}`],
  ["INV-3 what a client transaction", `delete from ledger.posting where seq = 7 and phase = 'PENDING_OUT'`],
  [
    "INV-3 what a client transaction",
    "update ledger.posting set account_id = gen_random_uuid() where seq = 6 and side = 'CREDIT'",
  ],
  ["INV-3 what a client transaction", "delete from ledger.posting where seq = 12"],
  ["INV-3 what a client transaction", `update ledger.client_transaction set direction = 'INBOUND' where ${HOLD}`],
  [
    "INV-3 what a client transaction",
    "insert into ledger.client_transaction (book_id, client_id, client_transaction_id, kind, direction, target, counterparty, denomination, authorised) select 1, 'usr_x', 'never-posted', 'AUTHORISATION', 'OUTBOUND', target, counterparty, 'USD', 1 from ledger.client_transaction where " +
      HOLD,
  ],
  [
    "what a client transaction has settled",
    `update ledger.client_transaction set settled = 6, adjusted = 1 where ${HOLD}`,
  ],
  [
    "what a client transaction has settled",
    "update ledger.posting set amount = 6 where seq = 7 and phase = 'COMMITTED'",
  ],
  ["CT-9 a hold is the sum", `update ledger.client_transaction set adjusted = 3, released = 3 where ${HOLD}`],
  [
    "CT-9 a hold is the sum",
    `update ledger.posting_instruction set effect = '{"settled": "4"}' where type = 'SETTLEMENT'`,
  ],
  ["CT-9 a hold is the sum", "update ledger.client_transaction set closed_by = 'EXPIRED' where closed_by = 'RELEASED'"],
  ["CT-1 nothing is held", `delete from ledger.client_transaction where ${HOLD}`],
  [
    "CT-1 nothing is held",
    "update ledger.posting_instruction set client_transaction_id = 'op_9' where type = 'RELEASE'",
  ],
  [
    "CT-1 nothing is held",
    "update ledger.posting_instruction set client_transaction_id = 'named' where reverses_ordinal = 0",
  ],
  [
    "CT-6 no hold is open",
    `update ledger.client_transaction set expires_at = ${at(6)} where ${HOLD}; update ledger.head set known_at = '2026-01-01 00:06:00+00'`,
  ],
  [
    "T-8 an instruction was reversed",
    "drop index ledger.posting_instruction_reversed_once; update ledger.posting_instruction set (reverses_batch_id, reverses_ordinal) = (select reverses_batch_id, reverses_ordinal from ledger.posting_instruction where reverses_ordinal = 0) where type = 'RELEASE'",
  ],
  ["T-8 a reversal has the legs", "update ledger.posting set amount = 41 where seq = 8"],
  [
    "T-8 a reversal has the legs",
    "update ledger.posting set side = case side when 'DEBIT' then 'CREDIT' else 'DEBIT' end where seq = 8",
  ],
  [
    "T-8 a reversal has the legs",
    `update ledger.posting_instruction set reverses_batch_id = '${id(9_999)}' where reverses_ordinal = 0`,
  ],
  ["INV-4 a book's records", "update ledger.resource_change set seq = 13"],
  ["INV-4 a book's records", "delete from ledger.resource_change"],
  [
    "INV-4 a book's records",
    "insert into ledger.resource_change select book_id, 10, known_at, kind, key, principal, correlation_id, body, link from ledger.resource_change; update ledger.head set seq = 13",
  ],
  ["ORD-1 known_at grows", `update ledger.resource_change set known_at = ${at(8)}`],
  ["AUD-1 from the first linked", "update ledger.posting_instruction_batch set link = null where seq = 10"],
  ["AUD-1 from the first linked", "update ledger.posting_instruction_batch set link = null where seq = 12"],
  ["AUD-1 from the first linked", `update ledger.head set link = ${link(11)}`],
  [
    "INV-5 nothing counts later",
    "alter table ledger.posting drop constraint posting_check; update ledger.posting set value_at = 'infinity' where seq = 4",
  ],
  ["INV-5 nothing counts later", `update ledger.posting set value_at = ${at(3)} where seq = 4`],
  ["INV-5 nothing counts later", `update ledger.posting set booked_at = ${at(1)}, value_at = ${at(1)} where seq = 7`],
  ["HOOK-4 a batch that a product", "delete from ledger.hook_execution"],
  [
    "nothing but an advice lowered",
    "update ledger.posting_instruction_batch set origin = 'CLIENT', emitted_by = null, cascade_depth = null; update ledger.account set parameters = '{}'",
  ],
  ["nothing but an advice lowered", "update ledger.product set code = 'wallet'"],
  [
    "nothing but an advice lowered",
    `update ledger.product set code = 'credit_card'; update ledger.account set tside = 'ASSET', parameters = '{"creditLimit": "100"}' where account_id = ${wallet}`,
  ],
  ["what is held goes out", `update ledger.account set tside = 'ASSET' where account_id = ${wallet}`],
];
