import { z } from "zod";
import type { Database } from "@florin/db";
import {
  deleteHookTask,
  getHookCursor,
  hasAccountsOfVersions,
  listAccountVersions,
  listHookTasks,
  listHookTriggers,
  listProductCatalogue,
  listQuarantinedAccounts,
  moveHookCursor,
  type HookTask,
  type HookTrigger,
} from "@florin/db/ledger";
import { hookBudgets, type Clock, type Product, type Uuid } from "@florin/kernel";
import { faultPoint, startRepeatingTask, type RepeatingTask } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import type { LedgerWriter } from "../writer/command.js";
import {
  createProductCatalogue,
  type CataloguedProduct,
  type LoadProduct,
  type ProductCatalogue,
} from "../writer/product-catalogue.js";
import { HookExecutor, type AfterHook, type HookVerdict } from "./execute-hook.js";

/**
 * Shows committed batches to the postPosting of their accounts, and changed parameters to postParameterChange (§2.9), in the process that holds
 * the lease.
 *
 *   cursor ─► a window of the book's order ─► triggers of accounts whose product has the hook ─► for each account in order of seq: run ─► cursor
 *
 * At least once, and once in effect: executions have deterministic ids, and so have the commands that they send. The cursor moves when a whole
 * window is through; whoever dies before that runs the window again. What fails keeps its account's later hooks waiting and stops nobody
 * else: a row of ledger.post_processing_failure, until an operator has it retried or skipped. What it costs: nothing where no account has such
 * a product (HOOK-6). Bounds: WINDOW records, PARALLEL accounts.
 */
export interface HookRunnerOptions {
  readonly database: Database;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly products: readonly Product[];
  readonly loadProduct?: LoadProduct | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Default 250; 0: never. */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 250;
const BOOK = 1;
const WINDOW = 500n;
const TASKS = 50;
const PARALLEL = 8;

export function startHookRunner(options: HookRunnerOptions): RepeatingTask {
  const { logger, everyMs = EVERY_MS } = options;
  if (everyMs === 0) return { stop: () => Promise.resolve() };
  const runner = createHookRunner(options);
  return startRepeatingTask({
    everyMs,
    round: async (isStopped) => {
      while (!isStopped() && (await runner.runWindow()));
    },
    onFailure: (error) => logger.warn({ err: error }, "Hooks after commits could not be run; they are tried again."),
  });
}

/** One look: whether there may be more. false in a process without the lease. */
export function createHookRunner(options: HookRunnerOptions): { runWindow(): Promise<boolean> } {
  const { database, writer, products, loadProduct } = options;
  const executor = new HookExecutor({ ...options, bookId: BOOK, onRun: createRunMeter(options) });
  let catalogue: ProductCatalogue | undefined;

  async function readCatalogue(): Promise<ProductCatalogue> {
    const records = await listProductCatalogue(database.sql);
    return (catalogue = createProductCatalogue(records, products, loadProduct, catalogue));
  }

  async function runWindow(): Promise<boolean> {
    if (!writer.isLeader()) return false;
    const { seq, headSeq } = await getHookCursor(database.sql, BOOK);
    const tasks = await listHookTasks(database.sql, BOOK, TASKS);
    if (seq >= headSeq && tasks.length === 0) return false;
    const known = await readCatalogue();
    for (const task of tasks) await runTask(known, task, seq);
    const upTo = seq + WINDOW < headSeq ? seq + WINDOW : headSeq;
    const versionIds = versionsWith(known, "postPosting");
    if (!(await hasAccountsOfVersions(database.sql, BOOK, versionIds))) {
      await moveCursor(seq, headSeq);
      return tasks.length === TASKS;
    }
    const triggers = await listHookTriggers(database.sql, BOOK, { after: seq, upTo, productVersionIds: versionIds });
    await runTriggers(known, triggers);
    const isMoved = await moveCursor(seq, upTo);
    return isMoved && (upTo < headSeq || triggers.length > 0); // what hooks posted is shown to hooks, too
  }

  async function moveCursor(from: bigint, to: bigint): Promise<boolean> {
    faultPoint("ledger.hooks.before-cursor");
    return await moveHookCursor(database.sql, BOOK, from, to);
  }

  async function runTriggers(known: ProductCatalogue, triggers: readonly HookTrigger[]): Promise<void> {
    const byAccount = groupByAccount(triggers);
    const accountIds = [...byAccount.keys()];
    const quarantined = await listQuarantinedAccounts(database.sql, BOOK, accountIds);
    const versions = await versionsOf(known, accountIds);
    const waiting = accountIds.filter((accountId) => !quarantined.has(accountId));
    const work = async (): Promise<void> => {
      for (let accountId = waiting.pop(); accountId !== undefined; accountId = waiting.pop())
        await runAccount(byAccount.get(accountId) ?? [], versions(accountId), 1);
    };
    const results = await Promise.allSettled(Array.from({ length: PARALLEL }, work));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** One account's batches, in order; the first that fails keeps the rest back. */
  async function runAccount(
    triggers: readonly HookTrigger[],
    versionAt: (seq: bigint) => CataloguedProduct | undefined,
    firstAttempt: number,
  ): Promise<HookVerdict> {
    let attempt = firstAttempt;
    for (const trigger of triggers) {
      const product = versionAt(trigger.seq);
      const hasHook = product?.product.hooks?.postPosting !== undefined;
      if (hasHook && (await executor.postPosting(trigger, product, attempt)) === "failed") return "failed";
      attempt = 1; // only the first was tried before
    }
    return "done";
  }

  /** Each account's version by place in the book's order: what came before a conversion is shown to the older one. */
  async function versionsOf(known: ProductCatalogue, accountIds: readonly Uuid[]) {
    const history = await listAccountVersions(database.sql, BOOK, accountIds);
    return (accountId: Uuid) => (seq: bigint) => {
      const own = history.get(accountId);
      const later = own?.conversions.find((conversion) => conversion.seq > seq);
      const versionId = later?.fromVersionId ?? own?.productVersionId;
      return versionId === undefined ? undefined : known.findVersion(versionId);
    };
  }

  async function runTask(known: ProductCatalogue, task: HookTask, cursor: bigint): Promise<void> {
    const { accountId, executionId } = task;
    const isQuarantined = (await listQuarantinedAccounts(database.sql, BOOK, [accountId])).has(accountId);
    if (isQuarantined) return; // behind what failed
    const versions = await versionsOf(known, [accountId]);
    if (task.hook === "postPosting") await runAgain(known, task, versions(accountId), cursor);
    else await runParameterChange(task, versions(accountId)(task.seq));
    await deleteHookTask(database.sql, BOOK, executionId);
  }

  /** An account's batches from the one that failed up to the cursor, which has passed them by. */
  async function runAgain(
    known: ProductCatalogue,
    task: HookTask,
    versionAt: (seq: bigint) => CataloguedProduct | undefined,
    cursor: bigint,
  ): Promise<void> {
    const { fromSeq, attempt } = againSchema.parse(task.payload);
    const wanted = { after: fromSeq - 1n, upTo: cursor, productVersionIds: versionsWith(known, "postPosting") };
    const triggers = await listHookTriggers(database.sql, BOOK, { ...wanted, accountId: task.accountId });
    const first = triggers[0]?.seq === fromSeq ? attempt : 1;
    await runAccount(triggers, versionAt, first);
  }

  async function runParameterChange(task: HookTask, product: CataloguedProduct | undefined): Promise<void> {
    if (product === undefined) return;
    const { executionId, accountId, effectiveAt, seq } = task;
    await executor.run({
      hook: "postParameterChange",
      executionId,
      attempt: 1,
      accountId,
      product,
      effectiveAt,
      occasion: changeSchema.parse(task.payload),
      seq,
      cascadeDepth: 1,
      correlationId: executionId,
    });
  }

  return { runWindow };
}

const againSchema = z.object({
  fromSeq: z.string().transform((text) => BigInt(text)),
  attempt: z.number(),
});
const values = z.record(z.string(), z.string());
const changeSchema = z.object({ oldParameters: values, newParameters: values });

function versionsWith(catalogue: ProductCatalogue, hook: AfterHook): readonly Uuid[] {
  return catalogue.entries.flatMap(({ product, productVersionId }) =>
    product.hooks?.[hook] === undefined ? [] : [productVersionId],
  );
}

function groupByAccount(triggers: readonly HookTrigger[]): ReadonlyMap<Uuid, readonly HookTrigger[]> {
  const groups = new Map<Uuid, HookTrigger[]>();
  for (const trigger of triggers) {
    const group = groups.get(trigger.accountId);
    if (group === undefined) groups.set(trigger.accountId, [trigger]);
    else group.push(trigger);
  }
  return groups;
}

/** HOOK-5: what is built in is not cut, so it is reported. */
function createRunMeter({ metrics, logger }: HookRunnerOptions) {
  const seconds = metrics.histogram({
    name: "florin_ledger_hook_seconds",
    help: "Runs of hooks after commits.",
    labelNames: ["hook"],
  });
  const runs = metrics.counter({
    name: "florin_ledger_hook_runs_total",
    help: "Runs of hooks after commits, by outcome.",
    labelNames: ["hook", "outcome"],
  });
  return (hook: AfterHook, micros: number, outcome: string): void => {
    seconds.observe({ hook }, micros / 1_000_000);
    runs.inc({ hook, outcome });
    if (micros > hookBudgets.otherMillis * 1_000) logger.warn({ hook, micros }, "a hook took longer than its budget");
  };
}
