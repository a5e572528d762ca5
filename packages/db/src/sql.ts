import type postgres from "postgres";
import type { Instant } from "@florin/kernel";

/** What a query takes and gives beyond the plain values: int8 is a bigint, timestamptz an Instant, numeric a string. */
interface ExtraTypes extends Record<string, unknown> {
  bigint: bigint;
  instant: Instant;
}
export type Sql = postgres.Sql<ExtraTypes>;
/** Runs inside one transaction; a function that takes one joins the caller's. */
export type Transaction = postgres.TransactionSql<ExtraTypes>;
export type JsonValue = postgres.JSONValue;
