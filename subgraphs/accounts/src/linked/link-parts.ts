import { createHash, createHmac } from "node:crypto";
import type { Database } from "@florin/db";
import { findToken } from "@florin/db/accounts";
import {
  addMicros,
  formatId,
  notFound,
  RequestError,
  temporarilyUnavailable,
  type Clock,
  type IdSource,
  type Instant,
  type Uuid,
} from "@florin/kernel";
import { PlaidCallError, type AccessToken, type PlaidPort, type SecretOwner, type TokenVault } from "@florin/plaid";
import type { Logger } from "@florin/telemetry";
import type { Transact } from "../transact.js";

/** What linking, repairing and removing items is made of. The database is the worker's: nobody else can read tokens. */
export interface LinkParts {
  readonly database: Database;
  readonly transact: Transact;
  readonly plaid: PlaidPort;
  readonly vault: TokenVault;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly random: () => number;
  /** 32 bytes: what Plaid is told of a person is an HMAC under it (§5.5), the same at every start. */
  readonly clientUserKey: Uint8Array;
  /**
   * Whether a public token is taken that no session of ours shows, as `/sandbox/public_token/create` and Link embedded in a page make
   * them. Never in production, where it would let a person bring in a token of somebody else's.
   */
  readonly acceptsUnboundTokens: boolean;
  readonly linkTokensPerDay: number;
  /** Something was committed: have the relay look now. */
  readonly wakeRelay: () => void;
}

const TENANT = "florin";

/** Whose sealed text it is: an item's token, or an attempt's page. */
export function ownerOf(userId: Uuid, rowId: Uuid): SecretOwner {
  return { tenant: TENANT, user: formatId("user", userId), itemRowId: rowId };
}

export function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text, "utf8").digest();
}

/** What Plaid knows a person by: no id of ours, no name, no address. */
export function clientUserIdOf(key: Uint8Array, userId: Uuid): string {
  return createHmac("sha256", key).update(`plaid-client-user\0${userId}`).digest("hex");
}

export function laterBy(at: Instant, ms: number): Instant {
  return addMicros(at, BigInt(Math.round(ms)) * 1_000n);
}

/** undefined: there is none (any more). Throws VaultError or KeyError where it does not open. */
export async function openItemToken(
  parts: Pick<LinkParts, "database" | "vault">,
  itemId: Uuid,
): Promise<AccessToken | undefined> {
  const stored = await findToken(parts.database.sql, itemId);
  return stored === undefined ? undefined : parts.vault.openToken(stored, ownerOf(stored.userId, itemId));
}

/** What a person is told when Plaid did not do what was asked, and nothing of ours has changed. */
export function toLinkError(error: unknown): unknown {
  if (!(error instanceof PlaidCallError)) return error;
  const retryAfterMs = error.retryAfterMs ?? DEFAULT_RETRY_MS;
  switch (error.class) {
    case "TRANSIENT":
    case "BACKOFF":
    case "WAIT":
      return temporarilyUnavailable(retryAfterMs, "The account service does not answer now. Send the request again.");
    case "GONE":
    case "TERMINAL":
    case "RELINK":
    case "USER_AT_BANK":
      return badInput("input.itemId", "ITEM_NOT_REPAIRABLE", "This link cannot be repaired. Remove it and link again.");
    // Ours to look at: the person is told INTERNAL with a correlation id.
    case "REFUSED_INPUT":
    case "NOT_APPLICABLE":
    case "RESTART_PAGINATION":
    case "OPERATOR":
      return error;
  }
}

const DEFAULT_RETRY_MS = 5_000;

export function badInput(path: string, code: string, message: string): RequestError {
  return new RequestError("BAD_USER_INPUT", message, { fields: [{ path, code, message }] });
}

export function itemNotFound(): RequestError {
  return notFound("linked item");
}
