import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/** A call to Plaid as it is kept: for support (request id), cost and health. Nothing of what was said. */
export interface PlaidCallRecord {
  readonly at: Instant;
  readonly endpoint: string;
  readonly itemId: Uuid | undefined;
  readonly requestId: string | undefined;
  readonly httpStatus: number | undefined;
  readonly errorCode: string | undefined;
  readonly outcome: "OK" | "REFUSED" | "FAILED" | "UNKNOWN" | "NOT_SENT";
  readonly latencyMs: number;
}

export async function insertPlaidCalls(sql: Sql, calls: readonly PlaidCallRecord[]): Promise<void> {
  if (calls.length === 0) return;
  const rows = calls.map((call) => ({ ...call, at: formatInstant(call.at), latencyMs: Math.round(call.latencyMs) }));
  await sql`
    insert into accounts.plaid_call (at, endpoint, item_id, request_id, http_status, error_code, outcome, latency_ms)
    select at, endpoint, "itemId", "requestId", "httpStatus", "errorCode", outcome, "latencyMs"
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as c (at timestamptz, endpoint text, "itemId" uuid,
      "requestId" text, "httpStatus" int, "errorCode" text, outcome text, "latencyMs" int)`;
}

export async function deleteOldPlaidCalls(sql: Sql, before: Instant, limit: number): Promise<number> {
  const gone = await sql`
    delete from accounts.plaid_call where call_id in (
      select call_id from accounts.plaid_call where at < ${formatInstant(before)} order by at limit ${limit}) returning 1`;
  return gone.length;
}
