import type { SubgraphContext } from "@florin/graph";
import type { Clock } from "@florin/kernel";
import type { Readers } from "./readers.js";

/** What resolvers are given: who asks, and what can be read. Nothing is changed here. */
export interface PortfolioContext extends SubgraphContext {
  readonly readers: Readers;
  readonly clock: Clock;
}
