import { addMicros, formatInstant, type Instant } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

export interface LoginAttempts {
  /** Attempts in the window, this one among them. */
  readonly attempts: number;
  readonly windowStartedAt: Instant;
}

/** Counts an attempt before it is looked at; a window that is over begins anew. One statement, so parallel guesses all count. */
export async function countLoginAttempt(
  sql: Sql,
  subject: string,
  now: Instant,
  windowMicros: bigint,
): Promise<LoginAttempts> {
  const at = formatInstant(now);
  const isOver = sql`accounts.login_attempt.window_started_at <= ${formatInstant(addMicros(now, -windowMicros))}::timestamptz`;
  const [row] = await sql<LoginAttempts[]>`
    insert into accounts.login_attempt (subject, window_started_at, attempts) values (${subject}, ${at}, 1)
    on conflict (subject) do update set
      attempts = case when ${isOver} then 1 else least(accounts.login_attempt.attempts + 1, 1000000) end,
      window_started_at = case when ${isOver} then excluded.window_started_at else accounts.login_attempt.window_started_at end
    returning attempts, window_started_at as "windowStartedAt"`;
  if (row === undefined) throw new Error("an upsert of a log-in attempt returned no row");
  return row;
}

/** After a right password. */
export async function deleteLoginAttempts(sql: Sql, subject: string): Promise<void> {
  await sql`delete from accounts.login_attempt where subject = ${subject}`;
}

export async function deleteOldLoginAttempts(sql: Sql, before: Instant, limit: number): Promise<number> {
  const rows = await sql`
    delete from accounts.login_attempt where subject in (
      select subject from accounts.login_attempt where window_started_at < ${formatInstant(before)}
      order by window_started_at limit ${limit})
    returning 1`;
  return rows.length;
}
