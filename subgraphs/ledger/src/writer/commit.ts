import { randomBytes } from "node:crypto";
import {
  applyBatch,
  deleteCommands,
  findAccountTerms,
  findOpeningTerms,
  getHead,
  HEAD_MOVED,
  listProductCatalogue,
  MEMORY_STALE,
  readWriterState,
  type AccountTerms,
  type WriterState,
} from "@florin/db/ledger";
import type { Database, Pipeline } from "@florin/db";
import type { Clock, IdSource, Instant, Product, Uuid } from "@florin/kernel";
import { faultPoint } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import { BookMemory } from "./book-memory.js";
import { planQuery } from "./book-view.js";
import { CommitDraft } from "./commit-draft.js";
import { NO_FACTS, readCommitFacts, type CommitFacts } from "./commit-facts.js";
import { needsQuietBook, type LedgerCommand, type WriterOutcome } from "./command.js";
import { planCommands } from "./plan-commit.js";
import { createProductCatalogue, type LoadProduct, type ProductCatalogue } from "./product-catalogue.js";
import { touchedAccounts } from "./terms-command.js";
import { readHookFacts } from "./terms-facts.js";

/**
 * Commits, one behind the other: read what the writer's memory lacks → decide in memory → send one statement down the pipe. The next may
 * be read and decided while the one before is under way, since memory is ahead of the database by exactly what is under way; each swaps
 * the head row from where the one before leaves it, so when one fails all behind it do.
 *
 * What the caller must do: `send` one after the other; at most MAX_UNDER_WAY at once; commands that need a quiet book only when nothing is
 * under way, and nothing behind them until they are through; and after any failure wait for `idle`, `forget`, and read again by key what
 * is in doubt.
 */
export interface CommitOptions {
  readonly database: Database;
  readonly bookId: number;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly products: readonly Product[];
  /** Makes products of uploaded sources. undefined: this process runs none, and their accounts have the kernel's guard. */
  readonly loadProduct?: LoadProduct | undefined;
  readonly logger: Logger;
  /** false only in the control of a test: the epoch and the head row are not compared. */
  readonly isFenced: boolean;
  /** false only where a benchmark measures what the audit chain costs. */
  readonly isAudited?: boolean | undefined;
  /** Accounts held in memory, and as many client transactions. Some 1.5 kB each. */
  readonly memoryLimit?: number | undefined;
}

export interface SentCommit {
  readonly outcomes: ReadonlyMap<Uuid, WriterOutcome>;
  readonly outboxPosition: bigint;
  /** performance.now() before it was sent, when it renews the lease: ours for its length from then on at least. */
  readonly renewedAt: number | undefined;
  /** Resolves when it is durable. Rejects with database errors as they are: the caller knows what an unknown outcome asks for. */
  readonly done: Promise<void>;
}

/** Fenced: the book's epoch is no longer ours. Nothing of this commit has happened. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor() {
    super("Another process holds the book's lease. Hand the commands over to it.");
  }
}

/** The book is not as memory had it: a commit before this one failed, or was not ours. Nothing of this one has happened. */
export function isMemoryWrong(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === HEAD_MOVED || code === MEMORY_STALE;
}

export const MAX_UNDER_WAY = 2;
const DEFAULT_MEMORY_LIMIT = 100_000;
const SALT_BYTES = 16;

export class Committer {
  readonly #options: CommitOptions;
  readonly #underWay = new Set<Promise<void>>();
  #pipeline: Pipeline | undefined;
  #catalogue: ProductCatalogue | undefined;
  #memory: { readonly epoch: bigint; readonly book: BookMemory } | undefined;

  constructor(options: CommitOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** @param drained rows of `ledger.command` among the commands; deleted in the same transaction. */
  async send(epoch: bigint, commands: readonly LedgerCommand[], drained: readonly Uuid[]): Promise<SentCommit> {
    const options = this.#options;
    const isQuiet = commands.some(needsQuietBook);
    if (isQuiet && this.underWay > 0) throw new Error("such commands are decided with no other commit under way");
    const startedAt = performance.now();
    faultPoint("ledger.commit.before-read");
    const book = await this.#remember(epoch);
    const turn = book.begin();
    const facts = isQuiet ? await this.#readFacts(commands) : NO_FACTS;
    const { state, catalogue } = await this.#learn(book, planQuery(options.bookId, commands, facts), commands);
    const bookedAt = laterOf(options.clock.now(), book.head.knownAt);
    const known = await this.#readLate(book, facts, commands, bookedAt);
    faultPoint("ledger.commit.after-read");
    const { draft, outcomes } = this.#decide({ book, catalogue, facts: known, state, bookedAt }, commands);
    const { bookId, leaseMs, isFenced } = options;
    const write = draft.toWrite({ bookId, leaseMs, isFenced, epoch, drainedCommandIds: drained });
    faultPoint("ledger.commit.before-commit");
    const work = write === undefined ? deleteCommands(options.database.sql, drained) : applyBatch(this.#pipe(), write);
    const done = this.#track(work, () => {
      if (isQuiet) book.forget(facts.spendable.keys());
      this.#forgetTerms(book, commands);
      book.end(turn);
    });
    return { outcomes, outboxPosition: draft.outboxPosition, renewedAt: write && startedAt, done };
  }

  /** Resolves when nothing is under way any more, whatever became of it. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** Drops the memory: the next commit reads again. Only when nothing is under way. */
  forget(): void {
    this.#memory = undefined;
  }

  async stop(): Promise<void> {
    await this.#pipeline?.stop();
  }

  #pipe(): Pipeline {
    return (this.#pipeline ??= this.#options.database.openPipeline());
  }

  #track(work: Promise<void>, onDone: () => void): Promise<void> {
    const done = work.then(() => {
      onDone();
      faultPoint("ledger.commit.after-commit");
    });
    this.#underWay.add(done);
    const leave = (): void => void this.#underWay.delete(done);
    done.then(leave, leave);
    return done;
  }

  async #remember(epoch: bigint): Promise<BookMemory> {
    if (this.#memory?.epoch === epoch) return this.#memory.book;
    const { database, bookId, isFenced, memoryLimit = DEFAULT_MEMORY_LIMIT } = this.#options;
    const head = await getHead(database.sql, bookId);
    if (isFenced && head.epoch !== epoch) throw new LeaseLost();
    const book = new BookMemory(head, memoryLimit);
    this.#memory = { epoch, book };
    this.#catalogue = undefined; // whoever had the book before may have taken an upload
    return book;
  }

  async #readFacts(commands: readonly LedgerCommand[]): Promise<CommitFacts> {
    const { database, bookId } = this.#options;
    return await database.transaction((tx) => readCommitFacts(tx, bookId, commands));
  }

  /** What is read of accounts that are known by now: for hooks inside a decision, and of what waits for accounts that are opened. */
  async #readLate(
    book: BookMemory,
    facts: CommitFacts,
    commands: readonly LedgerCommand[],
    bookedAt: Instant,
  ): Promise<CommitFacts> {
    const { database, bookId } = this.#options;
    const openings = commands.filter((command) => command.kind === "account.open");
    const isQuiet = facts !== NO_FACTS;
    if (openings.length === 0 && !isQuiet) return facts;
    const given = { view: book.view, knownAt: book.head.knownAt, bookedAt };
    const [openingTerms, hookData] = await Promise.all([
      findOpeningTerms(database.sql, bookId, openings),
      isQuiet ? readHookFacts(database.sql, bookId, commands, given) : facts.hookData,
    ]);
    return { ...facts, openingTerms, hookData };
  }

  /** What was said of accounts is read again when they are used next. */
  #forgetTerms(book: BookMemory, commands: readonly LedgerCommand[]): void {
    for (const command of commands) {
      if (command.kind !== "terms") continue;
      if (command.change.type === "productVersion") this.#catalogue = undefined;
      const touched = touchedAccounts(command);
      if (touched === "all") this.forget();
      else book.forget(touched);
    }
  }

  async #learn(
    book: BookMemory,
    wanted: ReturnType<typeof planQuery>,
    commands: readonly LedgerCommand[],
  ): Promise<{ readonly state: WriterState; readonly catalogue: ProductCatalogue }> {
    const { database, bookId } = this.#options;
    const state = await readWriterState(database.sql, book.missing(wanted));
    const accountIds = state.accounts.map(({ accountId }) => accountId);
    const [terms, catalogue] = await Promise.all([
      accountIds.length === 0 ? new Map<Uuid, AccountTerms>() : findAccountTerms(database.sql, bookId, accountIds),
      this.#ensureCatalogue(state, commands),
    ]);
    book.learn(state, terms, catalogue);
    return { state, catalogue };
  }

  /** Products are added while we run, by a newer version of this program beside us: read again when something is not there. */
  async #ensureCatalogue(state: WriterState, commands: readonly LedgerCommand[]): Promise<ProductCatalogue> {
    const known = this.#catalogue;
    const isComplete =
      known !== undefined &&
      state.accounts.every(
        ({ productVersionId }) => productVersionId === null || known.findVersion(productVersionId) !== undefined,
      ) &&
      commands.every((command) => hasProductOf(known, command));
    if (isComplete) return known;
    const { database, products, loadProduct } = this.#options;
    const records = await listProductCatalogue(database.sql);
    return (this.#catalogue = createProductCatalogue(records, products, loadProduct, known));
  }

  #decide(
    given: {
      readonly book: BookMemory;
      readonly catalogue: ProductCatalogue;
      readonly facts: CommitFacts;
      readonly state: WriterState;
      readonly bookedAt: Instant;
    },
    commands: readonly LedgerCommand[],
  ) {
    const { book, catalogue, facts, state, bookedAt } = given;
    const { ids, isAudited = true, logger } = this.#options;
    for (const key of facts.reversed) book.view.reversed?.add(key);
    for (const [accountId, spendableHistory] of facts.spendable) {
      const account = book.view.accounts.get(accountId);
      if (account !== undefined) book.view.accounts.set(accountId, { ...account, spendableHistory });
    }
    const draft = new CommitDraft({
      memory: book,
      catalogue,
      bookedAt,
      ids,
      newSalt: isAudited ? () => randomBytes(SALT_BYTES) : undefined,
    });
    const outcomes = planCommands(draft, state, commands, facts);
    for (const fault of draft.faults) logger.error({ err: fault }, "a batch could not be judged and was refused");
    return { draft, outcomes };
  }
}

/** Does the catalogue know the products that a command names? One about a version may name any, so it is read again. */
function hasProductOf(catalogue: ProductCatalogue, command: LedgerCommand): boolean {
  if (command.kind === "account.open") return catalogue.findLatest(command.product) !== undefined;
  if (command.kind !== "terms") return true;
  const { change } = command;
  if (change.type === "productVersion") return false;
  if (change.type === "templateParameters") return catalogue.findVersion(change.productVersionId) !== undefined;
  return !("toVersionId" in change) || catalogue.findVersion(change.toVersionId) !== undefined;
}

/** Booking never goes back behind what is known: the lease may come from a machine whose clock is ahead of ours. */
function laterOf(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}
