import type { LinkedJobKind } from "@florin/db/accounts";
import { parseInstant } from "@florin/kernel";
import type { ItemSignal } from "./item-status.js";

/** What a webhook sets going. It never carries data: it says that something is worth reading again (linked-accounts.md §1.4). */
export interface WebhookReaction {
  /** For counting and for support. */
  readonly outcome: string;
  readonly jobs: readonly LinkedJobKind[];
  /** Also against a pause after failures: the institution says that it works. */
  readonly isUrgent?: boolean;
  readonly signal?: ItemSignal;
  /** All of it is to be read again, not only the last days. */
  readonly forgetsInvestmentHistory?: boolean;
  /** Plaid's id of an account that was withdrawn. */
  readonly revokesAccount?: string;
  /** The person withdrew everything: what is kept goes, after a time of grace. */
  readonly schedulesDeletion?: boolean;
  /** Withdrawn accounts may be back. */
  readonly forgetsRevocations?: boolean;
}

const everything = [
  "ITEM",
  "ACCOUNTS",
  "TRANSACTIONS",
  "LIABILITIES",
  "HOLDINGS",
  "INVESTMENT_TRANSACTIONS",
] as const satisfies readonly LinkedJobKind[];

const noted: WebhookReaction = { outcome: "noted", jobs: [] };

/** Codes of before /transactions/sync are still sent beside it: nothing is to be done for them. */
const legacy = new Set(["INITIAL_UPDATE", "HISTORICAL_UPDATE", "DEFAULT_UPDATE", "TRANSACTIONS_REMOVED"]);

export function reactToWebhook(
  type: string,
  code: string,
  facts: Readonly<Record<string, string | boolean>>,
): WebhookReaction {
  switch (type) {
    case "TRANSACTIONS":
      if (code === "SYNC_UPDATES_AVAILABLE") return { outcome: "sync", jobs: ["TRANSACTIONS"] };
      return legacy.has(code) ? { outcome: "legacy", jobs: [] } : unknown;
    case "LIABILITIES":
      return code === "DEFAULT_UPDATE" ? { outcome: "sync", jobs: ["LIABILITIES", "ACCOUNTS"] } : unknown;
    case "HOLDINGS":
      return code === "DEFAULT_UPDATE" ? { outcome: "sync", jobs: ["HOLDINGS", "ACCOUNTS"] } : unknown;
    case "INVESTMENTS_TRANSACTIONS":
      return reactToInvestments(code);
    case "ITEM":
      return reactToItem(code, facts);
    default:
      return unknown;
  }
}

const unknown: WebhookReaction = { outcome: "unknown_code", jobs: [] };

function reactToInvestments(code: string): WebhookReaction {
  const jobs = ["INVESTMENT_TRANSACTIONS"] as const;
  if (code === "DEFAULT_UPDATE") return { outcome: "sync", jobs };
  if (code === "HISTORICAL_UPDATE") return { outcome: "sync", jobs, forgetsInvestmentHistory: true };
  return unknown;
}

function reactToItem(code: string, facts: Readonly<Record<string, string | boolean>>): WebhookReaction {
  switch (code) {
    case "ERROR":
      // What ails it is read from the item: a late webhook must not undo a repair.
      return { outcome: "check", jobs: ["ITEM"], isUrgent: true };
    case "LOGIN_REPAIRED":
      return {
        outcome: "repaired",
        jobs: everything,
        isUrgent: true,
        signal: { kind: "REPAIRED" },
        forgetsRevocations: true,
      };
    case "PENDING_EXPIRATION":
      return ending(code, facts["consent_expiration_time"]);
    case "PENDING_DISCONNECT":
      return ending(typeof facts["reason"] === "string" ? facts["reason"] : code, facts["disconnect_time"]);
    case "NEW_ACCOUNTS_AVAILABLE":
      return { outcome: "new_accounts", jobs: [], signal: { kind: "NEW_ACCOUNTS" } };
    case "USER_PERMISSION_REVOKED":
      return {
        outcome: "revoked",
        jobs: [],
        signal: { kind: "PERMISSION_REVOKED" },
        schedulesDeletion: true,
      };
    case "USER_ACCOUNT_REVOKED":
      return typeof facts["account_id"] === "string"
        ? { outcome: "account_revoked", jobs: everything, revokesAccount: facts["account_id"] }
        : { outcome: "account_revoked", jobs: everything };
    case "WEBHOOK_UPDATE_ACKNOWLEDGED":
      return noted;
    default:
      return unknown;
  }
}

function ending(reason: string, at: string | boolean | undefined): WebhookReaction {
  const expiresAt = typeof at === "string" ? parseInstant(at) : undefined;
  return { outcome: "ending", jobs: ["ITEM"], signal: { kind: "ENDING", reason, expiresAt } };
}
