import type { Sql } from "@florin/db";
import type { Clock, IdSource } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import type { LedgerAnswers } from "./ledger-answers.js";
import type { LinkOperations } from "./linked/link-operations.js";
import type { LoginGuard } from "./login-guard.js";
import type { PasswordHasher } from "./passwords.js";
import type { RevokedSessions } from "./revoked-sessions.js";
import type { SessionTokens } from "./session-tokens.js";
import type { Transact } from "./transact.js";

/** What commands are made of; built once, in index.ts. */
export interface Services {
  readonly sql: Sql;
  readonly transact: Transact;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly passwords: PasswordHasher;
  readonly guard: LoginGuard;
  readonly tokens: SessionTokens;
  readonly revokedSessions: RevokedSessions;
  readonly answers: LedgerAnswers;
  /** What is asked of Plaid for people, by the worker. undefined: linking is not set up here. */
  readonly linkOperations: LinkOperations | undefined;
  /** Something was committed: have the relay look now. */
  readonly wakeRelay: () => void;
}

/** What a command is told about the request that it serves. */
export interface RequestFacts {
  readonly correlationId: string;
  readonly clientAddress: string | undefined;
  /** Milliseconds that are left for an answer. */
  readonly timeLeftMs: () => number;
}
