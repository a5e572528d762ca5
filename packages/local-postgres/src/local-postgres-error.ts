/** PostgreSQL could not be started here. The message is one line and says what to do. */
export class LocalPostgresError extends Error {
  override readonly name = "LocalPostgresError";
}
