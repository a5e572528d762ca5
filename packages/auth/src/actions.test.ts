import { describe, expect, test } from "@jest/globals";
import { actionTable, mayDo, type Action } from "./actions.js";
import { createAccessLog, type AccessLogEntry } from "./access-log.js";
import { roles, type Role, type Viewer } from "./viewer.js";

const scopesOf: Record<Role, readonly string[]> = {
  CUSTOMER: [],
  MERCHANT: [],
  STAFF: ["staff", "ledger:read"],
  AUDITOR: ["auditor", "ledger:read", "audit:read"],
  PARTNER: ["posting:write", "ledger:read", "cash:in", "cash:out"],
  SERVICE: [],
};
const viewerOf = (role: Role, scopes = scopesOf[role]): Viewer => ({
  principal: role === "SERVICE" ? "svc:gateway" : "usr_1",
  roles: [role],
  scopes,
  sessionId: undefined,
  expiresAt: 0,
});

/**
 * The whole policy, written out a second time, on purpose in another shape: who may, as (role, relation to the object, demo?).
 * A change of the table must be made here too, by somebody who means it.
 */
const everybody: readonly Role[] = roles;
const people: readonly Role[] = ["CUSTOMER", "MERCHANT", "STAFF", "AUDITOR"];
const office: readonly Role[] = ["STAFF", "AUDITOR"];
interface Facts {
  isOwner: boolean;
  isRequester: boolean;
  isDemo: boolean;
}
const expected: Record<Action, (role: Role, facts: Facts) => boolean> = {
  "account:read": (role, { isOwner }) => isOwner || office.includes(role),
  "portfolio:read": (role, { isOwner }) => isOwner || office.includes(role),
  "account:open": (role) => people.includes(role),
  "account:close": (_role, { isOwner }) => isOwner,
  "linked:read": (role, { isOwner }) => isOwner || office.includes(role),
  "linked:link": (role) => people.includes(role),
  "linked:write": (_role, { isOwner }) => isOwner,
  "cash:deposit": (role, { isOwner, isDemo }) => role === "PARTNER" || (isOwner && isDemo),
  "cash:withdraw": (role, { isOwner, isDemo }) => role === "PARTNER" || (isOwner && isDemo),
  "transfer:book": (_role, { isOwner }) => isOwner,
  "posting:write": (role) => role === "PARTNER",
  "operation:read": (role, { isOwner, isRequester }) => isOwner || isRequester || office.includes(role),
  "batch:read": (role) => office.includes(role) || role === "PARTNER",
  "batch:reverse": (role, { isRequester }) => (role === "PARTNER" && isRequester) || role === "STAFF",
  "client-transaction:read": (role, { isRequester }) => isRequester || office.includes(role) || role === "PARTNER",
  "internal-account:read": (role) => office.includes(role),
  "trial-balance:read": (role) => office.includes(role),
  "terms:write": (role) => role === "STAFF",
  "terms:read": (role) => office.includes(role),
  "product:read": (role) => everybody.includes(role),
};

const actions = Object.keys(actionTable) as Action[];
const booleans = [false, true];
const matrix = actions.flatMap((action) =>
  roles.flatMap((role) =>
    booleans.flatMap((isOwner) =>
      booleans.flatMap((isRequester) =>
        booleans.map((isDemo) => ({ action, role, facts: { isOwner, isRequester, isDemo } })),
      ),
    ),
  ),
);

describe("who may do what", () => {
  test("every action is in the expectation, and every role", () => {
    expect(Object.keys(expected).sort()).toEqual([...actions].sort());
    expect(matrix).toHaveLength(actions.length * 6 * 8);
  });

  test.each(actions)("%s, for every role, ownership, requester and demo", (action) => {
    for (const { role, facts } of matrix.filter((one) => one.action === action)) {
      const decision = mayDo(viewerOf(role), action, facts);
      const claim = `${role} ${JSON.stringify(facts)}: ${decision.allowed}`;
      expect(claim).toBe(`${role} ${JSON.stringify(facts)}: ${expected[action](role, facts)}`);
      expect(decision.reason).not.toBe("");
    }
  });

  test("nobody signed in may do nothing, and facts that are not told count as false", () => {
    for (const action of actions) {
      expect(mayDo(undefined, action, { isOwner: true, isRequester: true, isDemo: true })).toEqual({
        allowed: false,
        reason: "not-signed-in",
        isSensitive: false,
      });
    }
    expect(mayDo(viewerOf("CUSTOMER"), "transfer:book").allowed).toBe(false);
  });

  test("a scope gives what it names and no more, whatever the role", () => {
    const withScopes = (...scopes: string[]) => viewerOf("PARTNER", scopes);
    expect(mayDo(withScopes("cash:in"), "cash:deposit")).toMatchObject({ allowed: true, reason: "scope:cash:in" });
    expect(mayDo(withScopes("cash:in"), "cash:withdraw").allowed).toBe(false);
    expect(mayDo(withScopes("cash:in "), "cash:deposit").allowed).toBe(false);
    expect(mayDo(withScopes("ledger:read"), "posting:write").allowed).toBe(false);
    expect(mayDo(withScopes("staff"), "trial-balance:read").allowed).toBe(false);
  });

  test("staff may look but not touch: no money moves and nothing closes by office", () => {
    for (const role of office) {
      for (const action of [
        "account:close",
        "cash:deposit",
        "cash:withdraw",
        "transfer:book",
        "posting:write",
      ] as const)
        expect(mayDo(viewerOf(role), action, { isDemo: true }).allowed).toBe(false);
    }
  });
});

describe("the access log", () => {
  function createCaptured() {
    const entries: AccessLogEntry[] = [];
    const log = createAccessLog({ clock: { now: () => 5n }, write: (entry) => void entries.push(entry) });
    const decide = (viewer: Viewer | undefined, action: Action, facts = {}) =>
      log.record(viewer, action, "acct_1", mayDo(viewer, action, facts));
    return { entries, decide };
  }

  test("keeps refusals and reads of others' objects, and nothing ordinary", () => {
    const { entries, decide } = createCaptured();
    decide(viewerOf("CUSTOMER"), "account:read", { isOwner: true });
    decide(viewerOf("STAFF"), "account:read", { isOwner: true });
    decide(viewerOf("STAFF"), "trial-balance:read");
    expect(entries).toEqual([]);
    decide(viewerOf("STAFF"), "account:read");
    decide(viewerOf("CUSTOMER"), "account:read");
    decide(undefined, "account:close");
    expect(entries).toEqual([
      { at: 5n, principal: "usr_1", action: "account:read", object: "acct_1", allowed: true, reason: "role:STAFF" },
      { at: 5n, principal: "usr_1", action: "account:read", object: "acct_1", allowed: false, reason: "no-grant" },
      {
        at: 5n,
        principal: undefined,
        action: "account:close",
        object: "acct_1",
        allowed: false,
        reason: "not-signed-in",
      },
    ]);
  });
});
