import { formatId, refuse } from "@florin/kernel";
import type { CommitDraft } from "./commit-draft.js";
import { addExecution } from "./plan-hooks.js";
import { tell, type TermsDecision } from "./terms-change.js";
import type { HookEffect, HookFailure, HookFailureResolution, TermsCommand } from "./terms-command.js";
import type { TermsFacts } from "./terms-facts.js";

/** A run that posts nothing and has something to say. */
export function planHookEffect(draft: CommitDraft, command: TermsCommand, change: HookEffect): TermsDecision {
  const { accountId, execution, notifications } = change;
  addExecution(draft, {
    accountId,
    execution,
    notifications,
    batchId: undefined,
    correlationId: command.correlationId,
  });
  return undefined;
}

/** §2.9: the account stays usable; its later hooks wait until somebody has looked. */
export function planHookFailure(draft: CommitDraft, command: TermsCommand, change: HookFailure): TermsDecision {
  const { accountId, executionId, hook, seq, code, reason, attempt } = change;
  tell(draft, command, {
    kind: "account.post_processing_failed",
    key: formatId("account", accountId),
    body: { executionId, hook, seq, code, reason, attempt },
  });
  const failedAt = draft.bookedAt;
  draft.terms.postProcessingFailures.push({
    executionId,
    accountId,
    hook,
    seq: BigInt(seq),
    code,
    reason,
    attempt,
    failedAt,
  });
  return undefined;
}

/** An operator has the hook run again, or leaves it out; what came behind it is shown to the account's hooks after that, in order. */
export function planHookFailureResolution(
  draft: CommitDraft,
  command: TermsCommand,
  { executionId, accountId, resolution }: HookFailureResolution,
  facts: TermsFacts,
): TermsDecision {
  const failure = facts.failures.get(executionId);
  const isDone = draft.terms.resolvedFailures.some((resolved) => resolved.executionId === executionId);
  if (failure === undefined || failure.resolvedAt !== null || failure.accountId !== accountId || isDone)
    return refuse("FAILURE_UNKNOWN");
  const { seq, attempt } = failure;
  const told = tell(draft, command, {
    kind: "account.post_processing_resolved",
    key: formatId("account", accountId),
    body: { executionId, resolution },
  });
  draft.terms.resolvedFailures.push({ executionId, resolution, resolvedAt: draft.bookedAt });
  draft.terms.hookTasks.push({
    executionId: `again:${formatId("account", accountId)}:${told.seq}`,
    seq: told.seq,
    accountId,
    hook: "postPosting",
    effectiveAt: draft.bookedAt,
    payload: { fromSeq: (resolution === "SKIPPED" ? seq + 1n : seq).toString(), attempt: attempt + 1, executionId },
  });
  return undefined;
}
