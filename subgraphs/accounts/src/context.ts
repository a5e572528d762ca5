import type { Viewer } from "@florin/auth";
import type { SubgraphContext } from "@florin/graph";
import { RequestError, temporarilyUnavailable } from "@florin/kernel";
import {
  createLinkToken,
  type CreateLinkTokenInput,
  type CreateLinkTokenOutcome,
} from "./commands/create-link-token.js";
import {
  deleteVirtualAccount,
  type DeleteVirtualAccountInput,
  type DeleteVirtualAccountOutcome,
} from "./commands/delete-virtual-account.js";
import {
  editLinkedTransaction,
  type EditLinkedTransactionInput,
  type EditLinkedTransactionOutcome,
} from "./commands/edit-linked-transaction.js";
import {
  exchangePublicToken,
  type ExchangeOutcome,
  type ExchangePublicTokenInput,
} from "./commands/exchange-public-token.js";
import type { ItemInput, ItemOutcome } from "./commands/linked-command.js";
import { refreshLinkedBalances, refreshLinkedItem } from "./commands/refresh-linked-item.js";
import { removeLinkedItem } from "./commands/remove-linked-item.js";
import { closeAccount, type CloseAccountInput } from "./commands/close-account.js";
import { login, type LoginInput } from "./commands/login.js";
import { logout } from "./commands/logout.js";
import { openAccount, type AccountOutcome, type OpenAccountInput } from "./commands/open-account.js";
import { refreshSession } from "./commands/refresh-session.js";
import { register, type RegisterInput, type RegisterOutcome } from "./commands/register.js";
import type { LinkedReaders } from "./linked-readers.js";
import type { Readers } from "./readers.js";
import type { RequestFacts, Services } from "./services.js";
import type { SignedIn } from "./signed-in.js";
import { orUnavailable } from "./transact.js";

/** What resolvers are given: who asks, what can be read, what can be done. */
export interface AccountsContext extends SubgraphContext {
  readonly readers: Readers;
  readonly linked: LinkedReaders;
  readonly commands: Commands;
}

export interface Commands {
  register(input: RegisterInput): Promise<RegisterOutcome>;
  login(input: LoginInput): Promise<SignedIn>;
  refreshSession(refreshToken: string): Promise<SignedIn>;
  logout(): Promise<boolean>;
  openAccount(input: OpenAccountInput): Promise<AccountOutcome>;
  closeAccount(input: CloseAccountInput): Promise<AccountOutcome>;
  createLinkToken(input: CreateLinkTokenInput): Promise<CreateLinkTokenOutcome>;
  exchangePublicToken(input: ExchangePublicTokenInput): Promise<ExchangeOutcome>;
  refreshLinkedItem(input: ItemInput): Promise<ItemOutcome>;
  refreshLinkedBalances(input: ItemInput): Promise<ItemOutcome>;
  removeLinkedItem(input: ItemInput): Promise<ItemOutcome>;
  deleteVirtualAccount(input: DeleteVirtualAccountInput): Promise<DeleteVirtualAccountOutcome>;
  editLinkedTransaction(input: EditLinkedTransactionInput): Promise<EditLinkedTransactionOutcome>;
}

/** Kept for reading the outcome and for the way back to the client. */
const ANSWER_RESERVE_MS = 200;
const CATCH_UP_MS = 1_000;

/** The commands, told about this request. */
export function bindCommands(services: Services, base: SubgraphContext): Commands {
  const facts: RequestFacts = {
    correlationId: base.correlationId,
    clientAddress: base.clientAddress,
    timeLeftMs: () => Math.max(0, base.deadlineAt - performance.now() - ANSWER_RESERVE_MS),
  };
  const run = <T>(command: () => Promise<T>) => orUnavailable(services.logger, command);
  return {
    register: (input) => run(() => register(services, input, facts)),
    login: (input) => run(() => login(services, input, facts)),
    refreshSession: (refreshToken) => run(() => refreshSession(services, refreshToken, facts)),
    logout: () => run(() => logout(services, viewerOf(base), facts)),
    openAccount: (input) => run(() => openAccount(services, viewerOf(base), input, facts)),
    closeAccount: (input) => run(() => closeAccount(services, viewerOf(base), input, facts)),
    createLinkToken: (input) => run(() => createLinkToken(services, viewerOf(base), input, facts)),
    exchangePublicToken: (input) => run(() => exchangePublicToken(services, viewerOf(base), input, facts)),
    refreshLinkedItem: (input) => run(() => refreshLinkedItem(services, viewerOf(base), input, facts)),
    refreshLinkedBalances: (input) => run(() => refreshLinkedBalances(services, viewerOf(base), input, facts)),
    removeLinkedItem: (input) => run(() => removeLinkedItem(services, viewerOf(base), input, facts)),
    deleteVirtualAccount: (input) => run(() => deleteVirtualAccount(services, viewerOf(base), input, facts)),
    editLinkedTransaction: (input) => run(() => editLinkedTransaction(services, viewerOf(base), input, facts)),
  };
}

/** The schema says `@authenticated` wherever this is used; without it this still refuses. */
export function viewerOf(base: SubgraphContext): Viewer {
  if (base.viewer === undefined) throw new RequestError("UNAUTHENTICATED", "Sign in first: send an access token.");
  return base.viewer;
}

/**
 * A read that comes with a consistency token waits, at most a second and once a request, until the ledger's answers have been applied
 * here up to that position. What this area itself wrote is read from the primary and needs no waiting.
 */
export function createCatchUp(
  base: SubgraphContext,
  reached: (position: bigint, deadlineMs: number) => Promise<boolean>,
): () => Promise<void> {
  let caughtUp: Promise<void> | undefined;
  const catchUp = async () => {
    const position = base.consistency.get("ledger");
    if (position === undefined) return;
    const timeLeftMs = base.deadlineAt - performance.now() - ANSWER_RESERVE_MS;
    if (await reached(position, Math.max(0, Math.min(CATCH_UP_MS, timeLeftMs)))) return;
    throw temporarilyUnavailable(500, "This read is behind what you have seen. Send it again in a moment.");
  };
  return () => (caughtUp ??= catchUp());
}
