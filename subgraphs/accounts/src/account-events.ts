import {
  formatId,
  formatInstant,
  type Clock,
  type IdSource,
  type Instant,
  type Json,
  type NewEvent,
  type Uuid,
} from "@florin/kernel";

/**
 * What this area tells the world. No names, no addresses: ids, and what the ledger needs to open an account. Those who may see an event
 * are stamped on it here.
 */
export interface EventSource {
  readonly clock: Clock;
  readonly ids: IdSource;
}

const office = ["role:staff", "role:auditor"] as const;

function newEvent(
  source: EventSource,
  about: {
    readonly type: string;
    readonly key: string;
    readonly correlationId: string;
    readonly changeId?: string;
    readonly audience: readonly string[];
    readonly payload: Json;
  },
): NewEvent {
  return { eventId: source.ids.next(), schemaVersion: 1, occurredAt: source.clock.now(), ...about };
}

export function userRegistered(source: EventSource, userId: Uuid, correlationId: string): NewEvent {
  const id = formatId("user", userId);
  return newEvent(source, {
    type: "user.registered",
    key: id,
    correlationId,
    audience: [id, ...office],
    payload: { userId: id },
  });
}

/** A command to the ledger, which answers `account.opened` or `account.rejected`. */
export function accountOpen(
  source: EventSource,
  account: {
    readonly accountId: Uuid;
    readonly owners: readonly string[];
    readonly requestedProduct: string;
    readonly currency: string;
    readonly parameters: Json;
  },
  requestedBy: string,
  correlationId: string,
): NewEvent {
  const id = formatId("account", account.accountId);
  return newEvent(source, {
    type: "account.open",
    key: id,
    correlationId,
    changeId: id,
    audience: [...account.owners, ...office],
    payload: {
      accountId: id,
      owners: account.owners,
      product: account.requestedProduct,
      currency: account.currency,
      parameters: account.parameters,
      requestedBy,
    },
  });
}

/** A command to the ledger, which answers `account.closed` or `account.close_rejected`. */
export function accountClose(
  source: EventSource,
  closure: { readonly closureId: Uuid; readonly accountId: Uuid; readonly owners: readonly string[] },
  requestedBy: string,
  correlationId: string,
): NewEvent {
  const id = formatId("account", closure.accountId);
  const requestId = formatId("command", closure.closureId);
  return newEvent(source, {
    type: "account.close",
    key: id,
    correlationId,
    changeId: requestId,
    audience: [...closure.owners, ...office],
    payload: { accountId: id, requestedBy, requestId },
  });
}

/** Its access tokens are void from now on; after `until` none of them can be alive. */
export function sessionRevoked(
  source: EventSource,
  session: { readonly sessionId: Uuid; readonly userId: Uuid; readonly until: Instant },
  correlationId: string,
): NewEvent {
  const id = formatId("session", session.sessionId);
  return newEvent(source, {
    type: "session.revoked",
    key: id,
    correlationId,
    audience: [formatId("user", session.userId)],
    payload: { sessionId: id, until: formatInstant(session.until) },
  });
}
