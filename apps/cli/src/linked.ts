import { connectDatabase, type Database } from "@florin/db";
import { readLinkedReport } from "@florin/db/accounts";
import { addKek, createKeyFileProvider, createTokenVault, type PlaidEnvironmentName } from "@florin/plaid";
import { rewrapTokens } from "@florin/subgraph-accounts";
import { parseArgs } from "node:util";
import { CommandFailure, misuse } from "./command-failure.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

export const linkedUsage = `florin linked status                        items, products, keys, work that waits, calls of the last hour
florin linked add-key  --keyring FILE       a new key for tokens' keys, current from now on; makes the file where there is none
    --id NAME: of the key, else the day it was made
florin linked rewrap   --keyring FILE       wraps every token's key by the current key; resumable, safe beside running workers
    --environment NAME of Plaid: simulator, sandbox or production (else production)
    --database-url URL of an owner, else DATABASE_URL
`;

const OPTIONS = {
  keyring: { type: "string" },
  id: { type: "string" },
  environment: { type: "string" },
  "database-url": { type: "string" },
} as const;
const ENVIRONMENTS: readonly PlaidEnvironmentName[] = ["production", "sandbox", "simulator"];
/** Between two lines of progress. */
const REWRAP_STEP = 500;

type Options = ReturnType<typeof parseOptions>["values"];

/** Keys and tokens are never shown. Throws CommandFailure. */
export async function runLinked(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args);
  const [action, ...extra] = positionals;
  if (extra.length > 0) throw misuse(`${extra[0]} is one argument too many.`);
  if (action === "status") return withDatabase(values, terminal, undefined, (database) => tell(database, terminal));
  if (action === "add-key") return addKey(values, terminal);
  if (action === "rewrap") return rewrap(values, terminal);
  throw misuse(`${action ?? "linked alone"} is no action. Use status, add-key or rewrap.`);
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw misuse(`${error instanceof Error ? error.message : String(error)} See: florin help`);
  }
}

async function withDatabase(
  values: Options,
  terminal: Terminal,
  role: "florin_linked_worker" | undefined,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const url = values["database-url"] ?? terminal.environment.databaseUrl;
  if (url === undefined) throw misuse("Say which database: --database-url postgres://… or DATABASE_URL.");
  const as = role === undefined ? {} : { area: "accounts" as const, role };
  const database = connectDatabase({ url, applicationName: "florin-cli", maxConnections: 5, ...as });
  try {
    await work(database);
  } finally {
    await database.stop();
  }
}

async function tell(database: Database, terminal: Terminal): Promise<void> {
  const report = await readLinkedReport(database.sql);
  const { jobsWaiting, webhooksWaiting } = report;
  terminal.write(formatTable(["ITEMS", "COUNT"], report.items.map(toCells)));
  terminal.write(`\n${formatTable(["PRODUCT", "STATUS", "COUNT"], report.products.map(toCells))}`);
  terminal.write(`\n${formatTable(["TOKENS UNDER KEY", "COUNT"], report.tokens.map(toCells))}`);
  terminal.write(`\n${formatTable(["CALLS, LAST HOUR", "ERROR", "COUNT"], report.calls.map(toCells))}`);
  terminal.write(`\n${jobsWaiting} jobs and ${webhooksWaiting} webhooks wait\n`);
}

function toCells(row: object): string[] {
  return Object.values(row).map((cell: unknown) => (cell === null ? "" : String(cell)));
}

async function addKey(values: Options, terminal: Terminal): Promise<void> {
  const keyring = keyringOf(values);
  const id = values.id ?? `kek-${new Date().toISOString().slice(0, 10)}`;
  await addKek(keyring, id);
  terminal.write(`${id} is current in ${keyring}. Wrap everything by it: florin linked rewrap --keyring ${keyring}\n`);
}

async function rewrap(values: Options, terminal: Terminal): Promise<void> {
  const keyring = keyringOf(values);
  const environment = ENVIRONMENTS.find((name) => name === (values.environment ?? "production"));
  if (environment === undefined) throw misuse(`--environment is one of ${ENVIRONMENTS.join(", ")}.`);
  const keys = createKeyFileProvider({ path: keyring, isProductionGrade: true });
  const vault = createTokenVault({ keys, environment });
  await withDatabase(values, terminal, "florin_linked_worker", async (database) => {
    let rewrapped = 0;
    for (;;) {
      const step = await rewrapTokens({ database, vault }, { limit: REWRAP_STEP });
      rewrapped += step.rewrapped;
      terminal.write(`${rewrapped} wrapped anew, ${step.remaining} left\n`);
      if (step.remaining === 0) return;
      if (step.rewrapped === 0)
        throw new CommandFailure(
          1,
          `${step.remaining} tokens could not be wrapped anew; workers replaced them meanwhile? Run it again.`,
        );
    }
  });
}

function keyringOf(values: Options): string {
  if (values.keyring === undefined) throw misuse("Say where the keys are: --keyring FILE");
  return values.keyring;
}
