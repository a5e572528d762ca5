import {
  amountFromNumeric,
  applyChange,
  availableOf,
  beginClientTransaction,
  planCustom,
  ZERO,
  type AccountNets,
  type ClientTransactionState,
  type CurrencyCode,
  type Instant,
  type InstructionChange,
  type InstructionType,
  type Json,
  type Leg,
  type Phase,
  type Side,
  type Uuid,
} from "@florin/kernel";
import type { Sql } from "../connect-database.js";
import { findClientTransactionHistory } from "./client-transactions.js";

/**
 * Committed batches as the postPosting of an account is shown them: read from the rows that the writer left, so a hook that runs again after a
 * crash sees what it saw before. Few statements for many triggers; a hold's state costs one more for each of its instructions.
 */
export interface HookTrigger {
  readonly seq: bigint;
  readonly batchId: Uuid;
  readonly accountId: Uuid;
}

/** Batches in `(after, upTo]` of the book's order that touched accounts which are, or then were, of one of these versions. In order. */
export async function listHookTriggers(
  sql: Sql,
  bookId: number,
  wanted: {
    readonly after: bigint;
    readonly upTo: bigint;
    readonly productVersionIds: readonly Uuid[];
    /** Of this account only. */
    readonly accountId?: Uuid | undefined;
  },
): Promise<readonly HookTrigger[]> {
  const { after, upTo, productVersionIds, accountId = null } = wanted;
  if (productVersionIds.length === 0) return [];
  return await sql<HookTrigger[]>`
    select p.seq, p.batch_id as "batchId", p.account_id as "accountId"
    from ledger.posting p
    join ledger.account a on a.book_id = p.book_id and a.account_id = p.account_id
    where p.book_id = ${bookId} and p.seq > ${after} and p.seq <= ${upTo}
      and (${accountId}::uuid is null or p.account_id = ${accountId}::uuid)
      and a.product_version_id is not null
      and (a.product_version_id = any(${[...productVersionIds]}::uuid[])
        or exists (select from ledger.account_version v where v.book_id = a.book_id and v.account_id = a.account_id
             and v.from_version_id = any(${[...productVersionIds]}::uuid[])))
    group by p.seq, p.batch_id, p.account_id
    order by p.seq, p.account_id`;
}

/** Is there any account of these versions? Where there is none, nothing needs to be looked through (HOOK-6). */
export async function hasAccountsOfVersions(sql: Sql, bookId: number, versionIds: readonly Uuid[]): Promise<boolean> {
  if (versionIds.length === 0) return false;
  const [row] = await sql<{ found: boolean }[]>`
    select exists (select from ledger.account where book_id = ${bookId} and product_version_id = any(${[...versionIds]}::uuid[]))
      or exists (select from ledger.account_version where book_id = ${bookId} and from_version_id = any(${[...versionIds]}::uuid[])) as found`;
  return row?.found === true;
}

/** What a trigger was, for one account. */
export interface HookOccasionRow {
  readonly batchId: Uuid;
  readonly seq: bigint;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  /** 0 for what did not come from a product (HOOK-3). */
  readonly cascadeDepth: number;
  readonly adjustsPeriod: boolean;
  readonly correlationId: string | undefined;
  readonly instructions: readonly InstructionChange[];
}

interface InstructionColumns {
  readonly ordinal: number;
  readonly type: InstructionType;
  readonly clientId: string;
  readonly clientTransactionId: string;
  readonly details: Json | null;
  readonly terms: { readonly advice?: boolean } | null;
  readonly effect: { readonly overSettled?: string } | null;
}

interface LegColumns {
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
  readonly ordinal: number;
  readonly address: string;
  readonly asset: string;
  readonly denomination: CurrencyCode;
  readonly phase: Phase;
  readonly side: Side;
  readonly amount: string;
  readonly committed: string;
  readonly pendingIn: string;
  readonly pendingOut: string;
}

/** Throws for a batch that is not there: its postings named it. */
export async function findHookOccasion(sql: Sql, bookId: number, trigger: HookTrigger): Promise<HookOccasionRow> {
  const { batchId, seq, accountId } = trigger;
  const [[batch], instructions, legs] = await Promise.all([
    sql<Omit<HookOccasionRow, "batchId" | "seq" | "instructions">[]>`
      select k.value_at as "valueAt", k.booked_at as "bookedAt", coalesce(k.cascade_depth, 0)::int as "cascadeDepth",
        coalesce((k.remarks ->> 'adjustsPeriod')::boolean, false) as "adjustsPeriod",
        (select o.correlation_id from ledger.operation o where o.operation_id = k.operation_id) as "correlationId"
      from ledger.posting_instruction_batch k where k.book_id = ${bookId} and k.batch_id = ${batchId}`,
    sql<InstructionColumns[]>`
      select ordinal, type, client_id as "clientId", client_transaction_id as "clientTransactionId", details, terms, effect
      from ledger.posting_instruction where book_id = ${bookId} and batch_id = ${batchId} order by ordinal`,
    listLegs(sql, bookId, trigger),
  ]);
  if (batch === undefined) throw new Error(`batch ${batchId} has postings and is not there`);
  const own = legs.filter((leg) => leg.accountId === accountId);
  const first = own[0];
  let before = first === undefined ? NOTHING : await findNetsBefore(sql, bookId, first);
  const changes: InstructionChange[] = [];
  for (const instruction of instructions) {
    const ownLegs = own.filter(({ ordinal }) => ordinal === instruction.ordinal);
    const last = ownLegs.at(-1);
    if (last === undefined) continue;
    const after = toNets(last);
    const allLegs = legs.filter(({ ordinal }) => ordinal === instruction.ordinal);
    changes.push({
      index: instruction.ordinal,
      type: instruction.type,
      advice: instruction.terms?.advice === true,
      before,
      after,
      legs: ownLegs.map(toLeg),
      clientTransaction: await clientTransactionAfter(sql, batchId, instruction, allLegs),
      overSettledAmount:
        instruction.effect?.overSettled === undefined
          ? ZERO
          : amountFromNumeric(instruction.effect.overSettled, last.denomination),
      details: instruction.details ?? undefined,
    });
    before = after;
  }
  return { ...batch, correlationId: batch.correlationId ?? undefined, batchId, seq, instructions: changes };
}

const NOTHING: AccountNets = { committed: ZERO, pendingIn: ZERO, pendingOut: ZERO, available: ZERO };

async function listLegs(sql: Sql, bookId: number, { seq, batchId }: HookTrigger): Promise<readonly LegColumns[]> {
  return await sql<LegColumns[]>`
    select account_id as "accountId", account_seq as "accountSeq", ordinal, address, asset, denomination, phase, side,
      amount::text as amount, committed_after::text as committed, pending_in_after::text as "pendingIn",
      pending_out_after::text as "pendingOut"
    from ledger.posting where book_id = ${bookId} and seq = ${seq} and batch_id = ${batchId}
    order by account_id, account_seq`;
}

/** What the account's posting before this one left behind. */
async function findNetsBefore(sql: Sql, bookId: number, first: LegColumns): Promise<AccountNets> {
  const [row] = await sql<Pick<LegColumns, "committed" | "pendingIn" | "pendingOut">[]>`
    select committed_after::text as committed, pending_in_after::text as "pendingIn", pending_out_after::text as "pendingOut"
    from ledger.posting
    where book_id = ${bookId} and account_id = ${first.accountId} and account_seq = ${first.accountSeq - 1n}`;
  return row === undefined ? NOTHING : toNets({ ...row, denomination: first.denomination });
}

function toNets(row: Pick<LegColumns, "committed" | "pendingIn" | "pendingOut" | "denomination">): AccountNets {
  const committed = amountFromNumeric(row.committed, row.denomination);
  const pendingIn = amountFromNumeric(row.pendingIn, row.denomination);
  const pendingOut = amountFromNumeric(row.pendingOut, row.denomination);
  return { committed, pendingIn, pendingOut, available: availableOf({ committed, pendingOut }) };
}

function toLeg({ accountId, address, asset, denomination, phase, side, amount }: LegColumns): Leg {
  return { accountId, address, asset, denomination, phase, side, amount: amountFromNumeric(amount, denomination) };
}

/** After this instruction, whatever came later. */
async function clientTransactionAfter(
  sql: Sql,
  batchId: Uuid,
  instruction: InstructionColumns,
  legs: readonly LegColumns[],
): Promise<ClientTransactionState> {
  const { type, ordinal, clientId, clientTransactionId } = instruction;
  const key = { clientId, clientTransactionId };
  if (type === "CUSTOM_INSTRUCTION") {
    const step = planCustom(key, undefined);
    if (step.kind === "refused") throw new Error("a custom instruction that begins is never refused");
    return step.state;
  }
  if (type === "INBOUND_HARD_SETTLEMENT" || type === "OUTBOUND_HARD_SETTLEMENT" || type === "TRANSFER")
    return closedMovement(key, type, legs);
  const history = await findClientTransactionHistory(sql, clientId, clientTransactionId);
  if (history === undefined)
    throw new Error(`client transaction ${clientTransactionId} has instructions and is not there`);
  let state = beginClientTransaction(history.state);
  for (const { change, instruction: reference } of history.records) {
    state = applyChange(state, change);
    if (reference.batchId === batchId && reference.ordinal === ordinal) break;
  }
  return state;
}

/** PI-1: authorised and settled at once. */
function closedMovement(
  key: { readonly clientId: string; readonly clientTransactionId: string },
  type: InstructionType,
  legs: readonly LegColumns[],
): ClientTransactionState {
  const targetSide: Side = type === "INBOUND_HARD_SETTLEMENT" ? "CREDIT" : "DEBIT";
  const target = legs.find(({ side }) => side === targetSide);
  const counterparty = legs.find(({ side }) => side !== targetSide);
  if (target === undefined || counterparty === undefined) throw new Error("a movement has two legs");
  const amount = amountFromNumeric(target.amount, target.denomination);
  const begun = beginClientTransaction({
    ...key,
    kind: "MOVEMENT",
    direction: type === "INBOUND_HARD_SETTLEMENT" ? "INBOUND" : "OUTBOUND",
    target: target.accountId,
    counterparty: counterparty.accountId,
    asset: target.asset,
    denomination: target.denomination,
    expiresAt: undefined,
    onExpired: "REJECT",
    allowOverSettlement: true,
  });
  return applyChange(begun, {
    authorised: amount,
    adjusted: ZERO,
    settled: amount,
    overSettled: ZERO,
    released: ZERO,
    closedBy: "SETTLED",
  });
}
