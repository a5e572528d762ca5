import { idempotencyKeyReused, type Json } from "@florin/kernel";
import { fingerprintOf, operationIdOf } from "@florin/db";
import { signedInViewer } from "../access.js";
import type { LedgerContext } from "../context.js";
import { pendingOperation } from "../operation-record.js";
import type { CommandBase } from "../writer/command-base.js";
import type { OperationRecord, PostingCommand, WriterOutcome } from "../writer/command.js";
import type { TermsChange, TermsCommand } from "../writer/terms-command.js";

/**
 * From a checked request to an operation in whatever state it has reached (design: "Waiting").
 *
 *   waitMs > 0: tell the writer and wait for its commit; when the wait is over first, make the command durable, then answer PENDING.
 *   waitMs = 0: make the command durable, then answer what is there already.
 *
 * PENDING is never answered before the command, or its effect, is committed. One key is one operation, whichever way it came.
 */
export interface CheckedRequest {
  readonly idempotencyKey: string;
  readonly waitMs: number;
  /** What the fingerprint is taken of: the mutation's name and its input without key and waiting time. */
  readonly fingerprinted: Readonly<Record<string, unknown>>;
  readonly posting: Pick<
    PostingCommand,
    | "type"
    | "clientBatchId"
    | "valueAt"
    | "details"
    | "instructions"
    | "reversal"
    | "account"
    | "amount"
    | "permissions"
  >;
}

/** Left of the caller's budget for making the command durable and for reading what the answer selects. */
const RESERVE_MS = 300;

export function performOperation(context: LedgerContext, request: CheckedRequest): Promise<OperationRecord> {
  return perform(context, { ...commandBase(context, request), kind: "posting", ...request.posting }, request.waitMs);
}

/** The same for a change of terms. */
export function performTerms(
  context: LedgerContext,
  request: Omit<CheckedRequest, "posting"> & { readonly change: TermsChange },
): Promise<OperationRecord> {
  return perform(context, { ...commandBase(context, request), kind: "terms", change: request.change }, request.waitMs);
}

async function perform(
  context: LedgerContext,
  command: PostingCommand | TermsCommand,
  longest: number,
): Promise<OperationRecord> {
  const waitMs = Math.min(longest, context.deadlineAt - performance.now() - RESERVE_MS);
  const outcome = waitMs > 0 ? await submitWithin(context, command, waitMs) : undefined;
  if (outcome !== undefined) return takeOutcome(context, outcome);
  if ((await context.writer.enqueue(command)) === "key-reused") throw idempotencyKeyReused();
  const operation = (await context.readers.findOperation(command.commandId)) ?? pendingOperation(command);
  // The first call's own clock reading stands on the operation, so another one tells that this is a repetition.
  if (operation.createdAt !== command.createdAt) context.florin.idempotencyReplayed = true;
  return operation;
}

/** What GraphQL hands over has absent members as null or undefined; neither says anything, so neither is in the fingerprint. */
function toPlainJson(input: Readonly<Record<string, unknown>>): { readonly [name: string]: Json | undefined } {
  const text = JSON.stringify(input, (_name, value: unknown) => value ?? undefined);
  return JSON.parse(text) as { readonly [name: string]: Json | undefined };
}

function commandBase(context: LedgerContext, request: Omit<CheckedRequest, "posting">): CommandBase {
  const { principal } = signedInViewer(context);
  return {
    commandId: operationIdOf(principal, request.idempotencyKey),
    principal,
    idempotencyKey: request.idempotencyKey,
    fingerprint: fingerprintOf(toPlainJson(request.fingerprinted)),
    correlationId: context.correlationId,
    createdAt: context.clock.now(),
  };
}

/** undefined when the wait is over first; the writer goes on with the command. */
async function submitWithin(
  context: LedgerContext,
  command: PostingCommand | TermsCommand,
  waitMs: number,
): Promise<WriterOutcome | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), waitMs);
  });
  const submitted = context.writer.submit(command);
  // When the wait wins, nobody is left to hear of a failure; the durable command is what counts then.
  submitted.catch(() => undefined);
  try {
    return await Promise.race([submitted, waited]);
  } finally {
    clearTimeout(timer);
  }
}

function takeOutcome(context: LedgerContext, outcome: WriterOutcome): OperationRecord {
  switch (outcome.kind) {
    case "key-reused":
      throw idempotencyKeyReused();
    case "account":
      throw new Error("the writer answered a posting command with an account's outcome");
    case "operation":
      if (outcome.isReplay) context.florin.idempotencyReplayed = true;
      context.florin.written = { ledger: outcome.outboxPosition.toString() };
      return outcome.operation;
  }
}
