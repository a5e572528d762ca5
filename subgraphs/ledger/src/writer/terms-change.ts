import {
  formatId,
  formatInstant,
  refuse,
  type AccountState,
  type Instant,
  type Json,
  type Product,
  type Refusal,
  type TimeseriesEntry,
  type Uuid,
} from "@florin/kernel";
import type { CommitDraft } from "./commit-draft.js";
import type { FlagChange, TermsCommand } from "./terms-command.js";

/** What the planners of terms share: finding the account, the stretch of value time, and telling of the change. */
export type TermsDecision = Refusal | undefined;

export interface ValueWindow {
  readonly fromAt: Instant;
  readonly toAt: Instant | undefined;
}

/** A customer's account that is there and not closed. */
export function findCustomerAccount(
  draft: CommitDraft,
  accountId: Uuid,
): { readonly account: AccountState; readonly product: Product } | Refusal {
  const account = draft.view.accounts.get(accountId);
  if (account?.product === undefined) return refuse("ACCOUNT_NOT_FOUND");
  return account.status === "CLOSED" ? refuse("ACCOUNT_NOT_OPEN") : { account, product: account.product };
}

/** `from`: absent is the moment of booking. */
export function windowOf(
  draft: CommitDraft,
  { from = draft.bookedAt, to }: Pick<FlagChange, "from" | "to">,
): ValueWindow | Refusal {
  return to !== undefined && to <= from ? refuse("WINDOW_INVALID") : { fromAt: from, toAt: to };
}

export function windowToJson({ fromAt, toAt }: ValueWindow): {
  readonly from: string;
  readonly to: string | undefined;
} {
  return { from: formatInstant(fromAt), to: toAt === undefined ? undefined : formatInstant(toAt) };
}

/** The record and the event of a change, both with the same facts. */
export function tell(
  draft: CommitDraft,
  command: TermsCommand,
  what: { readonly kind: string; readonly key: string; readonly body: Json; readonly audience?: readonly string[] },
): { readonly seq: bigint; readonly principal: string; readonly insertedAt: Instant } {
  const { principal, correlationId, commandId } = command;
  const { kind, key, body, audience = [] } = what;
  const record = draft.addResourceChange({ kind, key, principal, correlationId, body });
  const changeId = formatId("operation", commandId);
  const payload = typeof body === "object" && body !== null && !Array.isArray(body) ? body : { body };
  draft.addEvent({ key, type: kind, correlationId, changeId, audience, payload: { ...payload, key } });
  return { seq: record.seq, principal, insertedAt: record.knownAt };
}

export function toEntry<T>(value: T, { fromAt, toAt }: ValueWindow, insertedAt: Instant): TimeseriesEntry<T> {
  return { value, from: fromAt, to: toAt, insertedAt };
}
