import { execFile } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectAdmin } from "./bench-book.js";
import { summarize, type LoopResult } from "./closed-loop.js";
import { MissingTool } from "./report.js";

/**
 * The database's own yardstick: `pgbench`, TPC-B-like, 16 clients, prepared statements, in a database of its own on the cluster that the
 * ledger runs on. Per transaction: three updates, one select, one insert, one commit.
 */
export interface Yardstick {
  readonly version: string;
  run(seconds: number): Promise<LoopResult>;
  /** pgbench's own books: what each table says that all transactions moved. Empty when they agree. */
  findFaults(): Promise<readonly string[]>;
}

export const PGBENCH_CLIENTS = 16;
const execute = promisify(execFile);

export async function preparePgbench(url: string, options: { readonly scale: number; readonly pgbench: string }) {
  const program = findPgbench(options.pgbench);
  const { hostname, port, username, password, pathname } = new URL(url);
  const database = pathname.slice(1);
  const address = ["-h", hostname, "-p", port, "-U", decodeURIComponent(username)];
  // Not in the arguments, which every process of the machine can read.
  const env = { PGPASSWORD: decodeURIComponent(password), LC_ALL: "C" };
  const call = async (args: readonly string[], cwd = tmpdir()): Promise<string> =>
    (await execute(program, [...address, ...args, database], { env, cwd, maxBuffer: 1 << 26 })).stdout;
  const version = (await execute(program, ["--version"], { env })).stdout.trim();
  await call(["-i", "-q", "-s", String(options.scale)]);
  let counted = 0;
  const yardstick: Yardstick = {
    version,
    run: async (seconds) => {
      const directory = await mkdtemp(join(tmpdir(), "florin-pgbench-"));
      try {
        const time = ["-T", String(Math.max(1, Math.round(seconds)))];
        const shape = ["-n", "-M", "prepared", "-c", String(PGBENCH_CLIENTS), "-j", "2", "-l"];
        const result = await readResult(await call([...shape, ...time], directory), directory);
        counted += result.answers;
        return result;
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    findFaults: () => findFaults(url, counted),
  };
  return yardstick;
}

/** The log has a line per transaction: client, number, microseconds, script, second, microsecond. */
async function readResult(said: string, directory: string): Promise<LoopResult> {
  const perSecond = Number(/^tps = ([\d.]+) /m.exec(said)?.[1]);
  const failed = Number(/^number of failed transactions: (\d+)/m.exec(said)?.[1] ?? 0);
  if (!(perSecond > 0) || failed > 0) throw new Error(`pgbench did not go through:\n${said}`);
  const latenciesMs: number[] = [];
  for (const name of await readdir(directory)) {
    for (const line of (await readFile(join(directory, name), "utf8")).split("\n")) {
      const micros = line.split(" ")[2];
      if (micros !== undefined) latenciesMs.push(Number(micros) / 1_000);
    }
  }
  const answers = latenciesMs.length;
  return { answers, seconds: answers / perSecond, perSecond, latency: summarize(latenciesMs) };
}

async function findFaults(url: string, counted: number): Promise<readonly string[]> {
  const admin = connectAdmin(url);
  try {
    const [sums] = await admin.sql<{ moved: string; others: string[]; rows: number }[]>`
      select sum(delta)::text as moved, count(*)::int as rows,
        array[(select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers),
          (select sum(bbalance) from pgbench_branches)]::text[] as others
      from pgbench_history`;
    const isRight = sums !== undefined && sums.rows === counted && sums.others.every((sum) => sum === sums.moved);
    return isRight ? [] : [`pgbench's books do not agree after ${counted} transactions: ${JSON.stringify(sums)}`];
  } finally {
    await admin.stop();
  }
}

/** The one that was named, or else the newest. The binaries that Florin brings have none. */
function findPgbench(named: string): string {
  const packaged = listFolder("/usr/lib/postgresql")
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `/usr/lib/postgresql/${version}/bin/pgbench`);
  const elsewhere = ["/usr/local/pgsql", "/opt/homebrew", "/usr/local", "/usr"].map((place) => `${place}/bin/pgbench`);
  const found = (named === "" ? [...packaged, ...elsewhere] : [named]).find(isProgram);
  if (found !== undefined) return found;
  throw new MissingTool(
    `There is no pgbench ${named === "" ? "here" : `at ${named}`}. Debian and Ubuntu: apt-get install postgresql-contrib (or postgresql-15); macOS: brew install postgresql. ` +
      "Elsewhere name it: --pgbench /path/to/pgbench. Or leave the yardstick out: --series single,engine,…",
  );
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
