import { createSealer } from "@florin/auth";
import type { Bus } from "@florin/events";
import type { Area } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import {
  ACCOUNTS_CONSUMER,
  createAccountsArea,
  type AccountsArea,
  type AccountsAreaOptions,
} from "@florin/subgraph-accounts";
import { createLedgerArea, type LedgerArea, type LedgerAreaOptions } from "@florin/subgraph-ledger";
import {
  createPortfolioArea,
  PORTFOLIO_BALANCES_CONSUMER,
  PORTFOLIO_LINKED_CONSUMER,
  type PortfolioArea,
  type PortfolioAreaOptions,
} from "@florin/subgraph-portfolio";
import type { Logger, Metrics } from "@florin/telemetry";
import type { PlaidTools } from "./plaid-tools.js";
import { deriveSecret } from "./secrets.js";

/** How each area is put together, in one process with the others or in one of its own. */
export interface AreaFoundations {
  /** Migrated. */
  readonly databaseUrl: string;
  readonly timelineFile?: string | undefined;
  readonly bus: Bus;
  readonly masterKey: Uint8Array;
  readonly isDemo: boolean;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** `iss` of access tokens. */
export const ISSUER = "florin";

/** In whose name the main book's checkpoints are signed (docs/audit.md). */
const AUDIT_ORIGIN = "florin.local/book/main";

/** Groups that must be there before a stream is delivered: an event published to nobody would count as delivered. */
export const expectedGroups: Readonly<Record<Area, readonly string[]>> = {
  accounts: ["ledger.account-commands", PORTFOLIO_LINKED_CONSUMER],
  ledger: [ACCOUNTS_CONSUMER, PORTFOLIO_BALANCES_CONSUMER],
  portfolio: [],
};

/** What accounts seals for portfolio: institutions' answers on their way (packages/linked-data). */
function snapshotKeyOf(masterKey: Uint8Array): Buffer {
  return deriveSecret(masterKey, "linked-snapshots");
}

export function createPlatformSealer(masterKey: Uint8Array) {
  return createSealer(deriveSecret(masterKey, "sealer"));
}

export function composeAccounts(
  foundations: AreaFoundations,
  own: Pick<AccountsAreaOptions, "verifyServiceToken" | "replicaUrl"> & {
    /** undefined: nobody can link accounts here. */
    readonly plaid: PlaidTools | undefined;
  },
): Promise<AccountsArea> {
  const { masterKey, isDemo, ...shared } = foundations;
  const { plaid, ...rest } = own;
  return createAccountsArea({
    ...shared,
    ...rest,
    linked: plaid && {
      openPlaid: plaid.openPlaid,
      vault: plaid.vault,
      policy: plaid.policy,
      obtainDemoToken: plaid.obtainDemoToken,
      snapshotKey: snapshotKeyOf(masterKey),
    },
    clock: systemClock,
    ids: randomIds,
    sealer: createPlatformSealer(masterKey),
    masterKey: deriveSecret(masterKey, "accounts"),
    issuer: ISSUER,
    demo: isDemo,
  });
}

export function composeLedger(
  foundations: AreaFoundations,
  own: Pick<
    LedgerAreaOptions,
    "verifyServiceToken" | "verifyViewer" | "leaseMs" | "unsafeNoFence" | "replicaUrl" | "haltsOnViolation"
  > & {
    /** Where signed checkpoints are kept outside the database. */
    readonly checkpointFile?: string | undefined;
  },
): Promise<LedgerArea> {
  const { masterKey, isDemo, ...shared } = foundations;
  const { checkpointFile, ...rest } = own;
  return createLedgerArea({
    ...shared,
    ...rest,
    checkpoints: { origin: AUDIT_ORIGIN, seed: deriveSecret(masterKey, "audit-checkpoints"), file: checkpointFile },
    clock: systemClock,
    ids: randomIds,
    sealer: createPlatformSealer(masterKey),
    ownersMayMoveCash: isDemo,
  });
}

export function composePortfolio(
  foundations: AreaFoundations,
  own: Pick<PortfolioAreaOptions, "verifyServiceToken" | "verifyViewer" | "replicaUrl" | "history">,
): Promise<PortfolioArea> {
  const { masterKey, isDemo: _, ...shared } = foundations;
  return createPortfolioArea({
    ...shared,
    ...own,
    clock: systemClock,
    ids: randomIds,
    sealer: createPlatformSealer(masterKey),
    snapshotKey: snapshotKeyOf(masterKey),
  });
}
