import type { Role, Viewer } from "./viewer.js";

/**
 * Who may do what: one table, one pure function. What no line allows is refused.
 *
 * An action is allowed when one of its grants holds; a grant holds when all that it names holds. Facts about the object (is the viewer an
 * owner, did the viewer ask for this operation) are looked up by the caller and passed in; a fact that is not passed in is false.
 * The answer FORBIDDEN or NOT_FOUND is the caller's too: somebody else's object is not there (api.md, "Refusals and errors").
 */
export interface Grant {
  /** The viewer has this role. */
  readonly role?: Role;
  /** The viewer has this scope. */
  readonly scope?: string;
  /** The viewer is an owner of the object, or of the account that it is about; of the first account where there are two. */
  readonly owner?: true;
  /** The viewer asked for it. */
  readonly requester?: true;
  /** Only with demo data, where there are no agents to bring cash to. */
  readonly demo?: true;
  /** Reading what belongs to somebody else: goes to the access log. */
  readonly isSensitive?: true;
}

const people: readonly Grant[] = [{ role: "CUSTOMER" }, { role: "MERCHANT" }, { role: "STAFF" }, { role: "AUDITOR" }];
const office: readonly Grant[] = [{ role: "STAFF" }, { role: "AUDITOR" }];
const officeReadsOthers: readonly Grant[] = office.map((grant) => ({ ...grant, isSensitive: true }));

export const actionTable = {
  "account:read": [{ owner: true }, ...officeReadsOthers],
  /** What a person owns and owes at other institutions. */
  "portfolio:read": [{ owner: true }, ...officeReadsOthers],
  "account:open": people,
  "account:close": [{ owner: true }],
  /** What is linked at other institutions: items, accounts, transactions. */
  "linked:read": [{ owner: true }, ...officeReadsOthers],
  /** To begin or end a visit to Link for oneself. */
  "linked:link": people,
  /** To refresh, repair, edit and remove what one has linked. */
  "linked:write": [{ owner: true }],
  "cash:deposit": [{ scope: "cash:in" }, { owner: true, demo: true }],
  "cash:withdraw": [{ scope: "cash:out" }, { owner: true, demo: true }],
  "transfer:book": [{ owner: true }],
  "posting:write": [{ scope: "posting:write" }],
  "operation:read": [{ requester: true }, { owner: true }, ...officeReadsOthers],
  "batch:read": [{ scope: "ledger:read" }],
  "batch:reverse": [{ requester: true, scope: "posting:write" }, { role: "STAFF" }],
  "client-transaction:read": [{ requester: true }, { scope: "ledger:read" }],
  "internal-account:read": office,
  "trial-balance:read": office,
  /** Parameters, flags, restrictions, guards, periods, product versions, conversions. */
  "terms:write": [{ role: "STAFF" }],
  "terms:read": office,
  /** An empty grant: anybody who is signed in. */
  "product:read": [{}],
} as const satisfies Record<string, readonly Grant[]>;

export type Action = keyof typeof actionTable;

export interface ActionFacts {
  readonly isOwner?: boolean;
  readonly isRequester?: boolean;
  readonly isDemo?: boolean;
}

export interface Decision {
  readonly allowed: boolean;
  /** For the access log: the grant that held (`owner`, `role:STAFF`, `scope:cash:in`, `signed-in`), or why none did. */
  readonly reason: string;
  /** Allowed by office, not by belonging: worth a line in the access log. */
  readonly isSensitive: boolean;
}

export function mayDo(viewer: Viewer | undefined, action: Action, facts: ActionFacts = {}): Decision {
  if (viewer === undefined) return { allowed: false, reason: "not-signed-in", isSensitive: false };
  const grants: readonly Grant[] = actionTable[action];
  const grant = grants.find((one) => doesHold(one, viewer, facts));
  if (grant === undefined) return { allowed: false, reason: "no-grant", isSensitive: false };
  return { allowed: true, reason: toReason(grant), isSensitive: grant.isSensitive === true };
}

function doesHold(grant: Grant, viewer: Viewer, facts: ActionFacts): boolean {
  if (grant.role !== undefined && !viewer.roles.includes(grant.role)) return false;
  if (grant.scope !== undefined && !viewer.scopes.includes(grant.scope)) return false;
  if (grant.owner === true && facts.isOwner !== true) return false;
  if (grant.requester === true && facts.isRequester !== true) return false;
  if (grant.demo === true && facts.isDemo !== true) return false;
  return true;
}

function toReason(grant: Grant): string {
  const parts: string[] = [];
  if (grant.role !== undefined) parts.push(`role:${grant.role}`);
  if (grant.scope !== undefined) parts.push(`scope:${grant.scope}`);
  if (grant.owner === true) parts.push("owner");
  if (grant.requester === true) parts.push("requester");
  if (grant.demo === true) parts.push("demo");
  return parts.length === 0 ? "signed-in" : parts.join("+");
}
