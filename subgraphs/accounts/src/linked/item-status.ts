import type { PlaidErrorClass } from "@florin/plaid";
import { addMicros, type Instant } from "@florin/kernel";

/**
 * How a linked item stands, as a pure function: what was, and what was heard, give what is (linked-accounts.md §1.4, §1.5, §1.7).
 *
 * REMOVED is final. TOKEN_LOST ends only in REMOVED: nobody can speak for such an item any more. What a person has to do is never covered
 * by what the institution is going through: LOGIN_REQUIRED stays while the institution is down. Webhooks come late and unordered, so
 * whoever hears one also reads the item again, and ITEM_READ has the last word.
 */
export type LinkedItemStatus =
  | "HEALTHY"
  | "EXPIRING"
  | "LOGIN_REQUIRED"
  | "ACTION_AT_INSTITUTION"
  | "INSTITUTION_DOWN"
  | "REVOKED"
  | "TOKEN_LOST"
  | "REMOVED";

export type LinkedItemAction = "RELINK" | "ACT_AT_INSTITUTION" | "ADD_ACCOUNTS" | "LINK_AGAIN" | "WAIT";

export interface ItemStanding {
  readonly status: LinkedItemStatus;
  /** A code: Plaid's error code, or the webhook's. undefined: nothing to say. */
  readonly reason: string | undefined;
  /** When consent or the institution's connection ends; until then data flows. */
  readonly expiresAt: Instant | undefined;
  readonly hasNewAccounts: boolean;
}

/** What ails an item, from an error of a call, of `/item/get` or in a webhook. */
export interface Ailment {
  readonly errorCode: string;
  readonly class: PlaidErrorClass;
}

export type ItemSignal =
  | { readonly kind: "CALL_FAILED"; readonly error: Ailment }
  /** A call that went to the institution's data: it is there. */
  | { readonly kind: "CALL_SUCCEEDED"; readonly now: Instant }
  /** `/item/get`: the truth of now. `error` undefined: healthy. */
  | {
      readonly kind: "ITEM_READ";
      readonly error: Ailment | undefined;
      readonly consentExpiresAt: Instant | undefined;
      readonly now: Instant;
    }
  /** Webhook ITEM/ERROR. */
  | { readonly kind: "ERROR_REPORTED"; readonly error: Ailment }
  /** Webhook LOGIN_REPAIRED, or update mode was finished here. */
  | { readonly kind: "REPAIRED" }
  /** Webhooks PENDING_EXPIRATION and PENDING_DISCONNECT: it still works (seven days' notice). */
  | { readonly kind: "ENDING"; readonly reason: string; readonly expiresAt: Instant | undefined }
  | { readonly kind: "NEW_ACCOUNTS" }
  | { readonly kind: "PERMISSION_REVOKED" }
  | { readonly kind: "TOKEN_LOST"; readonly reason: string }
  | { readonly kind: "REMOVED"; readonly reason: string };

const MICROS_PER_DAY = 86_400_000_000n;
/** Consents of the UK and the EU always have an end, and announced ones are nearer than this: from here on people are told. */
const NOTICE_MICROS = 7n * MICROS_PER_DAY;
/** Reported by one product's calls while `/item/get` sees nothing wrong: only a repair clears them. */
const consentReasons: readonly string[] = ["ACCESS_NOT_GRANTED", "ADDITIONAL_CONSENT_REQUIRED"];
/** Of TRANSIENT failures, those that say something about the institution; the rest are Plaid's or the network's. */
const institutionCodes: readonly string[] = ["INSTITUTION_DOWN", "INSTITUTION_NOT_RESPONDING"];

/** The same object when nothing changes. */
export function nextStanding(was: ItemStanding, signal: ItemSignal): ItemStanding {
  if (was.status === "REMOVED") return was;
  if (signal.kind === "REMOVED")
    return { status: "REMOVED", reason: signal.reason, expiresAt: undefined, hasNewAccounts: false };
  if (was.status === "TOKEN_LOST") return was;
  return keepIfEqual(was, react(was, signal));
}

/** What the person is to do; undefined: nothing. */
export function nextActionOf(standing: Pick<ItemStanding, "status" | "hasNewAccounts">): LinkedItemAction | undefined {
  return actionOfStatus[standing.status] ?? (offersAccounts(standing) ? "ADD_ACCOUNTS" : undefined);
}

/** Whether calls for this item's data make sense; where not, only a repair, a new link or a removal helps. */
export function mayCall(status: LinkedItemStatus): boolean {
  return status === "HEALTHY" || status === "EXPIRING" || status === "INSTITUTION_DOWN";
}

/** Whether the hosted page can repair it (update mode needs a token that Plaid knows). */
export function mayRepair(status: LinkedItemStatus): boolean {
  return status !== "REMOVED" && status !== "TOKEN_LOST";
}

const actionOfStatus: Record<LinkedItemStatus, LinkedItemAction | undefined> = {
  HEALTHY: undefined,
  EXPIRING: "RELINK",
  LOGIN_REQUIRED: "RELINK",
  ACTION_AT_INSTITUTION: "ACT_AT_INSTITUTION",
  INSTITUTION_DOWN: "WAIT",
  REVOKED: "LINK_AGAIN",
  TOKEN_LOST: "LINK_AGAIN",
  REMOVED: undefined,
};

function offersAccounts({ status, hasNewAccounts }: Pick<ItemStanding, "status" | "hasNewAccounts">): boolean {
  return hasNewAccounts && status === "HEALTHY";
}

function react(was: ItemStanding, signal: Exclude<ItemSignal, { readonly kind: "REMOVED" }>): ItemStanding {
  switch (signal.kind) {
    case "CALL_FAILED":
    case "ERROR_REPORTED":
      return ail(was, signal.error);
    case "CALL_SUCCEEDED":
      return was.status === "INSTITUTION_DOWN" ? atWork(was, signal.now) : was;
    case "ITEM_READ":
      return afterReading(was, signal);
    case "REPAIRED":
      return { status: "HEALTHY", reason: undefined, expiresAt: undefined, hasNewAccounts: false };
    case "ENDING":
      return mayCall(was.status)
        ? { ...was, status: "EXPIRING", reason: signal.reason, expiresAt: signal.expiresAt }
        : { ...was, expiresAt: signal.expiresAt };
    case "NEW_ACCOUNTS":
      return { ...was, hasNewAccounts: true };
    case "PERMISSION_REVOKED":
      return { ...was, status: "REVOKED", reason: "USER_PERMISSION_REVOKED" };
    case "TOKEN_LOST":
      return { ...was, status: "TOKEN_LOST", reason: signal.reason };
  }
}

function ail(was: ItemStanding, { class: errorClass, errorCode }: Ailment): ItemStanding {
  const fallTo = (status: LinkedItemStatus): ItemStanding => ({ ...was, status, reason: errorCode });
  switch (errorClass) {
    case "RELINK":
      // Revoked is worse: update mode may or may not mend it.
      return was.status === "REVOKED" ? was : fallTo("LOGIN_REQUIRED");
    case "USER_AT_BANK":
      return was.status === "REVOKED" ? was : fallTo("ACTION_AT_INSTITUTION");
    case "GONE":
      // A token that Plaid does not know says nothing about the person's permission.
      return errorCode === "INVALID_ACCESS_TOKEN" ? fallTo("TOKEN_LOST") : fallTo("REVOKED");
    case "TERMINAL":
      return fallTo("REVOKED");
    case "TRANSIENT":
      return institutionCodes.includes(errorCode) && mayCall(was.status) ? fallTo("INSTITUTION_DOWN") : was;
    // One product's matter, or ours: the item stands as it stood.
    case "NOT_APPLICABLE":
    case "WAIT":
    case "RESTART_PAGINATION":
    case "BACKOFF":
    case "REFUSED_INPUT":
    case "OPERATOR":
      return was;
  }
}

function afterReading(was: ItemStanding, read: Extract<ItemSignal, { readonly kind: "ITEM_READ" }>): ItemStanding {
  const expiresAt = read.consentExpiresAt ?? (isAhead(was.expiresAt, read.now) ? was.expiresAt : undefined);
  if (read.error !== undefined) return ail({ ...was, expiresAt }, read.error);
  if (was.status === "LOGIN_REQUIRED" && consentReasons.includes(was.reason ?? "")) return { ...was, expiresAt };
  return atWork({ ...was, expiresAt }, read.now);
}

function atWork(was: ItemStanding, now: Instant): ItemStanding {
  const isEnding = was.expiresAt !== undefined && was.expiresAt <= addMicros(now, NOTICE_MICROS);
  return isEnding
    ? { ...was, status: "EXPIRING", reason: endingReason(was) }
    : { ...was, status: "HEALTHY", reason: undefined };
}

function endingReason(was: ItemStanding): string {
  return was.status === "EXPIRING" && was.reason !== undefined ? was.reason : "PENDING_EXPIRATION";
}

function isAhead(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at > now;
}

function keepIfEqual(was: ItemStanding, is: ItemStanding): ItemStanding {
  const isSame =
    was.status === is.status &&
    was.reason === is.reason &&
    was.expiresAt === is.expiresAt &&
    was.hasNewAccounts === is.hasNewAccounts;
  return isSame ? was : is;
}
