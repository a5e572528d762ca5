import type { StoredRole } from "@florin/db/accounts";

/** What a role may ask of the graph (`@requiresScopes`). Partners have the scopes of their key instead. */
const scopesByRole: Readonly<Record<StoredRole, readonly string[]>> = {
  CUSTOMER: [],
  MERCHANT: [],
  STAFF: ["staff", "ledger:read"],
  AUDITOR: ["auditor", "ledger:read", "audit:read"],
};

export function scopesOf(roles: readonly StoredRole[]): readonly string[] {
  return [...new Set(roles.flatMap((role) => scopesByRole[role]))];
}
