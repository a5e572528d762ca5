import { parseInstant } from "@florin/kernel";
import type { WebhookBody } from "@florin/plaid";

/** What is kept of a verified webhook. Its data goes into no table (linked-accounts.md §5.6): codes, dates and ids that route it. */
export interface WebhookFacts {
  readonly type: string;
  readonly code: string;
  readonly plaidItemId: string | undefined;
  /** To be digested at once, and kept nowhere. */
  readonly linkToken: string | undefined;
  readonly facts: Readonly<Record<string, string | boolean>>;
}

const MAX_NAME = 100;
const MAX_ID = 128;
const MAX_LINK_TOKEN = 512;
const CODE = /^[A-Z0-9_]{1,100}$/;
const flags = ["initial_update_complete", "historical_update_complete"] as const;
const instants = ["disconnect_time", "consent_expiration_time"] as const;

/** Never throws: an unknown webhook is kept and counted, not refused (§1.4). */
export function readWebhookFacts(body: WebhookBody): WebhookFacts {
  const facts: Record<string, string | boolean> = {};
  for (const name of flags) if (typeof body[name] === "boolean") facts[name] = body[name];
  for (const name of instants) {
    const value = body[name];
    if (typeof value === "string" && parseInstant(value) !== undefined) facts[name] = value;
  }
  const reason = body["reason"];
  if (typeof reason === "string" && CODE.test(reason)) facts["reason"] = reason;
  const accountId = shortText(body["account_id"], MAX_ID);
  if (accountId !== undefined) facts["account_id"] = accountId;
  const error: unknown = body["error"];
  if (typeof error === "object" && error !== null && "error_code" in error) {
    const code = error.error_code;
    if (typeof code === "string" && CODE.test(code)) facts["error_code"] = code;
  }
  return {
    type: shortText(body["webhook_type"], MAX_NAME) ?? "NONE",
    code: shortText(body["webhook_code"], MAX_NAME) ?? "NONE",
    plaidItemId: shortText(body["item_id"], MAX_ID),
    linkToken: shortText(body["link_token"], MAX_LINK_TOKEN),
    facts,
  };
}

function shortText(value: unknown, limit: number): string | undefined {
  return typeof value === "string" && value.length > 0 && value.length <= limit && !value.includes("\0")
    ? value
    : undefined;
}
