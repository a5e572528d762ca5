import { randomIds, systemClock } from "@florin/resilience";
import { createLedgerArea, type LedgerArea, type LedgerAreaOptions } from "@florin/subgraph-ledger";
import { createPlatformSealer, type AreaFoundations } from "./area-foundations.js";
import { deriveSecret } from "./secrets.js";

/** In whose name the main book's checkpoints are signed (docs/audit.md). */
const AUDIT_ORIGIN = "florin.local/book/main";

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
