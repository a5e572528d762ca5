import { mayDo, type AccessLog, type Action, type Sealer, type Viewer } from "@florin/auth";
import type { Sql } from "@florin/db";
import {
  countAccounts,
  listAccounts,
  listAccountsByIds,
  listUsersByIds,
  type AccountFilter,
  type AccountRecord,
  type UserRecord,
} from "@florin/db/accounts";
import { asUuid, assertInput, isUuid, notFound, parseId, type Uuid } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import DataLoader from "dataloader";
import { orUnavailable } from "./transact.js";

/**
 * What resolvers read, for one request and one viewer. Whoever reads through here is authorised here: somebody else's object is not
 * there. Reads of one tick become one query.
 */
export interface Readers {
  /** Throws NOT_FOUND when there is none that the viewer may see. */
  getAccount(id: string): Promise<AccountRecord>;
  /** Throws NOT_FOUND likewise. */
  getUser(id: string): Promise<UserRecord>;
  /** Of one owner, or of all customers where `owner` is undefined (the office only). */
  listAccounts(
    filter: AccountFilter,
    page: { readonly first: number; readonly after: string | undefined },
  ): Promise<AccountPage>;
  countAccounts(filter: AccountFilter & { readonly owner: string }): Promise<number>;
  cursorOf(account: AccountRecord): string;
  /** Sees everybody's: staff and auditors. */
  readonly isOffice: boolean;
}

/** One row more than was asked for where there is a next page. */
export type AccountPage = readonly AccountRecord[];

const CURSOR = "accounts.list";

export function createReaders(options: {
  readonly sql: Sql;
  /** Where `sql` is a replica's: asked for what the replica has not heard of, as an id that was told to somebody is there. */
  readonly primarySql: Sql;
  readonly viewer: Viewer | undefined;
  readonly sealer: Sealer;
  readonly accessLog: AccessLog;
  /** Resolves when the projection has reached what the client has seen elsewhere. */
  readonly caughtUp: () => Promise<void>;
  readonly logger: Logger;
}): Readers {
  const { sql, primarySql, viewer, sealer, accessLog, caughtUp } = options;
  const read = <T>(query: () => Promise<T>) => orUnavailable(options.logger, query);
  const isReplica = sql !== primarySql;
  const accounts = createLoader<AccountRecord>(
    (from, ids) => read(() => listAccountsByIds(from, ids)),
    (account) => account.accountId,
  );
  const users = createLoader<UserRecord>(
    (from, ids) => read(() => listUsersByIds(from, ids)),
    (user) => user.userId,
  );

  function createLoader<Row>(
    list: (from: Sql, ids: readonly Uuid[]) => Promise<readonly Row[]>,
    idOf: (row: Row) => Uuid,
  ) {
    return new DataLoader<Uuid, Row | undefined>(async (ids) => {
      const found = new Map((await list(sql, ids)).map((row) => [idOf(row), row]));
      const missing = ids.filter((id) => !found.has(id));
      if (isReplica && missing.length > 0) for (const row of await list(primarySql, missing)) found.set(idOf(row), row);
      return ids.map((id) => found.get(id));
    });
  }

  function isAllowed(action: Action, object: string, isOwner: boolean): boolean {
    const decision = mayDo(viewer, action, { isOwner });
    accessLog.record(viewer, action, object, decision);
    return decision.allowed;
  }

  return {
    getAccount: async (id) => {
      const accountId = parseId("account", id);
      if (accountId === undefined) throw notFound("account");
      await caughtUp();
      const account = await accounts.load(accountId);
      const action = account?.kind === "INTERNAL" ? "internal-account:read" : "account:read";
      const isOwner = viewer !== undefined && account?.owners.includes(viewer.principal) === true;
      if (!isAllowed(action, id, isOwner) || account === undefined) throw notFound("account");
      return account;
    },
    getUser: async (id) => {
      const userId = parseId("user", id);
      if (userId === undefined) throw notFound("user");
      const user = await users.load(userId);
      // A person is read by the same people as that person's accounts.
      if (!isAllowed("account:read", id, viewer?.principal === id) || user === undefined) throw notFound("user");
      return user;
    },
    listAccounts: async (filter, page) => {
      await caughtUp();
      const after = page.after === undefined ? undefined : openCursor(sealer, page.after);
      const found = await read(() => listAccounts(sql, filter, { after, limit: page.first + 1 }));
      if (filter.owner === undefined) isAllowed("account:read", "accounts", false); // leaves its line in the access log
      for (const account of found) accounts.prime(account.accountId, account);
      return found;
    },
    countAccounts: (filter) => read(() => countAccounts(sql, filter)),
    cursorOf: (account) => sealer.seal(CURSOR, account.accountId),
    isOffice: viewer?.roles.some((role) => role === "STAFF" || role === "AUDITOR") === true,
  };
}

function openCursor(sealer: Sealer, text: string): Uuid {
  const opened = sealer.open(CURSOR, text);
  if (opened !== undefined && isUuid(opened)) return asUuid(opened);
  assertInput([
    { path: "after", code: "CURSOR_INVALID", message: "Not a cursor of this list. Send one as it was given, or none." },
  ]);
  throw new Error("unreachable: a fault was asserted");
}
