import { formatInstant, type Instant, type Json } from "@florin/kernel";
import type { PipelinedStatement } from "../pipeline.js";

/** The one statement of a commit in the making: a CTE for each table, what must hold of them, and the parameters. */
export class StatementBuilder {
  readonly #parts: string[] = [];
  readonly #checks: string[] = [];
  readonly #parameters: string[] = [];

  value(type: string, text: string): string {
    this.#parameters.push(text);
    return `$${this.#parameters.length}::${type}`;
  }

  array(type: string, literal: string): string {
    return this.value(`${type}[]`, literal);
  }

  part(name: string, sql: string): void {
    this.#parts.push(`${name} as (${sql})`);
  }

  /** Rows that `name` must have returned. */
  expect(name: string, rows: number, state: string, reason: string): void {
    const count = this.value("bigint", String(rows));
    this.#checks.push(
      `case when (select count(*) from ${name}) <> ${count} then ledger.refuse_commit('${state}', '${reason}') end`,
    );
  }

  /** @param last what else is selected, once everything was checked. */
  finish(last: string): PipelinedStatement {
    const text = `with ${this.#parts.join(",\n")}\nselect ${[...this.#checks, last].join(",\n")}`;
    return { text, parameters: this.#parameters };
  }
}

/** Columns of rows, by name: type and literal. */
export type Columns = Readonly<Record<string, readonly [type: string, literal: string]>>;

/** Rows for `select … from`, one array for each column. */
export function unnest(statement: StatementBuilder, columns: Columns): string {
  const entries = Object.entries(columns);
  const arrays = entries.map(([, [type, literal]]) => statement.array(type, literal));
  return `unnest(${arrays.join(", ")}) as r (${entries.map(([name]) => name).join(", ")})`;
}

export const itself = <T>(value: T): T => value;

export const toJson = (value: Json | undefined): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value);

export const hexOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");

export const instantOf = (value: Instant | undefined): string | undefined =>
  value === undefined ? undefined : formatInstant(value);
