import type { Instant, Json, Uuid } from "@florin/kernel";
import type { PostingPhase } from "./balances.js";
import type { Sql } from "../connect-database.js";

export interface BatchRow {
  readonly batchId: Uuid;
  readonly seq: bigint;
  /** The principal that sent it. */
  readonly clientId: string;
  readonly status: "ACCEPTED" | "REJECTED";
  readonly rejections: readonly {
    readonly code: string;
    readonly message: string;
    readonly instructionIndex?: number | null | undefined;
  }[];
  /** Of a rejected batch: what was proposed. */
  readonly proposed: Json;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly knownAt: Instant;
}

export interface InstructionRow {
  readonly batchId: Uuid;
  readonly ordinal: number;
  readonly type: string;
  readonly clientTransactionId: string;
  readonly postings: readonly {
    readonly accountId: Uuid;
    readonly address: string;
    readonly asset: string;
    readonly denomination: string;
    readonly phase: PostingPhase;
    readonly side: "DEBIT" | "CREDIT";
    /** numeric as text */
    readonly amount: string;
  }[];
}

const BOOK = 1;

export async function findBatches(sql: Sql, batchIds: readonly Uuid[]): Promise<readonly BatchRow[]> {
  if (batchIds.length === 0) return [];
  return await sql<BatchRow[]>`
    select batch_id as "batchId", seq, client_id as "clientId", status, rejections, proposed, value_at as "valueAt",
      booked_at as "bookedAt", known_at as "knownAt"
    from ledger.posting_instruction_batch
    where book_id = ${BOOK} and batch_id = any(${[...batchIds]}::uuid[])`;
}

/** Instructions of accepted batches with their legs, in the order they were sent. */
export async function listInstructions(sql: Sql, batchIds: readonly Uuid[]): Promise<readonly InstructionRow[]> {
  if (batchIds.length === 0) return [];
  return await sql<InstructionRow[]>`
    with legs as materialized (
      select p.batch_id, p.ordinal, jsonb_agg(jsonb_build_object('accountId', p.account_id, 'address', p.address,
          'asset', p.asset, 'denomination', p.denomination, 'phase', p.phase, 'side', p.side, 'amount', p.amount::text)
        order by p.side desc, p.account_id, p.account_seq) as postings
      from ledger.posting_instruction_batch k
      join ledger.posting p on p.book_id = k.book_id and p.seq = k.seq and p.batch_id = k.batch_id
      where k.book_id = ${BOOK} and k.batch_id = any(${[...batchIds]}::uuid[])
      group by p.batch_id, p.ordinal)
    select i.batch_id as "batchId", i.ordinal, i.type, i.client_transaction_id as "clientTransactionId",
      coalesce(l.postings, '[]') as postings
    from ledger.posting_instruction i
    left join legs l on l.batch_id = i.batch_id and l.ordinal = i.ordinal
    where i.book_id = ${BOOK} and i.batch_id = any(${[...batchIds]}::uuid[])
    order by i.batch_id, i.ordinal`;
}
