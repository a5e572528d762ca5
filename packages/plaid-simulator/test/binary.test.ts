import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPlaidSimulator } from "../src/index.js";
import { readEnvironment } from "../src/environment.js";
import { clientOf, linkItem } from "./plaid-client.js";

const HERE = dirname(fileURLToPath(import.meta.url));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "plaid-sim-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("keeps Items, tokens and the change log over a restart, and goes on with the same ids", async () => {
  const options = { seed: "kept", snapshotFile: join(folder, "state.json"), limitsScale: Infinity };
  const before = await startPlaidSimulator(options);
  const item = await linkItem(clientOf(before), "user_transactions_dynamic");
  const sync = { access_token: item.accessToken };
  await clientOf(before).transactionsSync(sync);
  before.control.items.pull(item.itemId);
  const { data } = await clientOf(before).transactionsSync(sync);
  await before.stop();
  expect((await stat(options.snapshotFile)).mode & 0o077).toBe(0);

  const after = await startPlaidSimulator({ snapshotFile: options.snapshotFile, limitsScale: Infinity });
  const news = () => clientOf(after).transactionsSync({ ...sync, cursor: data.next_cursor });
  expect((await news()).data).toMatchObject({ added: [], has_more: false });
  await clientOf(after).transactionsRefresh(sync);
  const fresh = (await news()).data.added.map((it) => it.transaction_id);
  expect(fresh).toHaveLength(2);
  expect(data.added.map((it) => it.transaction_id)).not.toEqual(expect.arrayContaining(fresh));
  expect((await linkItem(clientOf(after))).itemId).not.toBe(item.itemId);
  await after.stop();
});

it("refuses a snapshot that is none, and says what to do", async () => {
  const file = fileURLToPath(import.meta.url).replace(/[^/]+$/, "../package.json");
  await expect(startPlaidSimulator({ snapshotFile: file })).rejects.toThrow("move it away");
});

it("reads its settings from the environment and names all that are wrong", () => {
  expect(readEnvironment({ PLAID_SIM_LIMITS: "off", PLAID_SIM_SEED: "s", PLAID_SIM_SNAPSHOT: "" })).toEqual({
    host: "127.0.0.1",
    port: 4010,
    clientId: "florin-demo",
    secret: "florin-demo",
    environment: "sandbox",
    clock: "real",
    limitsScale: Infinity,
    notReadyCalls: 1,
    seed: "s",
  });
  expect(() => readEnvironment({ PLAID_SIM_PORT: "x", PLAID_SIM_CLOCK: "fast" })).toThrow(
    /PLAID_SIM_PORT.*PLAID_SIM_CLOCK/,
  );
});

it("runs as a process of its own, serves, and stops when told", async () => {
  const snapshot = join(folder, "state.json");
  const child = spawn(process.execPath, [join(HERE, "../dist/main.js")], {
    env: { PLAID_SIM_PORT: "0", PLAID_SIM_SEED: "process", PLAID_SIM_SNAPSHOT: snapshot },
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const url = await announcedUrl(child);
    const state = (await fetch(`${url}/_sim/state`).then((it) => it.json())) as { clock: string };
    expect(state.clock).toBe("real");
  } finally {
    child.kill("SIGTERM");
  }
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  expect(JSON.parse(await readFile(snapshot, "utf8"))).toMatchObject({ seed: "process", items: [] });
});

async function announcedUrl(child: ChildProcess): Promise<string> {
  let told = "";
  for await (const chunk of child.stdout ?? []) {
    told += String(chunk);
    const url = /listening on (\S+)/.exec(told)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error("the simulator ended before it listened");
}
