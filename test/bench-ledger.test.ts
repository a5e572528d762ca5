import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

// So that the benches do not rot: the largest of them runs with tiny numbers, its answers and books are checked as in a real run, and
// what it prints can be read. Nothing is asserted of time. pgbench is left out: not every machine has one.

const root = fileURLToPath(new URL("../", import.meta.url));
const TINY = [
  "--seconds",
  "0.3",
  "--warmup",
  "0.1",
  "--runs",
  "1",
  "--wallets",
  "20",
  "--callers",
  "8",
  "--refused",
  "20%",
];

async function runEngine(
  ...options: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = ["--import", join(root, "scripts/register-typescript.mjs"), join(root, "bench/ledger/engine.ts")];
  try {
    // Its cluster is its child and ends with it, also when the deadline ends it.
    const call = promisify(execFile)(process.execPath, [...program, ...options], {
      timeout: 50_000,
      killSignal: "SIGKILL",
    });
    const { stdout, stderr } = await call;
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number | null; stdout: string; stderr: string };
    return { code: code ?? -1, out: stdout, err: stderr };
  }
}

interface Report {
  readonly bench: string;
  readonly faults: readonly string[];
  readonly ratios: { readonly engineToSingle: number; readonly auditShare: number };
  readonly series: Readonly<
    Record<string, { readonly perSecond: number; readonly runs: readonly { readonly answers: number }[] }>
  >;
  readonly setting: { readonly settings: Readonly<Record<string, string>> };
}

it("measures the commit engine, with every answer and each book right", async () => {
  const { code, out, err } = await runEngine(...TINY, "--series", "single,engine,unaudited");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const lines = out.trim().split("\n");
  const report = JSON.parse(lines.at(-1) ?? "") as Report;
  // "compared": the one book is chained, the other is not; otherwise L3 would compare a thing with itself.
  expect(report).toMatchObject({ bench: "ledger/engine", faults: [], audit: "compared" });
  expect(report.setting.settings).toMatchObject({ fsync: "on", synchronous_commit: "on", data_checksums: "on" });
  for (const name of ["single", "engine", "unaudited"]) {
    expect(report.series[name]?.runs[0]?.answers).toBeGreaterThan(0);
    expect(report.series[name]?.perSecond).toBeGreaterThan(0);
    expect(lines.some((line) => line.trim().startsWith(`${name} `))).toBe(true);
  }
  expect(report.ratios.engineToSingle).toBeGreaterThan(0);
  expect(report.ratios.auditShare).toBeLessThan(1);
});

it("says which option it does not take, and refuses to measure without durability", async () => {
  expect(await runEngine("--secnds", "1")).toMatchObject({
    code: 2,
    err: expect.stringContaining("--secnds") as string,
  });
  expect(await runEngine("--set", "fsync=off")).toMatchObject({
    code: 1,
    err: expect.stringContaining("another fsync") as string,
  });
});

it("says how to get pgbench where there is none", async () => {
  const { code, err } = await runEngine(...TINY, "--series", "pgbench", "--pgbench", join(root, "no-such-program"));
  expect({ code, err: err.trim() }).toEqual({ code: 2, err: expect.stringContaining("apt-get install") as string });
});
