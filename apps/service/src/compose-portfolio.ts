import { randomIds, systemClock } from "@florin/resilience";
import { createPortfolioArea, type PortfolioArea, type PortfolioAreaOptions } from "@florin/subgraph-portfolio";
import { createPlatformSealer, snapshotKeyOf, type AreaFoundations } from "./area-foundations.js";

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
