import type { AccessLog, Sealer } from "@florin/auth";
import type { SubgraphContext } from "@florin/graph";
import type { Clock } from "@florin/kernel";
import type { Readers } from "./readers.js";
import type { TermsReaders } from "./terms-readers.js";
import type { LedgerWriter } from "./writer/command.js";

export type * from "./readers.js";

export interface SourceProblem {
  readonly code: string;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}

/** What resolvers and commands of one request are given. */
export interface LedgerContext extends SubgraphContext {
  readonly readers: Readers;
  readonly terms: TermsReaders;
  /** What is wrong with an uploaded product, and where. undefined: it can be uploaded. */
  readonly validateProduct: (source: string) => SourceProblem | undefined;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly sealer: Sealer;
  readonly accessLog: AccessLog;
  /** Demo mode: owners bring and take cash themselves, as there are no agents. */
  readonly ownersMayMoveCash: boolean;
}
