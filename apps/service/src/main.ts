import { createLogger } from "@florin/telemetry";
import {
  partNames,
  readAccountsEnvironment,
  readGatewayEnvironment,
  readLedgerEnvironment,
  readPortfolioEnvironment,
  type CommonEnvironment,
  type PartName,
} from "./environment.js";
import type { RunningPart } from "./part.js";
import { runUntilSignal } from "./run-until-signal.js";
import { StartError } from "./start-error.js";

// `node apps/service/dist/main.js gateway|accounts|ledger|portfolio` runs one part; `all` runs them together; `keys <directory>` makes the keys.
// Exit codes: 0 stopped cleanly, 1 could not start or had to give up. What another part needs is not even loaded.

const STOP_DEADLINE_MS = 10_000;

const starts: Record<PartName, () => Promise<{ environment: CommonEnvironment; part: RunningPart }>> = {
  gateway: async () => {
    const environment = readGatewayEnvironment();
    const { startGatewayPart } = await import("./gateway-part.js");
    return { environment, part: await startGatewayPart(environment) };
  },
  accounts: async () => {
    const environment = readAccountsEnvironment();
    const { startAccountsPart } = await import("./accounts-part.js");
    return { environment, part: await startAccountsPart(environment) };
  },
  ledger: async () => {
    const environment = readLedgerEnvironment();
    const { startLedgerPart } = await import("./ledger-part.js");
    return { environment, part: await startLedgerPart(environment) };
  },
  portfolio: async () => {
    const environment = readPortfolioEnvironment();
    const { startPortfolioPart } = await import("./portfolio-part.js");
    return { environment, part: await startPortfolioPart(environment) };
  },
};

async function run(what: string | undefined, argument: string | undefined): Promise<void> {
  if (what === "all") return (await import("./all.js")).runAll();
  if (what === "keys") {
    if (argument === undefined) throw new StartError("Say where the keys shall be: keys <directory>");
    return (await import("./service-keys.js")).ensureKeys(argument);
  }
  const name = partNames.find((known) => known === what);
  if (name === undefined)
    throw new StartError(
      `There is no part ${what ?? "without a name"}. Use one of: ${partNames.join(", ")}, all, keys.`,
    );
  await runPart(name);
}

async function runPart(name: PartName): Promise<void> {
  const { environment, part } = await starts[name]();
  // Whoever started us waits for this line, so it is written whatever LOG_LEVEL says.
  const lifecycle = createLogger({ name, level: "info" });
  runUntilSignal(part, {
    drainMs: environment.drainMs,
    deadlineMs: STOP_DEADLINE_MS,
    onStopping: () => lifecycle.info({ drainMs: environment.drainMs }, "stopping"),
    onStopped: () => lifecycle.info("stopped"),
    onFailure: (error) => lifecycle.error({ err: error }, "did not stop in order"),
  });
  lifecycle.info({ url: part.url, pid: process.pid }, "ready");
}

function giveUp(error: unknown): never {
  const isExpected = error instanceof StartError;
  process.stderr.write(
    isExpected
      ? `florin: ${error.message}\n`
      : `florin: could not go on.\n${String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exit(1);
}

// Whoever read our output may leave before us; that is no reason to end.
process.stdout.on("error", () => undefined);
run(process.argv[2], process.argv[3]).catch(giveUp);
