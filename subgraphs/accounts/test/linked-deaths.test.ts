import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { FaultPoint } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import { request, startLinkedPlatform, storedOf, truthOf, type LinkedPlatform } from "./linked-platform.js";

let platform: LinkedPlatform;
beforeAll(async () => {
  platform = await startLinkedPlatform();
});
afterAll(() => platform.stop());

/** Starts a worker that kills itself at a point, and resolves with how it ended. */
async function dieAt(point: FaultPoint): Promise<unknown> {
  const hooks = new URL("../../../scripts/register-typescript.mjs", import.meta.url).href;
  const program = new URL("linked-worker-process.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", hooks, program], {
    stdio: "ignore",
    env: {
      ...process.env,
      NODE_OPTIONS: "",
      DATABASE_URL: platform.url,
      SIMULATOR_URL: platform.simulator.url,
      WEBHOOK_URL: platform.door.url,
      FLORIN_FAULT: `${point}:1:kill`,
    },
  });
  const deadline = setTimeout(() => child.kill("SIGTERM"), 60_000);
  const [, signal] = await once(child, "exit");
  clearTimeout(deadline);
  return signal;
}

test("a worker that is killed between fetch and commit leaves everything as it was, and the next one has everything", async () => {
  const login = await platform.link("user_deposit_only", ["transactions"]);
  await platform.atRest(login.itemId);
  const before = await storedOf(platform, login);
  await platform.stopWorker(platform.worker);
  platform.door.worker = undefined;

  const add = Array.from({ length: 50 }, (_, at) => ({ amount: at + 0.25, name: `Bulk ${at}` }));
  platform.simulator.control.items.changeTransactions(login.plaidItemId, { add, remove: [before[0]?.plaidId ?? ""] });
  await request(platform, login, "TRANSACTIONS");
  expect(await dieAt("accounts.sync.before-commit")).toBe("SIGKILL");
  expect(await storedOf(platform, login)).toEqual(before);

  await platform.startWorker();
  await eventually(async () => {
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
    return true;
  }, 15_000);
}, 90_000);
