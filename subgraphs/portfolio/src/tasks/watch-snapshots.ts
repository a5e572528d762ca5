import type { Sql } from "@florin/db";
import { countStuckSnapshots } from "@florin/db/portfolio";
import { addMicros, type Clock } from "@florin/kernel";
import type { PortfolioMeters } from "../services.js";

export const WATCH_EVERY_MS = 30_000;
/** Pages of one version come within moments of each other. */
const PATIENCE_MICROS = 60_000_000n;

/** What waits too long for a page, for the metric: a version was lost on its way, or its event is parked. */
export async function watchSnapshots(sql: Sql, clock: Clock, meters: PortfolioMeters): Promise<void> {
  meters.setStuck(await countStuckSnapshots(sql, addMicros(clock.now(), -PATIENCE_MICROS)));
}
