import { setTimeout as pause } from "node:timers/promises";
import { migrate } from "@florin/db";
import { StartError } from "./start-error.js";

/** What a server that is only starting, or being replaced, answers. */
const COMING_UP = new Set(["ECONNREFUSED", "ECONNRESET", "CONNECT_TIMEOUT", "CONNECTION_CLOSED", "57P03", "25006"]);
const LOOK_EVERY_MS = 250;

/**
 * Brings the database to the newest form; behind a lock, so any number of processes may. Waits at most `patienceMs` for a server
 * that is coming up. Throws StartError, without the URL's password.
 */
export async function migrateOrExplain(
  database: { readonly url: string; readonly description: string },
  options: { readonly patienceMs: number; readonly onApplied?: ((count: number) => void) | undefined },
): Promise<void> {
  const deadline = performance.now() + options.patienceMs;
  for (;;) {
    try {
      const { applied } = await migrate(database.url);
      if (applied.length > 0) options.onApplied?.(applied.length);
      return;
    } catch (error) {
      const code = (error as { readonly code?: unknown }).code;
      const isComingUp = typeof code === "string" && COMING_UP.has(code);
      if (!isComingUp || performance.now() >= deadline) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new StartError(`The database (${database.description}) cannot be used: ${reason}`);
      }
    }
    await pause(LOOK_EVERY_MS);
  }
}
