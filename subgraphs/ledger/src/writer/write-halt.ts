import { classifyDatabaseError, listen, type Database } from "@florin/db";
import { findOpenHalt, WRITE_HALT_CHANNEL, WRITES_HALTED } from "@florin/db/ledger";
import { temporarilyUnavailable, type Instant, type RequestError } from "@florin/kernel";
import type { Logger, Metrics } from "@florin/telemetry";

/**
 * Is the book halted (docs/invariants.md)? Known in memory, so asking costs nothing: looked up when it starts, when a notification says that
 * something changed, and every second, as notifications get lost. A commit that was begun before the news is refused by the database.
 * While the database cannot be asked, what was known last holds.
 */
export interface WriteHalt {
  isHalted(): HaltReason | undefined;
  /** What a caller is told: nothing has moved, and the same key may be sent again. undefined: the book takes writes. */
  refusal(): RequestError | undefined;
  /** The database refused a commit because of a halt that was not known here: nothing of it has happened. */
  isRefusedByHalt(error: unknown): boolean;
  /** Looks now: when the lease was taken, and when a commit was refused. Never throws. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

export interface HaltReason {
  /** The sentence of the broken rule; null when a person halted the book. */
  readonly rule: string | null;
  readonly reason: string;
  readonly since: Instant;
  readonly by: string;
}

export interface WriteHaltOptions {
  readonly database: Database;
  readonly bookId: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** After each change, both ways. Must not throw or wait. */
  readonly onChange?: (() => void) | undefined;
  /** How late a change is known whose notification was lost. Default 1000. */
  readonly everyMs?: number | undefined;
}

const RETRY_AFTER_MS = 5_000;

/** Starts at once; until it has looked for the first time the database alone refuses. */
export function createWriteHalt(options: WriteHaltOptions): WriteHalt {
  const { database, bookId, logger, metrics, onChange = () => undefined, everyMs = 1_000 } = options;
  let halted: HaltReason | undefined;
  let entry: number | undefined;
  let looking: Promise<void> | undefined;
  let isAskedAgain = false;
  let isStopped = false;
  let listener: { stop(): Promise<void> } | undefined;
  let hearing: Promise<void> | undefined;
  metrics.gauge({
    name: "florin_ledger_writes_halted",
    help: "1 while the book takes no writes because of a halt. See docs/invariants.md.",
    collect: () => (halted === undefined ? 0 : 1),
  });

  async function look(): Promise<void> {
    try {
      const open = await findOpenHalt(database.sql, bookId);
      if (isStopped || open?.entry === entry) return;
      entry = open?.entry;
      halted = open && { rule: open.rule, reason: open.reason, since: open.at, by: open.by };
      if (open === undefined) logger.warn({ book: bookId }, "ledger writes are resumed");
      else
        logger.error({ book: bookId, rule: open.rule, reason: open.reason, by: open.by }, "ledger writes are halted");
      onChange();
    } catch (error) {
      if (!isStopped) logger.warn({ err: error, book: bookId }, "ledger could not look for a halt of its writes");
    }
  }

  /** News that arrives while a look is under way may be newer than what that look sees. */
  function refresh(): Promise<void> {
    if (looking !== undefined) isAskedAgain = true;
    looking ??= look().then(async () => {
      looking = undefined;
      if (isAskedAgain && !isStopped) {
        isAskedAgain = false;
        await refresh();
      }
    });
    return looking;
  }

  async function hear(): Promise<void> {
    try {
      const heard = await listen(database, WRITE_HALT_CHANNEL, () => void refresh());
      if (isStopped) await heard.stop();
      else listener = heard;
    } catch (error) {
      if (!isStopped) logger.warn({ err: error }, "ledger cannot listen for halts and looks every second instead");
    }
  }

  function keepUp(): void {
    if (listener === undefined) hearing ??= hear().finally(() => (hearing = undefined));
    void refresh();
  }

  const timer = setInterval(keepUp, everyMs);
  timer.unref();
  keepUp();

  return {
    isHalted: () => halted,
    refusal: () =>
      halted && temporarilyUnavailable(RETRY_AFTER_MS, "The ledger takes no changes just now. Nothing has moved."),
    isRefusedByHalt: (error) =>
      classifyDatabaseError(error) === "not-applied" &&
      error instanceof Error &&
      "code" in error &&
      error.code === WRITES_HALTED,
    refresh,
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await Promise.all([looking, hearing]);
      await listener?.stop();
    },
  };
}
