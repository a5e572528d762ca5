import {
  amountFromNumeric,
  NO_CHANGE,
  type Amount,
  type ClientTransactionChange,
  type ClientTransactionRecord,
  type ClientTransactionState,
  type ClosedBy,
  type CurrencyCode,
  type Instant,
  type InstructionType,
  type Uuid,
} from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import { findClientTransactions } from "./writer-state.js";

/** A client transaction and all that was done to it, in book order: what CT-9 is computed from. */
export interface ClientTransactionHistory {
  readonly state: ClientTransactionState;
  readonly records: readonly ClientTransactionRecord[];
  /** The opener's; of a group of custom instructions that of its first posting. */
  readonly denomination: CurrencyCode;
}

/** An instruction's `effect` as it is stored: amounts as decimal strings. */
interface StoredEffect {
  readonly authorised?: string;
  readonly adjusted?: string;
  readonly settled?: string;
  readonly overSettled?: string;
  readonly released?: string;
  readonly closedBy?: ClosedBy;
}

const BOOK = 1;
/** What is shown of one client transaction; more than any hold or group has. */
const MAX_INSTRUCTIONS = 10_000;

/** undefined: there is none under this key. Movements whose id the ledger made (`op_…`) have none: their operation says it all. */
export async function findClientTransactionHistory(
  sql: Sql,
  clientId: string,
  clientTransactionId: string,
): Promise<ClientTransactionHistory | undefined> {
  const key = { clientId, clientTransactionId };
  const [state] = await findClientTransactions(sql, { bookId: BOOK, clientTransactions: [key] });
  if (state === undefined) return undefined;
  const rows = await sql<
    {
      batchId: Uuid;
      ordinal: number;
      type: InstructionType;
      effect: StoredEffect | null;
      valueAt: Instant;
      knownAt: Instant;
    }[]
  >`
    select i.batch_id as "batchId", i.ordinal, i.type, i.effect, k.value_at as "valueAt", k.known_at as "knownAt"
    from ledger.posting_instruction i
    join ledger.posting_instruction_batch k on k.book_id = i.book_id and k.batch_id = i.batch_id
    where i.book_id = ${BOOK} and i.client_id = ${clientId} and i.client_transaction_id = ${clientTransactionId}
      and i.client_transaction_id not like 'op\\_%'
    order by k.seq, i.ordinal
    limit ${MAX_INSTRUCTIONS}`;
  const records = rows.map(({ batchId, ordinal, type, effect, valueAt, knownAt }) => ({
    instruction: { batchId, ordinal },
    type,
    change: toChange(state, effect),
    valueAt,
    knownAt,
  }));
  const denomination = state.denomination ?? (await findDenomination(sql, rows[0]?.batchId));
  return denomination === undefined ? undefined : { state, records, denomination };
}

async function findDenomination(sql: Sql, batchId: Uuid | undefined): Promise<CurrencyCode | undefined> {
  if (batchId === undefined) return undefined;
  const rows = await sql<{ denomination: CurrencyCode }[]>`
    select p.denomination from ledger.posting_instruction_batch k
    join ledger.posting p on p.book_id = k.book_id and p.seq = k.seq and p.batch_id = k.batch_id
    where k.book_id = ${BOOK} and k.batch_id = ${batchId}::uuid
    order by p.ordinal, p.denomination limit 1`;
  return rows[0]?.denomination;
}

function toChange(state: ClientTransactionState, effect: StoredEffect | null): ClientTransactionChange {
  const { denomination } = state;
  if (denomination === undefined) return NO_CHANGE; // a group of custom instructions
  // Without an effect: a movement, which authorised and settled its amount at once (PI-1).
  if (effect === null)
    return { ...NO_CHANGE, authorised: state.authorised, settled: state.settled, closedBy: "SETTLED" };
  const amount = (text: string | undefined): Amount => amountFromNumeric(text ?? "0", denomination);
  return {
    authorised: amount(effect.authorised),
    adjusted: amount(effect.adjusted),
    settled: amount(effect.settled),
    overSettled: amount(effect.overSettled),
    released: amount(effect.released),
    closedBy: effect.closedBy,
  };
}

/** Open authorisations in which the account is target or counterparty, at most `limit` (HOOK-7). */
export async function listOpenHoldKeys(
  sql: Sql | Transaction,
  { bookId, accountId, limit }: { readonly bookId: number; readonly accountId: Uuid; readonly limit: number },
): Promise<readonly { readonly clientId: string; readonly clientTransactionId: string }[]> {
  return await sql<{ clientId: string; clientTransactionId: string }[]>`
    (select client_id as "clientId", client_transaction_id as "clientTransactionId" from ledger.client_transaction
      where book_id = ${bookId} and target = ${accountId}::uuid and closed_by is null and kind = 'AUTHORISATION' limit ${limit})
    union
    (select client_id, client_transaction_id from ledger.client_transaction
      where book_id = ${bookId} and counterparty = ${accountId}::uuid and closed_by is null and kind = 'AUTHORISATION' limit ${limit})`;
}
