import { applyBatch, deleteCommands, HeadMoved, listProductCatalogue, readWriterState } from "@florin/db/ledger";
import type { WriterState } from "@florin/db/ledger";
import { classifyDatabaseError, type Database, type Transaction } from "@florin/db";
import type { Clock, IdSource, Instant, Product, Uuid } from "@florin/kernel";
import { faultPoint, retry } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import { planQuery, toBookView } from "./book-view.js";
import { CommitDraft } from "./commit-draft.js";
import type { LedgerCommand, WriterOutcome } from "./command.js";
import { planCommands } from "./plan-commit.js";
import { createProductCatalogue, type ProductCatalogue } from "./product-catalogue.js";

/**
 * One commit: read (one flight) → decide in memory → write (one flight) → COMMIT. Four round trips, whatever the number of
 * commands. Throws LeaseLost when another process holds the book, and database errors as they are: the caller knows what an
 * unknown outcome asks for.
 */
export interface CommitOptions {
  readonly database: Database;
  readonly bookId: number;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly products: readonly Product[];
  readonly logger: Logger;
  /** false only in the control of a test: the epoch and the head row are not compared. */
  readonly isFenced: boolean;
}

export interface Committed {
  readonly outcomes: ReadonlyMap<Uuid, WriterOutcome>;
  readonly outboxPosition: bigint;
  /** performance.now() before it began, when it renewed the lease: ours for its length from then on at least. */
  readonly renewedAt: number | undefined;
}

/** Fenced: the book's epoch is no longer ours. Nothing of this commit has happened. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor() {
    super("Another process holds the book's lease. Hand the commands over to it.");
  }
}

export interface Committer {
  /** @param drained rows of `ledger.command` among the commands; deleted in the same transaction. */
  commit(epoch: bigint, commands: readonly LedgerCommand[], drained: readonly Uuid[]): Promise<Committed>;
}

export function createCommitter(options: CommitOptions): Committer {
  let catalogue: ProductCatalogue | undefined;

  async function commitOnce(
    epoch: bigint,
    commands: readonly LedgerCommand[],
    drained: readonly Uuid[],
  ): Promise<Committed> {
    const startedAt = performance.now();
    faultPoint("ledger.commit.before-read");
    const committed = await options.database.transaction(async (tx) => {
      const state = await readWriterState(tx, planQuery(options.bookId, commands));
      faultPoint("ledger.commit.after-read");
      if (options.isFenced && state.head.epoch !== epoch) throw new LeaseLost();
      catalogue = await ensureCatalogue(tx, catalogue, state, commands);
      const draft = new CommitDraft({
        head: state.head,
        view: toBookView(state, catalogue),
        accounts: state.accounts,
        catalogue,
        bookedAt: laterOf(options.clock.now(), state.head.knownAt),
        ids: options.ids,
      });
      const outcomes = planCommands(draft, state, commands);
      for (const fault of draft.faults)
        options.logger.error({ err: fault }, "a batch could not be judged and was refused");
      const { bookId, leaseMs, isFenced } = options;
      const write = draft.toWrite({
        bookId,
        leaseMs,
        isFenced,
        epoch,
        expectedBatch: state.head.batch,
        drainedCommandIds: drained,
      });
      if (write === undefined) await deleteCommands(tx, drained);
      else await applyBatch(tx, write);
      faultPoint("ledger.commit.before-commit");
      const renewedAt = write === undefined ? undefined : startedAt;
      return { outcomes, outboxPosition: draft.outboxPosition, renewedAt };
    });
    faultPoint("ledger.commit.after-commit");
    return committed;
  }

  /** Products are added while we run, by a newer version of this program beside us: read again when something is not there. */
  async function ensureCatalogue(
    tx: Transaction,
    known: ProductCatalogue | undefined,
    state: WriterState,
    commands: readonly LedgerCommand[],
  ): Promise<ProductCatalogue> {
    const isComplete =
      known !== undefined &&
      state.accounts.every(
        ({ productVersionId }) => productVersionId === null || known.findVersion(productVersionId) !== undefined,
      ) &&
      commands.every((command) => command.kind !== "account.open" || known.findLatest(command.product) !== undefined);
    return isComplete ? known : createProductCatalogue(await listProductCatalogue(tx), options.products);
  }

  return {
    commit: (epoch, commands, drained) =>
      retry(() => commitOnce(epoch, commands, drained), {
        attempts: 5,
        baseMs: 5,
        maxMs: 100,
        random: Math.random,
        shouldRetry: (error) => error instanceof HeadMoved || classifyDatabaseError(error) === "not-applied",
      }),
  };
}

/** Booking never goes back behind what is known: the lease may come from a machine whose clock is ahead of ours. */
function laterOf(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}
