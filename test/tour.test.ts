import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

// The README's tour as a newcomer would see it: the built platform with its own PostgreSQL, real clients, and a kill -9 in the middle.

it("takes the tour, dies by SIGKILL in the middle of traffic, starts again and has lost and doubled nothing", async () => {
  const script = fileURLToPath(new URL("../scripts/tour.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--own"], { timeout: 150_000 });
  expect(stdout).toContain("100.00 available");
  expect(stdout).toContain("no gap and no repeat");
  expect(stdout).toContain("happened once");
  expect(stdout).toMatch(/^done in/m);
}, 180_000);
