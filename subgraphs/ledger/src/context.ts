import type { AccessLog, Sealer } from "@florin/auth";
import type { SubgraphContext } from "@florin/graph";
import type { Clock } from "@florin/kernel";
import type { Readers } from "./readers.js";
import type { LedgerWriter } from "./writer/command.js";

export type * from "./readers.js";

/** What resolvers and commands of one request are given. */
export interface LedgerContext extends SubgraphContext {
  readonly readers: Readers;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly sealer: Sealer;
  readonly accessLog: AccessLog;
  /** Demo mode: owners bring and take cash themselves, as there are no agents. */
  readonly ownersMayMoveCash: boolean;
}
