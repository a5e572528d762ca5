import { operationIdOf, sha256Hex, type Database } from "@florin/db";
import { listAccountsOfVersion, listRunningConversions, type RunningConversion } from "@florin/db/ledger";
import { formatId, type Clock } from "@florin/kernel";
import { startRepeatingTask, type RepeatingTask } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { LedgerWriter } from "../writer/command.js";
import type { TermsCommand } from "../writer/terms-command.js";

/**
 * Converts every account of a product version, in pages in order of id (§2.9), in the process that holds the lease. A page is one command whose
 * key names the account that it comes after, and its commit moves the conversion on: whoever dies between pages, the next one goes on there.
 */
export interface ConvertAccountsOptions {
  readonly database: Database;
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 1000; 0: never. */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 1_000;
const BOOK = 1;
const PAGE = 100;
const CONVERTER = "svc:ledger-conversion";

export function startConversions(options: ConvertAccountsOptions): RepeatingTask {
  const { logger, everyMs = EVERY_MS } = options;
  const converter = createConverter(options);
  return startRepeatingTask({
    everyMs,
    round: async (isStopped) => {
      while (!isStopped() && (await converter.convertPage()));
    },
    onFailure: (error) => logger.warn({ err: error }, "Accounts could not be converted; it is tried again."),
  });
}

/** One page of the oldest conversion: whether there may be more. false in a process without the lease. */
export function createConverter(options: ConvertAccountsOptions): { convertPage(): Promise<boolean> } {
  const { database, writer, clock } = options;
  return {
    convertPage: async () => {
      if (!writer.isLeader()) return false;
      const [conversion] = await listRunningConversions(database.sql, BOOK, 1);
      if (conversion === undefined) return false;
      const { fromVersionId, afterAccountId } = conversion;
      const page = { productVersionId: fromVersionId, after: afterAccountId, limit: PAGE };
      const accounts = await listAccountsOfVersion(database.sql, BOOK, page);
      const outcome = await writer.submit(toCommand(conversion, accounts, clock));
      const rejection = outcome.kind === "operation" ? outcome.operation.rejection : undefined;
      if (rejection !== undefined) throw new Error(`a page of a conversion was refused: ${rejection.code}`);
      return true;
    },
  };
}

function toCommand(
  { conversionId, toVersionId, afterAccountId, correlationId }: RunningConversion,
  accounts: Awaited<ReturnType<typeof listAccountsOfVersion>>,
  clock: Clock,
): TermsCommand {
  const after = afterAccountId === null ? "begin" : formatId("account", afterAccountId);
  const idempotencyKey = `conversion:${formatId("operation", conversionId)}:${after}`;
  return {
    kind: "terms",
    commandId: operationIdOf(CONVERTER, idempotencyKey),
    principal: CONVERTER,
    idempotencyKey,
    fingerprint: sha256Hex(idempotencyKey),
    correlationId,
    createdAt: clock.now(),
    change: {
      type: "conversion",
      accountIds: accounts.map(({ accountId }) => accountId),
      currencies: [...new Set(accounts.map(({ denomination }) => denomination))],
      toVersionId,
      page: { conversionId, isLast: accounts.length < PAGE },
    },
  };
}
