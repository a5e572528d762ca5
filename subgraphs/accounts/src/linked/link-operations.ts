import type { Database } from "@florin/db";
import type { Clock, IdSource, Uuid } from "@florin/kernel";
import type { PlaidPort, TokenVault } from "@florin/plaid";
import type { Logger } from "@florin/telemetry";
import { createTransact } from "../transact.js";
import { createLinkToken, type LinkTokenOutcome, type LinkTokenRequest } from "./create-link-token.js";
import type { LinkedOutcome } from "./exchange-public-token.js";
import { linkDirectly, type DirectLink } from "./link-directly.js";
import type { LinkParts } from "./link-parts.js";
import { exchangePublicToken, finishDueSessions, finishLinkSession, type PublicTokenRequest } from "./link-sessions.js";
import { removeItem } from "./remove-item.js";
import { absorbReplacedItems } from "./replaced-items.js";
import {
  recoverRotations,
  rewrapTokens,
  rotateToken,
  type RewrapProgress,
  type RotationOutcome,
} from "./token-rotation.js";

/** What is asked of Plaid for people, beside the sync: by the worker, who alone holds tokens (linked-accounts.md §5b). */
export interface LinkOperations {
  /** A page to add a login, or to repair one. A replay answers the same while it lives. Throws RequestError. */
  createLinkToken(request: LinkTokenRequest): Promise<LinkTokenOutcome>;
  /** The person's own public token becomes an item, once. Throws RequestError. */
  exchangePublicToken(request: PublicTokenRequest): Promise<LinkedOutcome>;
  /** For webhooks of type LINK. Rejects when it is to be tried again. */
  finishLinkSession(
    about: { readonly attemptId: Uuid } | { readonly linkTokenDigest: Uint8Array },
    correlationId: string,
  ): Promise<void>;
  /** For a loop: visits whose results nobody brought. How many were looked at. */
  finishDueSessions(correlationId: string): Promise<number>;
  /** For the job REMOVE. Rejects when it is to be tried again. */
  removeItem(itemId: Uuid): Promise<void>;
  /** A new item made older ones of the same login void: theirs becomes its own. Call it when accounts or transactions were read. */
  absorbReplacedItems(itemId: Uuid, correlationId: string): Promise<readonly Uuid[]>;
  rotateToken(itemId: Uuid, correlationId: string): Promise<RotationOutcome>;
  /** For a loop: rotations that somebody died over. */
  recoverRotations(correlationId: string): Promise<number>;
  /** At most `limit` tokens under the current KEK; again until nothing remains. */
  rewrapTokens(options: { readonly limit: number }): Promise<RewrapProgress>;
  /** Demo data: links without a page. undefined: the person has an item already. */
  linkDirectly(link: DirectLink): Promise<Uuid | undefined>;
}

export interface LinkOperationsOptions {
  /** Of role florin_linked_worker. */
  readonly database: Database;
  readonly plaid: PlaidPort;
  readonly vault: TokenVault;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** 32 bytes, the same at every start. */
  readonly clientUserKey: Uint8Array;
  /** Default: everywhere but in Plaid's production. */
  readonly acceptsUnboundTokens?: boolean | undefined;
  /** Per person. Default 100. */
  readonly linkTokensPerDay?: number | undefined;
  readonly wakeRelay: () => void;
}

const LINK_TOKENS_PER_DAY = 100;

export function createLinkOperations(options: LinkOperationsOptions): LinkOperations {
  const parts: LinkParts = {
    ...options,
    transact: createTransact(options.database, options.random),
    acceptsUnboundTokens: options.acceptsUnboundTokens ?? options.plaid.environment !== "production",
    linkTokensPerDay: options.linkTokensPerDay ?? LINK_TOKENS_PER_DAY,
  };
  return {
    createLinkToken: (request) => createLinkToken(parts, request),
    exchangePublicToken: (request) => exchangePublicToken(parts, request),
    finishLinkSession: (about, correlationId) => finishLinkSession(parts, about, correlationId),
    finishDueSessions: (correlationId) => finishDueSessions(parts, correlationId),
    removeItem: (itemId) => removeItem(parts, itemId),
    absorbReplacedItems: (itemId, correlationId) => absorbReplacedItems(parts, itemId, correlationId),
    rotateToken: (itemId, correlationId) => rotateToken(parts, itemId, correlationId),
    recoverRotations: (correlationId) => recoverRotations(parts, correlationId),
    rewrapTokens: (limits) => rewrapTokens(parts, limits),
    linkDirectly: (link) => linkDirectly(parts, link),
  };
}
