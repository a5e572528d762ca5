import {
  executionIdOf,
  formatId,
  parametersAt,
  planConversion,
  refuse,
  type AccountState,
  type Directives,
  type ParameterValues,
  type Refusal,
  type Uuid,
} from "@florin/kernel";
import type { CommitDraft } from "./commit-draft.js";
import type { PostingCommand } from "./command.js";
import { addExecution, judgeContract, notificationsOf, runRecorded, toContractCommand } from "./plan-hooks.js";
import { planPosting } from "./plan-posting.js";
import { findCustomerAccount, tell, type TermsDecision } from "./terms-change.js";
import type { CataloguedProduct } from "./product-catalogue.js";
import type {
  AccountConversion,
  ConversionStart,
  ExecutionFacts,
  NotificationFacts,
  TermsCommand,
} from "./terms-command.js";

/**
 * Moves accounts to another version of their product (§2.9), now and never backdated: each by itself, so what is refused for one stops no
 * other. Parameters that both versions know are kept, balances neither made nor removed; the new version's conversion hook may post.
 */
export function planConversions(draft: CommitDraft, command: TermsCommand, change: AccountConversion): TermsDecision {
  const { accountIds, toVersionId, page } = change;
  const to = draft.catalogue.findVersion(toVersionId);
  if (to === undefined) return refuse("PRODUCT_UNKNOWN");
  const conversionId = page?.conversionId ?? command.commandId;
  for (const accountId of new Set(accountIds)) {
    const refusal = convertAccount(draft, command, accountId, to);
    draft.terms.conversionResults.push({
      conversionId,
      accountId,
      rejectionCode: refusal?.code,
      rejectionMessage: refusal?.message,
    });
    if (refusal !== undefined)
      draft.addEvent({
        key: formatId("account", accountId),
        type: "account.conversion_refused",
        correlationId: command.correlationId,
        changeId: formatId("operation", command.commandId),
        audience: [],
        payload: {
          accountId: formatId("account", accountId),
          toVersion: formatId("productVersion", toVersionId),
          ...refusal,
        },
      });
  }
  if (page !== undefined) addStep(draft, command, page, accountIds.at(-1));
  return undefined;
}

function addStep(
  draft: CommitDraft,
  command: TermsCommand,
  { conversionId, isLast }: NonNullable<AccountConversion["page"]>,
  afterAccountId: Uuid | undefined,
): void {
  draft.terms.conversionSteps.push({ conversionId, afterAccountId, finishedAt: isLast ? draft.bookedAt : undefined });
  if (isLast) tell(draft, command, { kind: "conversion.finished", key: formatId("operation", conversionId), body: {} });
}

export function planConversionStart(draft: CommitDraft, command: TermsCommand, change: ConversionStart): TermsDecision {
  const from = draft.catalogue.findVersion(change.fromVersionId);
  const to = draft.catalogue.findVersion(change.toVersionId);
  if (from === undefined || to === undefined) return refuse("PRODUCT_UNKNOWN");
  if (from.product.code !== to.product.code || from.productVersionId === to.productVersionId)
    return refuse("CONVERSION_INVALID");
  const { fromVersionId, toVersionId } = change;
  const { commandId: conversionId, principal, correlationId } = command;
  const { seq } = tell(draft, command, {
    kind: "conversion.started",
    key: formatId("operation", conversionId),
    body: {
      fromVersion: formatId("productVersion", fromVersionId),
      toVersion: formatId("productVersion", toVersionId),
    },
  });
  const startedAt = draft.bookedAt;
  draft.terms.conversions.push({ conversionId, seq, fromVersionId, toVersionId, principal, correlationId, startedAt });
  return undefined;
}

function convertAccount(
  draft: CommitDraft,
  command: TermsCommand,
  accountId: Uuid,
  to: CataloguedProduct,
): Refusal | undefined {
  const found = findCustomerAccount(draft, accountId);
  if ("code" in found) return found;
  const { account, product } = found;
  const from = draft.catalogue.getEntry(product);
  const oldParameters = parametersAt(account.parameters, account.parameterHistory, draft.bookedAt);
  const conversion = planConversion(product, to.product, account.denomination, oldParameters);
  if (conversion.kind === "refused") return conversion.refusal;
  const hook = judgeHook(draft, command, { account, from, to, oldParameters, newParameters: conversion.parameters });
  if (hook !== undefined && "code" in hook) return hook;
  if (hook?.posting !== undefined) planPosting(draft, hook.posting);
  else if (hook !== undefined)
    addExecution(draft, { accountId, ...hook, batchId: undefined, correlationId: command.correlationId });
  const { seq } = tell(draft, command, {
    kind: "account.converted",
    key: formatId("account", accountId),
    body: {
      fromVersion: formatId("productVersion", from.productVersionId),
      toVersion: formatId("productVersion", to.productVersionId),
      parameters: conversion.parameters,
      dropped: conversion.dropped,
    },
    audience: draft.ownersOf(accountId),
  });
  draft.terms.accountVersions.push({
    accountId,
    seq,
    fromVersionId: from.productVersionId,
    toVersionId: to.productVersionId,
    oldParameters,
    newParameters: conversion.parameters,
    convertedAt: draft.bookedAt,
  });
  const now = draft.view.accounts.get(accountId) ?? account; // the hook may have posted
  draft.view.accounts.set(accountId, { ...now, product: to.product, parameters: conversion.parameters });
  return undefined;
}

interface JudgedHook {
  readonly execution: ExecutionFacts;
  readonly notifications: readonly NotificationFacts[];
  readonly posting: PostingCommand | undefined;
}

/** The new version's conversion hook. A fault, or a batch that would be refused, leaves the account on its version. */
function judgeHook(
  draft: CommitDraft,
  command: TermsCommand,
  given: {
    readonly account: AccountState;
    readonly from: CataloguedProduct;
    readonly to: CataloguedProduct;
    readonly oldParameters: ParameterValues;
    readonly newParameters: ParameterValues;
  },
): JudgedHook | Refusal | undefined {
  const { account, from, to, oldParameters, newParameters } = given;
  if (to.product.hooks?.conversion === undefined) return undefined;
  const { accountId, denomination, tside, openedAt } = account;
  const trigger = `${formatId("operation", command.commandId)}`;
  const run = {
    executionId: executionIdOf("conversion", accountId, trigger),
    attempt: 1,
    productVersionId: to.productVersionId,
  };
  const { outcome, execution } = runRecorded(
    to.product,
    "conversion",
    {
      account: { accountId, denomination, tside, openedAt },
      effectiveAt: draft.bookedAt,
      parameters: newParameters,
      occasion: { fromVersion: from.product.version, oldParameters, schedules: [] },
    },
    run,
  );
  if (outcome.kind !== "answered") return refuse("CONTRACT_ERROR");
  return judgeDirectives(draft, command, account, execution, outcome.answer);
}

function judgeDirectives(
  draft: CommitDraft,
  command: TermsCommand,
  account: AccountState,
  execution: ExecutionFacts,
  answer: Directives,
): JudgedHook | Refusal {
  if ((answer.schedules?.length ?? 0) > 0) return refuse("CONTRACT_ERROR", "nothing runs schedules yet");
  const notifications = notificationsOf(answer);
  if (answer.postings === undefined) return { execution, notifications, posting: undefined };
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
  return "refusal" in judged ? judged.refusal : { execution, notifications, posting };
}
