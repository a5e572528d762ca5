import {
  CONTRACT_CLIENT,
  decideBatch,
  formatId,
  recordExecution,
  refuse,
  runHook,
  type AccountState,
  type BookView,
  type CurrencyCode,
  type HookData,
  type HookKind,
  type HookOutcome,
  type Instant,
  type PostingsDirective,
  type Product,
  type Refusal,
  type Uuid,
} from "@florin/kernel";
import { operationIdOf, sha256Hex } from "@florin/db";
import type { PostingCommand, ProposedCustom } from "./command.js";
import type { CommitDraft } from "./commit-draft.js";
import { proposeBatch } from "./plan-proposal.js";
import type { ExecutionFacts, NotificationFacts } from "./terms-command.js";

/**
 * Hooks that answer with a batch: what they say becomes a posting command of origin CONTRACT, whose key is the execution's, so that a hook
 * that runs twice posts once (CT-1, HOOK-3). Hooks inside an opening, a conversion or a closing run here, in the decision; those after a
 * commit run in tasks/run-hooks.ts and send the same command.
 */
export interface HookRun<K extends HookKind> {
  readonly outcome: HookOutcome<K>;
  readonly execution: ExecutionFacts;
}

/** Measured, for HOOK-5: what is uploaded is cut by its sandbox, what is built in is reported. */
export function runRecorded<K extends HookKind>(
  product: Product,
  kind: K,
  data: HookData<K>,
  run: { readonly executionId: string; readonly attempt: number; readonly productVersionId: Uuid },
): HookRun<K> {
  const startedAt = performance.now();
  const outcome = runHook(product, kind, data);
  const durationMicros = Math.round((performance.now() - startedAt) * 1_000).toString();
  const { hook, format, inputs, outcome: text } = recordExecution(run.executionId, product, kind, data, outcome);
  return { outcome, execution: { ...run, hook, format, inputs, outcome: text, durationMicros } };
}

export interface ContractSource {
  readonly execution: ExecutionFacts;
  readonly account: { readonly accountId: Uuid; readonly denomination: CurrencyCode };
  /** HOOK-2. */
  readonly effectiveAt: Instant;
  /** 1 for what answers a client's batch; one more for each batch of a product in between (HOOK-3). */
  readonly cascadeDepth: number;
  readonly correlationId: string;
  readonly createdAt: Instant;
  readonly notifications: readonly NotificationFacts[];
  readonly permissions?: readonly string[];
}

/** The directive as a command. Running again with another answer gives the same command's outcome: its fingerprint is the execution's. */
export function toContractCommand(directive: PostingsDirective, source: ContractSource): PostingCommand {
  const { execution, account, effectiveAt, cascadeDepth, correlationId, createdAt, notifications, permissions } =
    source;
  const { executionId, attempt } = execution;
  const idempotencyKey = attempt === 1 ? executionId : `${executionId}#${attempt}`;
  const { accountId, denomination: currency } = account;
  const instructions = directive.instructions.map(
    ({ legs, details, overrideRestrictions, truesUp }, ordinal): ProposedCustom => ({
      type: "CUSTOM_INSTRUCTION",
      clientTransactionId: `hook_${executionId}:${ordinal}`, // the same at every attempt, so that only one can ever post
      details,
      overrideRestrictions,
      truesUp,
      legs: legs.map((leg) => ({
        account: leg.account === "SELF" ? { accountId } : leg.account,
        address: leg.address,
        side: leg.side,
        money: { amount: leg.amount, currency },
      })),
    }),
  );
  return {
    kind: "posting",
    type: "OTHER",
    commandId: operationIdOf(CONTRACT_CLIENT, idempotencyKey),
    principal: CONTRACT_CLIENT,
    idempotencyKey,
    fingerprint: sha256Hex(idempotencyKey),
    correlationId,
    createdAt,
    clientBatchId: undefined,
    valueAt: directive.valueAt ?? effectiveAt,
    instructions,
    account: accountId,
    origin: "CONTRACT",
    emittedBy: { accountId, cascadeDepth },
    permissions,
    execution,
    notifications,
  };
}

/**
 * What would become of the batch, with nothing changed: for hooks whose refused batch refuses the whole of what they are part of. The emitter
 * as it is given, the others as the view has them.
 */
export function judgeContract(
  draft: CommitDraft,
  command: PostingCommand,
  emitter: AccountState,
): { readonly account: AccountState } | { readonly refusal: Refusal } {
  const proposed = proposeBatch(draft, command);
  const accounts = new Map<Uuid, AccountState>([[emitter.accountId, emitter]]);
  for (const instruction of proposed.instructions)
    for (const { account } of instruction.type === "CUSTOM_INSTRUCTION" ? instruction.legs : []) {
      const state = account === undefined ? undefined : draft.view.accounts.get(account);
      if (state !== undefined && !accounts.has(state.accountId)) accounts.set(state.accountId, state);
    }
  const copy: BookView = { accounts, clientTransactions: new Map(), reversed: new Set() };
  try {
    const decision = decideBatch(copy, proposed);
    const [first] = decision.kind === "rejected" ? decision.violations : [];
    if (first !== undefined) return { refusal: { code: first.code, message: first.message } };
    return { account: accounts.get(emitter.accountId) ?? emitter };
  } catch (fault) {
    draft.faults.push(fault);
    return { refusal: refuse("CONTRACT_ERROR") };
  }
}

/** The run's record, with the batch that it caused (HOOK-4), and what it wants its account's owners to hear. */
export function addExecution(
  draft: CommitDraft,
  run: {
    readonly accountId: Uuid;
    readonly execution: ExecutionFacts;
    readonly notifications: readonly NotificationFacts[];
    readonly batchId: Uuid | undefined;
    readonly correlationId: string;
  },
): void {
  const { accountId, execution, batchId } = run;
  const { durationMicros, ...facts } = execution;
  draft.terms.hookExecutions.push({
    ...facts,
    accountId,
    batchId,
    durationMicros: BigInt(durationMicros),
    executedAt: draft.bookedAt,
  });
  const key = formatId("account", accountId);
  for (const { type, details } of run.notifications)
    draft.addEvent({
      key,
      type: "account.notification",
      correlationId: run.correlationId,
      audience: draft.ownersOf(accountId),
      payload: { accountId: key, type, details, hook: execution.hook, executionId: execution.executionId },
    });
}

/** What a hook says beside postings. Schedules are kept with the run and are not run yet: a product that asks for one fails closed. */
export function notificationsOf(answer: {
  readonly notifications?: readonly NotificationFacts[] | undefined;
  readonly schedules?: readonly unknown[] | undefined;
}): readonly NotificationFacts[] {
  if ((answer.schedules?.length ?? 0) > 0) throw new Error("the product asks for schedules, and nothing runs them yet");
  return answer.notifications ?? [];
}
