import type { Database, Sql, Transaction } from "./connect-database.js";

/**
 * A hint that something is there, on a connection of its own. Hints get lost while that connection is away, so `onNotify` is
 * also called each time it listens again, after a failover on the new primary; a poll behind it remains the truth. Ends with `stop`
 * or with the database's.
 */
export async function listen(
  database: Database,
  channel: string,
  onNotify: (payload: string) => void,
): Promise<{ stop(): Promise<void> }> {
  return database.listen(channel, onNotify);
}

/** Sent when the transaction commits; equal hints of one transaction become one. */
export async function notify(tx: Sql | Transaction, channel: string, payload = ""): Promise<void> {
  await tx`select pg_notify(${channel}, ${payload})`;
}
