import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// What a newcomer meets when something is in the way: one line that says what and what to do, exit code 1, no stack.

const main = fileURLToPath(new URL("../apps/standalone/dist/main.js", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "florin-start-"));
chmodSync(home, 0o755); // as root, PostgreSQL runs as another user that has to pass through
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function start(environment: Record<string, string>): Promise<{ code: number | null; error: string }> {
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env["PATH"] ?? "", HOME: home, FLORIN_HOME: home, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let error = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (error += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
  const [code] = (await once(child, "exit")) as [number | null];
  clearTimeout(timer);
  return { code, error };
}

function expectOneLine(result: { code: number | null; error: string }, pattern: RegExp): void {
  expect(result.error).toMatch(pattern);
  expect(result.error.trim().split("\n")).toHaveLength(1);
  expect(result.code).toBe(1);
}

it("says that the port is taken and how to choose another", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  expectOneLine(
    await start({ PORT: String(port) }),
    new RegExp(`Port ${port} on 127.0.0.1 is taken.*PORT=${port + 1}`),
  );
  other.close();
});

it("names every variable that is not usable, at once", async () => {
  expectOneLine(
    await start({ PORT: "many", DATABASE_URL: "mysql://x" }),
    /PORT.*DATABASE_URL must begin with postgres:\/\//,
  );
});

it("says that the database cannot be reached, without its password", async () => {
  const result = await start({ PORT: "0", DATABASE_URL: "postgres://florin:canary-secret@127.0.0.1:1/florin" });
  expectOneLine(result, /database.*127\.0\.0\.1:1/i);
  expect(result.error).not.toContain("canary-secret");
});

it("says that the data directory belongs to another version of PostgreSQL", async () => {
  const old = join(home, "old");
  mkdirSync(join(old, "postgres", "pgdata"), { recursive: true });
  writeFileSync(join(old, "postgres", "pgdata", "PG_VERSION"), "12\n");
  expectOneLine(await start({ PORT: "0", FLORIN_HOME: old }), /version 12|PostgreSQL 12/);
});
