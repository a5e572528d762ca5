import type { PlaidEnvironmentName } from "./plaid-port.js";

/** Calls in a minute, for one item and for the whole client; undefined: Plaid names none. */
export interface EndpointLimits {
  readonly item: number | undefined;
  readonly client: number;
}

export interface Endpoint {
  readonly path: string;
  /** For the whole call; a caller may want less. */
  readonly timeoutMs: number;
  /** May be sent again by us after a failure: reads that cost nothing. */
  readonly isRepeatable: boolean;
  /** What fails together: one breaker for each. */
  readonly dependency: string;
  readonly limits: { readonly production: EndpointLimits; readonly sandbox: EndpointLimits };
}

/** Plaid documents none for these; this is far above our need and below anything that would be noticed. */
const UNDOCUMENTED = both(undefined, 500);
const DEFAULT_TIMEOUT_MS = 30_000;

/** linked-accounts.md §1.6 (documentation of 2026-03) and §1.10. */
export const endpoints = {
  linkTokenCreate: define("/link/token/create", "link", UNDOCUMENTED, { isRepeatable: false }),
  linkTokenGet: define("/link/token/get", "link", UNDOCUMENTED),
  exchange: define("/item/public_token/exchange", "link", UNDOCUMENTED, { isRepeatable: false }),
  itemGet: define("/item/get", "item", { production: limit(15, 5_000), sandbox: limit(40, 5_000) }),
  itemRemove: define(
    "/item/remove",
    "item",
    { production: limit(30, 2_000), sandbox: limit(100, 500) },
    { isRepeatable: false },
  ),
  invalidate: define("/item/access_token/invalidate", "item", UNDOCUMENTED, { isRepeatable: false }),
  webhookUpdate: define("/item/webhook/update", "item", UNDOCUMENTED, { isRepeatable: false }),
  accountsGet: define("/accounts/get", "accounts", { production: limit(15, 15_000), sandbox: limit(100, 5_000) }),
  balanceGet: define(
    "/accounts/balance/get",
    "balances",
    { production: limit(5, 1_200), sandbox: limit(25, 100) },
    { isRepeatable: false, timeoutMs: 90_000 },
  ),
  transactionsSync: define("/transactions/sync", "transactions", {
    production: limit(50, 2_500),
    sandbox: limit(50, 1_000),
  }),
  transactionsRefresh: define("/transactions/refresh", "transactions", both(2, 100), { isRepeatable: false }),
  liabilitiesGet: define("/liabilities/get", "liabilities", {
    production: limit(15, 1_000),
    sandbox: limit(10, 1_000),
  }),
  holdingsGet: define("/investments/holdings/get", "investments", {
    production: limit(15, 2_000),
    sandbox: limit(100, 1_000),
  }),
  investmentTransactionsGet: define(
    "/investments/transactions/get",
    "investments",
    { production: limit(30, 20_000), sandbox: limit(100, 1_000) },
    { timeoutMs: 120_000 },
  ),
  institutionGet: define("/institutions/get_by_id", "institutions", both(undefined, 400)),
  webhookKeyGet: define("/webhook_verification_key/get", "webhooks", UNDOCUMENTED, { timeoutMs: 5_000 }),
} as const satisfies Record<string, Endpoint>;

/** The simulator keeps the sandbox's table. */
export function limitsOf(endpoint: Endpoint, environment: PlaidEnvironmentName): EndpointLimits {
  return environment === "production" ? endpoint.limits.production : endpoint.limits.sandbox;
}

function limit(item: number | undefined, client: number): EndpointLimits {
  return { item, client };
}

function both(item: number | undefined, client: number): Endpoint["limits"] {
  return { production: limit(item, client), sandbox: limit(item, client) };
}

function define(
  path: string,
  dependency: string,
  limits: Endpoint["limits"],
  more: Partial<Pick<Endpoint, "isRepeatable" | "timeoutMs">> = {},
): Endpoint {
  return {
    path,
    dependency,
    limits,
    isRepeatable: more.isRepeatable ?? true,
    timeoutMs: more.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  };
}
