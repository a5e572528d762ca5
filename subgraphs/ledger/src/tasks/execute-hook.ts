import { classifyDatabaseError, operationIdOf, sha256Hex, type Database } from "@florin/db";
import {
  fetchHookData,
  findAccountTerms,
  findHookOccasion,
  findStoredAccount,
  getHookCursor,
  listProcessingGroups,
  MAIN_PROCESSING_GROUP,
  type AccountTerms,
  type HookAccountRow,
  type HookTrigger,
} from "@florin/db/ledger";
import {
  businessDateOf,
  CONTRACT_CLIENT,
  executionIdOf,
  formatId,
  MAX_CASCADE_DEPTH,
  parametersAt,
  planFetches,
  raisedFlags,
  refuse,
  type Clock,
  type Directives,
  type HookData,
  type HookOccasions,
  type Instant,
  type ProcessingGroup,
  type Uuid,
} from "@florin/kernel";
import type { LedgerWriter, WriterOutcome } from "../writer/command.js";
import { notificationsOf, runRecorded, toContractCommand } from "../writer/plan-hooks.js";
import type { CataloguedProduct } from "../writer/product-catalogue.js";
import type { ExecutionFacts, HookEffect, HookFailure, TermsCommand } from "../writer/terms-command.js";

/**
 * One run of a hook that comes after its commit: fetch what it declared at one known time (FET-6) → run → send its effect to the writer, under
 * a key made from the execution's id. A run that was interrupted is made again; what it had committed already is found under that key.
 */
export type AfterHook = "postPosting" | "postParameterChange";

export interface HookCall<K extends AfterHook> {
  readonly hook: K;
  readonly executionId: string;
  readonly attempt: number;
  readonly accountId: Uuid;
  readonly product: CataloguedProduct;
  readonly effectiveAt: Instant;
  readonly occasion: HookOccasions[K];
  /** The record that it answers. */
  readonly seq: bigint;
  readonly cascadeDepth: number;
  readonly correlationId: string;
  readonly permissions?: readonly string[];
}

export interface HookExecutorOptions {
  readonly database: Database;
  readonly bookId: number;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  /** Called for each run, for the meters (HOOK-5). */
  readonly onRun: (hook: AfterHook, micros: number, outcome: string) => void;
}

/** `failed`: its effect was refused, or it threw at every try; the writer was told so. */
export type HookVerdict = "done" | "failed";

const TRIES = 3;

interface KnownAccount extends HookAccountRow {
  readonly terms: AccountTerms | undefined;
}

export class HookExecutor {
  readonly #options: HookExecutorOptions;

  constructor(options: HookExecutorOptions) {
    this.#options = options;
  }

  async postPosting(trigger: HookTrigger, product: CataloguedProduct, attempt: number): Promise<HookVerdict> {
    const { database, bookId } = this.#options;
    const { batchId, accountId, seq } = trigger;
    const occasion = await findHookOccasion(database.sql, bookId, trigger);
    const group = await this.#findGroup();
    const { valueAt, bookedAt, cascadeDepth, adjustsPeriod } = occasion;
    const call: HookCall<"postPosting"> = {
      hook: "postPosting",
      executionId: executionIdOf("postPosting", accountId, formatId("batch", batchId)),
      attempt,
      accountId,
      product,
      effectiveAt: valueAt,
      occasion: {
        instructions: occasion.instructions,
        batchId,
        backdated: businessDateOf(valueAt, group) < businessDateOf(bookedAt, group), // T-7
      },
      seq,
      cascadeDepth: cascadeDepth + 1,
      correlationId: occasion.correlationId ?? formatId("batch", batchId),
      // What answers a batch that was let into a closed period may follow it there (T-2).
      permissions: adjustsPeriod ? ["posting.backdate.closed_period"] : [],
    };
    return await this.run(call, group);
  }

  /**
   * Throws what passes by itself, such as a database that is away: the same call is then safe to make again. What would be the same every time
   * is this account's failure and keeps nobody else waiting.
   */
  async run<K extends AfterHook>(call: HookCall<K>, group?: ProcessingGroup): Promise<HookVerdict> {
    try {
      return await this.#runTries(call, group);
    } catch (error) {
      if (classifyDatabaseError(error) !== "refused") throw error;
      return await this.#sendFailure(call, "CONTRACT_ERROR", error instanceof Error ? error.message : String(error));
    }
  }

  async #runTries<K extends AfterHook>(call: HookCall<K>, group?: ProcessingGroup): Promise<HookVerdict> {
    let reason = "";
    for (let tried = 1; tried <= TRIES; tried++) {
      const account = await this.#findAccount(call.accountId);
      const data = await this.#fetch(call, account, group ?? (await this.#findGroup()));
      const { product } = call.product;
      const { executionId, attempt } = call;
      const { productVersionId } = call.product;
      const run = runRecorded(product, call.hook, data, { executionId, attempt, productVersionId });
      this.#options.onRun(call.hook, Number(run.execution.durationMicros), run.outcome.kind);
      if (run.outcome.kind === "absent") return "done";
      if (run.outcome.kind === "answered")
        return await this.#sendAnswer(call, account, run.execution, run.outcome.answer);
      reason = run.outcome.message;
    }
    return await this.#sendFailure(call, "CONTRACT_ERROR", reason);
  }

  async #sendAnswer<K extends AfterHook>(
    call: HookCall<K>,
    account: HookData["account"],
    execution: ExecutionFacts,
    answer: Directives,
  ): Promise<HookVerdict> {
    if ((answer.schedules?.length ?? 0) > 0)
      return await this.#sendFailure(
        call,
        "CONTRACT_ERROR",
        "the product asks for schedules, and nothing runs them yet",
      );
    const notifications = notificationsOf(answer);
    if (answer.postings === undefined) {
      if (notifications.length > 0)
        await this.#submit(
          this.#effect(call, { type: "hookEffect", accountId: call.accountId, execution, notifications }),
        );
      return "done"; // with nothing to say there is nothing to keep: the run can be made again from its batch
    }
    const { effectiveAt, cascadeDepth, correlationId, permissions = [] } = call;
    // HOOK-3. Not sent at all: a batch of this depth has no place in the book, not even a refused one.
    if (cascadeDepth > MAX_CASCADE_DEPTH) {
      const { code, message } = refuse("CASCADE_DEPTH");
      return await this.#sendFailure(call, code, message);
    }
    const createdAt = this.#options.clock.now();
    const source = {
      execution,
      account,
      effectiveAt,
      cascadeDepth,
      correlationId,
      createdAt,
      notifications,
      permissions,
    };
    const outcome = await this.#submit(toContractCommand(answer.postings, source));
    const rejection = outcome.kind === "operation" ? outcome.operation.rejection : undefined;
    return rejection === undefined ? "done" : await this.#sendFailure(call, rejection.code, rejection.message);
  }

  async #sendFailure<K extends AfterHook>(call: HookCall<K>, code: string, reason: string): Promise<HookVerdict> {
    const { accountId, executionId, hook, seq, attempt } = call;
    const failure: HookFailure = {
      type: "hookFailure",
      accountId,
      executionId,
      hook,
      seq: seq.toString(),
      code,
      reason: reason.slice(0, 1_000),
      attempt,
    };
    await this.#submit(this.#effect(call, failure));
    return "failed";
  }

  #effect<K extends AfterHook>(call: HookCall<K>, change: HookEffect | HookFailure): TermsCommand {
    const { executionId, attempt, correlationId } = call;
    const idempotencyKey = `${change.type}:${executionId}#${attempt}`;
    return {
      kind: "terms",
      commandId: operationIdOf(CONTRACT_CLIENT, idempotencyKey),
      principal: CONTRACT_CLIENT,
      idempotencyKey,
      fingerprint: sha256Hex(idempotencyKey),
      correlationId,
      createdAt: this.#options.clock.now(),
      change,
    };
  }

  async #submit(command: Parameters<LedgerWriter["submit"]>[0]): Promise<WriterOutcome> {
    return await this.#options.writer.submit(command);
  }

  async #fetch<K extends AfterHook>(
    call: HookCall<K>,
    { accountId, denomination, tside, openedAt, parameters, terms }: KnownAccount,
    group: ProcessingGroup,
  ): Promise<HookData<K>> {
    const { database, bookId, clock } = this.#options;
    // Of each run anew: what this account's run before it has posted must be seen.
    const { knownAt } = await getHookCursor(database.sql, bookId);
    const { effectiveAt, occasion, hook, product } = call;
    const now = clock.now();
    const executedAt = now > knownAt ? now : knownAt;
    const reads = product.product.hooks?.[hook]?.reads ?? {};
    const fetched = await fetchHookData(
      database.sql,
      accountId,
      planFetches(reads, { effectiveAt, executedAt, group, knownAt }),
    );
    return {
      account: { accountId, denomination, tside, openedAt },
      effectiveAt,
      parameters: parametersAt(parameters, terms?.parameterHistory, effectiveAt),
      flags: terms?.flags && raisedFlags(terms.flags, effectiveAt),
      ...fetched,
      occasion,
    };
  }

  async #findAccount(accountId: Uuid): Promise<KnownAccount> {
    const { database, bookId } = this.#options;
    const stored = await findStoredAccount(database.sql, bookId, accountId);
    if (stored === undefined) throw new Error(`account ${accountId} has postings and is not there`);
    const terms = (await findAccountTerms(database.sql, bookId, [accountId])).get(accountId);
    return { ...stored, terms };
  }

  async #findGroup(): Promise<ProcessingGroup> {
    const { database, bookId } = this.#options;
    const groups = await listProcessingGroups(database.sql, bookId);
    const group = groups.find(({ code }) => code === MAIN_PROCESSING_GROUP);
    if (group === undefined) throw new Error(`book ${bookId} has no processing group. Run the migrations.`);
    return group;
  }
}
