import {
  executionIdOf,
  formatId,
  parametersAt,
  refuse,
  type AccountState,
  type Directives,
  type HookAnswers,
  type Json,
  type Refusal,
  type Uuid,
} from "@florin/kernel";
import type { CloseAccountCommand, OpenAccountCommand, PostingCommand } from "./command.js";
import type { CommitDraft } from "./commit-draft.js";
import type { CommitFacts } from "./commit-facts.js";
import {
  addExecution,
  judgeContract,
  notificationsOf,
  runRecorded,
  toContractCommand,
  type HookRun,
} from "./plan-hooks.js";
import { planPosting } from "./plan-posting.js";
import type { ExecutionFacts, NotificationFacts } from "./terms-command.js";

/**
 * The hooks inside an opening and a closing (§2.9): both are judged before anything is written, since what they refuse is refused whole.
 * `commit` writes what an accepted hook said; undefined: the product has no such hook (HOOK-6).
 */
export interface JudgedAccountHook {
  readonly execution: ExecutionFacts;
  readonly notifications: readonly NotificationFacts[];
  readonly posting: PostingCommand | undefined;
  /** The account as the hook's batch leaves it. */
  readonly account: AccountState;
}

type AccountCommand = OpenAccountCommand | CloseAccountCommand;

/** @param account as it will be when the hook's batch is judged: there, and not open yet. */
export function judgeActivation(
  draft: CommitDraft,
  command: OpenAccountCommand,
  account: AccountState,
  productVersionId: Uuid,
): JudgedAccountHook | { readonly refusal: Refusal } | undefined {
  const { product } = account;
  if (product?.hooks?.activation === undefined) return undefined;
  const run = runRecorded(
    product,
    "activation",
    { account: hookAccount(account), effectiveAt: account.openedAt, parameters: account.parameters, occasion: {} },
    { executionId: executionIdOf("activation", account.accountId, "opening"), attempt: 1, productVersionId },
  );
  if (run.outcome.kind === "failed") tellFailure(draft, command, "account.activation_failed", run.outcome.message);
  return judgeAnswer(draft, command, account, run);
}

/** HOOK-7: what the hook may sweep must leave nothing behind; that is looked at by the caller, on the account that is returned. */
export function judgeDeactivation(
  draft: CommitDraft,
  command: CloseAccountCommand,
  account: AccountState,
  facts: CommitFacts,
): JudgedAccountHook | { readonly refusal: Refusal } | undefined {
  const { product } = account;
  if (product?.hooks?.deactivation === undefined) return undefined;
  const run = runRecorded(
    product,
    "deactivation",
    {
      account: hookAccount(account),
      effectiveAt: draft.bookedAt,
      parameters: parametersAt(account.parameters, account.parameterHistory, draft.bookedAt),
      occasion: {},
      ...facts.hookData.get(command.commandId),
    },
    {
      executionId: executionIdOf("deactivation", account.accountId, formatId("command", command.commandId)),
      attempt: 1,
      productVersionId: draft.catalogue.getEntry(product).productVersionId,
    },
  );
  if (run.outcome.kind === "failed") tellFailure(draft, command, "account.deactivation_failed", run.outcome.message);
  return judgeAnswer(draft, command, account, run);
}

/** Writes what was judged: its batch, or its record alone. */
export function commitAccountHook(draft: CommitDraft, command: AccountCommand, judged: JudgedAccountHook): void {
  const { execution, notifications, posting } = judged;
  const { accountId, correlationId } = command;
  if (posting !== undefined) planPosting(draft, posting);
  else addExecution(draft, { accountId, execution, notifications, batchId: undefined, correlationId });
}

function hookAccount({ accountId, denomination, tside, openedAt }: AccountState) {
  return { accountId, denomination, tside, openedAt };
}

function judgeAnswer(
  draft: CommitDraft,
  command: AccountCommand,
  account: AccountState,
  { outcome, execution }: HookRun<"activation" | "deactivation">,
): JudgedAccountHook | { readonly refusal: Refusal } {
  if (outcome.kind !== "answered") return { refusal: refuse("CONTRACT_ERROR") };
  const { answer } = outcome;
  if (isRejection(answer)) return { refusal: { code: answer.reject.code, message: answer.reject.message } };
  return judgeDirectives(draft, command, account, execution, answer);
}

function judgeDirectives(
  draft: CommitDraft,
  command: AccountCommand,
  account: AccountState,
  execution: ExecutionFacts,
  answer: Directives,
): JudgedAccountHook | { readonly refusal: Refusal } {
  if ((answer.schedules?.length ?? 0) > 0) return { refusal: refuse("CONTRACT_ERROR", "nothing runs schedules yet") };
  const notifications = notificationsOf(answer);
  if (answer.postings === undefined) return { execution, notifications, posting: undefined, account };
  const posting = toContractCommand(answer.postings, {
    execution,
    account,
    effectiveAt: draft.bookedAt,
    cascadeDepth: 1,
    correlationId: command.correlationId,
    createdAt: command.createdAt,
    notifications,
  });
  const judged = judgeContract(draft, posting, account);
  return "refusal" in judged ? judged : { execution, notifications, posting, account: judged.account };
}

type Answer = HookAnswers["activation"] | HookAnswers["deactivation"];

function isRejection(answer: Answer): answer is Extract<Answer, { readonly reject: Refusal }> {
  return answer.reject !== undefined;
}

/** For operators: who asked is told CONTRACT_ERROR, and nothing of the product's inside. */
function tellFailure(draft: CommitDraft, command: AccountCommand, type: string, reason: string): void {
  const key = formatId("account", command.accountId);
  const payload: Json = { accountId: key, reason };
  draft.addEvent({ key, type, correlationId: command.correlationId, audience: [], payload });
}
