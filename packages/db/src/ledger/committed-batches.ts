import {
  amountFromNumeric,
  type CommittedInstruction,
  type CurrencyCode,
  type FxRecord,
  type Instant,
  type InstructionType,
  type Phase,
  type Side,
  type Uuid,
} from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** A batch as it was booked, for whoever wants it back (T-8). A rejected one has no instructions. */
export interface CommittedBatch {
  readonly batchId: Uuid;
  readonly clientId: string;
  readonly valueAt: Instant;
  readonly instructions: readonly CommittedInstruction[];
}

interface InstructionColumns {
  readonly ordinal: number;
  readonly type: InstructionType;
  readonly fx: FxRecord | null;
  readonly isReversal: boolean;
  readonly isReversed: boolean;
  readonly legs: readonly {
    readonly accountId: Uuid;
    readonly address: string;
    readonly asset: string;
    readonly denomination: CurrencyCode;
    readonly phase: Phase;
    readonly side: Side;
    readonly amount: string;
  }[];
}

/** `id`: the batch's own, or its operation's. */
export async function findCommittedBatch(
  tx: Sql | Transaction,
  bookId: number,
  id: Uuid,
): Promise<CommittedBatch | undefined> {
  const [batch] = await tx<{ batchId: Uuid; seq: bigint; clientId: string; valueAt: Instant }[]>`
    select batch_id as "batchId", seq, client_id as "clientId", value_at as "valueAt"
    from ledger.posting_instruction_batch
    where book_id = ${bookId}
      and batch_id in (${id}::uuid, (select batch_id from ledger.operation where operation_id = ${id}::uuid))`;
  if (batch === undefined) return undefined;
  const { batchId, seq, clientId, valueAt } = batch;
  const rows = await tx<InstructionColumns[]>`
    select i.ordinal, i.type, i.terms -> 'fx' as fx, i.reverses_batch_id is not null as "isReversal",
      exists (select from ledger.posting_instruction r
        where r.book_id = i.book_id and r.reverses_batch_id = i.batch_id and r.reverses_ordinal = i.ordinal) as "isReversed",
      coalesce((
        select jsonb_agg(jsonb_build_object('accountId', p.account_id, 'address', p.address, 'asset', p.asset,
            'denomination', p.denomination, 'phase', p.phase, 'side', p.side, 'amount', p.amount::text)
          order by p.account_id, p.account_seq)
        from ledger.posting p
        where p.book_id = i.book_id and p.seq = ${seq} and p.batch_id = i.batch_id and p.ordinal = i.ordinal), '[]') as legs
    from ledger.posting_instruction i
    where i.book_id = ${bookId} and i.batch_id = ${batchId}::uuid
    order by i.ordinal`;
  return { batchId, clientId, valueAt, instructions: rows.map((row) => toCommittedInstruction(batchId, row)) };
}

function toCommittedInstruction(batchId: Uuid, row: InstructionColumns): CommittedInstruction {
  const { ordinal, type, fx, isReversal, isReversed } = row;
  const legs = row.legs.map((leg) => ({ ...leg, amount: amountFromNumeric(leg.amount, leg.denomination) }));
  // A movement's target is credited by what comes in, and debited by everything else.
  const first: Side = type === "INBOUND_HARD_SETTLEMENT" ? "CREDIT" : "DEBIT";
  if (type !== "CUSTOM_INSTRUCTION") legs.sort((a, b) => Number(b.side === first) - Number(a.side === first));
  return { reference: { batchId, ordinal }, type, legs, fx: fx ?? undefined, isReversal, isReversed };
}
