import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase } from "@florin/db";
import { removeOwnedDirectories, startLocalPostgres, type LocalPostgres } from "@florin/local-postgres";
import { eventually } from "@florin/testkit";

const settings = { fsync: "off", shared_buffers: "16MB" };
const hooks = new URL("../../../scripts/typescript-hooks.mjs", import.meta.url).href;
const source = new URL("../src/index.ts", import.meta.url).href;
const running: LocalPostgres[] = [];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "florin-local-postgres-"));
  await chmod(directory, 0o755);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop("immediate")));
  await rm(directory, { recursive: true, force: true });
});

function optionsIn(place: string, name = "data") {
  return {
    dataDirectory: join(place, name),
    fallbackDirectory: join(directory, "fallback", name),
    binariesCacheDirectory: join(directory, "binaries"),
    logFile: join(place, `${name}.log`),
    settings,
  };
}

async function start(options: Parameters<typeof startLocalPostgres>[0]): Promise<LocalPostgres> {
  const server = await startLocalPostgres(options);
  running.push(server);
  return server;
}

async function ask(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const database = connectDatabase({ url, applicationName: "test", maxConnections: 1 });
  try {
    return await database.sql.unsafe(statement);
  } finally {
    await database.stop();
  }
}

/** Runs a program of ours in another Node; the program prints one JSON line when its server is up, and stays. */
function startElsewhere(options: Parameters<typeof startLocalPostgres>[0], user?: { uid: number; gid: number }) {
  const program = `
    import { register } from "node:module";
    register(${JSON.stringify(hooks)});
    const { startLocalPostgres } = await import(${JSON.stringify(source)});
    const server = await startLocalPostgres(${JSON.stringify(options)});
    console.log(JSON.stringify({ url: server.url, pid: server.pid, whereabouts: server.whereabouts }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    ...user,
    cwd: "/",
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const up = eventually(() => {
    if (child.exitCode !== null) return { failed: errors };
    return (
      output.includes("\n") && (JSON.parse(output) as { url: string; pid: number; whereabouts: { notes: string[] } })
    );
  }, 30_000);
  return { child, up };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("finds its data, its port and its password again, with checksums and durability on", async () => {
  const options = { ...optionsIn(directory), settings: { shared_buffers: "16MB" } };
  const first = await start(options);
  await ask(first.url, "create table kept as select 42 as answer");
  const [shown] = await ask(
    first.url,
    "select current_setting('data_checksums') c, current_setting('fsync') f, current_setting('listen_addresses') l",
  );
  expect(shown).toEqual({ c: "on", f: "on", l: "127.0.0.1" });
  expect((await stat(join(options.dataDirectory, "password"))).mode & 0o777).toBe(0o600);
  await first.stop();
  const second = await start(options);
  expect([second.url, await ask(second.url, "select answer from kept")]).toEqual([first.url, [{ answer: 42 }]]);
});

test("takes another port when the remembered one is taken, and says so when the port is fixed", async () => {
  const first = await start(optionsIn(directory, "first"));
  const second = optionsIn(directory, "second");
  await mkdir(second.dataDirectory, { recursive: true });
  await writeFile(join(second.dataDirectory, "port"), `${first.port}\n`);
  expect((await start(second)).port).not.toBe(first.port);
  await expect(start({ ...optionsIn(directory, "third"), port: first.port })).rejects.toThrow(
    `port ${first.port} is taken`,
  );
});

test("refuses data that a living process serves, and data of another major version, in one line", async () => {
  const options = optionsIn(directory);
  const server = await start(options);
  await expect(start(options)).rejects.toThrow(/^Another Florin \(pid \d+\)[^\n]+$/);
  expect(await ask(server.url, "select 1 as ok")).toEqual([{ ok: 1 }]);
  await server.stop();
  await writeFile(join(options.dataDirectory, "pgdata", "PG_VERSION"), "15\n");
  await expect(start(options)).rejects.toThrow(/written by PostgreSQL 15, and this is PostgreSQL 18[^\n]+$/);
});

test("the server ends with a parent that is killed", async () => {
  const { child, up } = startElsewhere(optionsIn(directory));
  const said = await up;
  if ("failed" in said) throw new Error(said.failed);
  child.kill("SIGKILL");
  await eventually(() => !isRunning(said.pid), 10_000);
});

test("stops a server that outlived its parent, keeps what was committed, and starts", async () => {
  const options = optionsIn(directory);
  const { child, up } = startElsewhere(options);
  const said = await up;
  if ("failed" in said) throw new Error(said.failed);
  await ask(said.url, "create table kept as select 42 as answer");
  process.kill(said.pid, "SIGSTOP"); // so that the parent's own watch cannot have stopped it
  child.kill("SIGKILL");
  await eventually(() => child.signalCode === "SIGKILL");
  const starting = start(options);
  process.kill(said.pid, "SIGCONT");
  const server = await starting;
  await eventually(() => !isRunning(said.pid)); // init may take a moment to forget an ended process
  expect(server.pid).not.toBe(said.pid);
  expect(await ask(server.url, "select answer from kept")).toEqual([{ answer: 42 }]);
});

test("leftovers of killed runs are removed, those of living ones stay", async () => {
  await start(optionsIn(directory, "run-living"));
  const { child, up } = startElsewhere(optionsIn(directory, "run-killed"));
  await up;
  child.kill("SIGKILL");
  await eventually(() => child.signalCode === "SIGKILL");
  expect(await removeOwnedDirectories(directory, "run-")).toEqual([join(directory, "run-killed")]);
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot("as root, data under a directory of mode 0700 go to the fallback, and a note says where", async () => {
  const closed = join(directory, "home");
  await mkdir(closed, { mode: 0o700 });
  const server = await start(optionsIn(closed));
  expect(server.whereabouts.dataDirectory).toBe(join(directory, "fallback", "data"));
  expect(server.whereabouts.notes.join()).toContain("cannot enter");
  expect(await ask(server.url, "select 1 as ok")).toEqual([{ ok: 1 }]);
});

asRoot("as a normal user, it runs as that user", async () => {
  const entry = (await readFile("/etc/passwd", "utf8")).split("\n").find((line) => line.startsWith("nobody:"));
  const [, , uid, gid] = (entry ?? "").split(":").map(Number);
  if (uid === undefined || gid === undefined) throw new Error("this machine has no user nobody");
  const place = join(directory, "of-nobody");
  await mkdir(place);
  await chmod(directory, 0o777);
  await chmod(place, 0o777);
  const { child, up } = startElsewhere(optionsIn(place), { uid, gid });
  const said = await up;
  try {
    expect(said).toMatchObject({ whereabouts: { serverUser: `uid ${uid}`, notes: [] } });
    if ("url" in said) expect(await ask(said.url, "select 1 as ok")).toEqual([{ ok: 1 }]);
  } finally {
    child.kill("SIGKILL");
    if ("pid" in said) await eventually(() => !isRunning(said.pid), 10_000);
  }
});
