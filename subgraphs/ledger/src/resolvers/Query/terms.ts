import { mayDo } from "@florin/auth";
import { formatId, notFound, parseId, RequestError, type Uuid } from "@florin/kernel";
import { getReadableAccount, signedInViewer } from "../../access.js";
import type { LedgerContext } from "../../context.js";
import { accountIdOf, toAccountReference } from "../account-reference.js";

/** For operators and auditors: conversions, runs of hooks, and what failed after commits. */
function assertMayLook(context: LedgerContext, what: string): void {
  const viewer = signedInViewer(context);
  const decision = mayDo(viewer, "terms:read");
  context.accessLog.record(viewer, "terms:read", what, decision);
  if (!decision.allowed) throw new RequestError("FORBIDDEN", "Only operators and auditors see this. Ask one of them.");
}

const MAX_RESULTS = 1_000;
const MAX_PAGE = 100;
const DEFAULT_PAGE = 20;

function pageOf(first: number | null | undefined): number {
  return Math.min(Math.max(first ?? DEFAULT_PAGE, 1), MAX_PAGE);
}

/** Finished: one of a whole version has its end, one of some accounts is done when it is committed. */
export async function conversionOf(context: LedgerContext, id: Uuid) {
  const [summary, results] = await Promise.all([
    context.terms.findConversion(id),
    context.terms.listConversionResults(id, MAX_RESULTS),
  ]);
  const { converted, refused, startedAt, finishedAt } = summary;
  if (startedAt === null && results.length === 0) throw notFound("conversion");
  return {
    id: formatId("operation", id),
    isFinished: startedAt === null || finishedAt !== null,
    converted,
    refused,
    results: results.map(({ accountId, rejectionCode, rejectionMessage }) => ({
      account: toAccountReference(accountId),
      rejection: rejectionCode === null ? null : { code: rejectionCode, message: rejectionMessage ?? "" },
    })),
  };
}

export async function conversion(_root: unknown, { id }: { readonly id: string }, context: LedgerContext) {
  assertMayLook(context, id);
  const conversionId = parseId("operation", id);
  if (conversionId === undefined) throw notFound("conversion");
  return await conversionOf(context, conversionId);
}

export async function hookExecutions(
  _root: unknown,
  { accountId, first }: { readonly accountId: string; readonly first?: number | null },
  context: LedgerContext,
) {
  assertMayLook(context, accountId);
  const account = await getReadableAccount(context, accountIdOf({ id: accountId }));
  const executions = await context.terms.listHookExecutions(account.accountId, pageOf(first));
  return executions.map(({ batchId, durationMicros, inputs, outcome, ...execution }) => ({
    ...execution,
    inputs: JSON.parse(inputs) as unknown,
    outcome: JSON.parse(outcome) as unknown,
    durationMicros: Number(durationMicros),
    batchId: batchId === null ? null : formatId("batch", batchId),
  }));
}

export async function postProcessingFailures(
  _root: unknown,
  { first }: { readonly first?: number | null },
  context: LedgerContext,
) {
  assertMayLook(context, "post-processing-failures");
  const failures = await context.terms.listOpenFailures(pageOf(first));
  return failures.map(({ accountId, ...failure }) => ({ ...failure, account: toAccountReference(accountId) }));
}
