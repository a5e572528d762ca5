export const roles = ["CUSTOMER", "MERCHANT", "STAFF", "AUDITOR", "PARTNER", "SERVICE"] as const;
export type Role = (typeof roles)[number];

export function isRole(value: unknown): value is Role {
  return roles.some((role) => role === value);
}

/** Who is asking, as proven by a verified token. Never built from anything that a client merely claims. */
export interface Viewer {
  /** The idempotency scope and the audience of events: `usr_…`, `ptr_…`, `svc:gateway`. */
  readonly principal: string;
  readonly roles: readonly Role[];
  /** What `@requiresScopes` compares: `staff`, `auditor`, `ledger:read`, `posting:write`, `cash:in`, … */
  readonly scopes: readonly string[];
  readonly sessionId: string | undefined;
  /** Seconds since 1970; the token is void from then on. */
  readonly expiresAt: number;
}
