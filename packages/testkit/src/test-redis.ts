import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Redis } from "ioredis";
import { eventually } from "./eventually.js";

/** A redis-server of a test's own. It dies with the test's process. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Of the server that runs now; undefined while it is down. */
  readonly pid: number | undefined;
  /** SIGKILL; resolves when it is gone. What it had not written is lost. */
  kill(): Promise<void>;
  /** Starts it again on the same port, from whatever files are there. */
  start(): Promise<void>;
  /** Removes the data files while it is down, so that it starts empty. */
  wipe(): Promise<void>;
  /** Writes a snapshot and keeps a copy of it. */
  saveSnapshot(): Promise<void>;
  /** Puts the copy back while it is down, so that it starts with what it had then. */
  restoreSnapshot(): Promise<void>;
  flushAll(): Promise<void>;
  stop(): Promise<void>;
}

/** Where redis-server is on the PATH. */
export function findRedisServer(): string | undefined {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(directory, "redis-server");
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return undefined;
}

/**
 * `run` where a redis-server is there, else `skip` and one line that says so; with CI=true its absence is a failure.
 * For suites: `const describeWithRedis = whereRedisIs(describe, describe.skip)`.
 */
export function whereRedisIs<T>(run: T, skip: T): T {
  if (findRedisServer() !== undefined) return run;
  const reason = "No redis-server on the PATH (Debian: apt-get install redis-server)";
  if (process.env.CI === "true") throw new Error(`${reason}; CI runs every suite.`);
  process.stderr.write(`${reason}: the suites that need one are skipped.\n`);
  return skip;
}

/** @param options.aof writes an append-only file, so that a kill loses nothing; without it a kill loses all since the last snapshot. */
export async function startTestRedis(
  options: { readonly aof?: boolean; readonly port?: number } = {},
): Promise<TestRedis> {
  const program = findRedisServer();
  if (program === undefined) throw new Error("No redis-server on the PATH (Debian: apt-get install redis-server).");
  const directory = await mkdtemp(join(tmpdir(), "florin-test-redis-"));
  for (let attempt = 1; ; attempt++) {
    const redis = new OwnRedis(program, directory, options.port ?? (await findFreePort()), options.aof ?? false);
    try {
      await redis.start();
      return redis;
    } catch (error) {
      await redis.kill();
      if (options.port !== undefined || attempt === 5) throw error; // else: somebody took the free port first
    }
  }
}

class OwnRedis implements TestRedis {
  readonly url: string;
  readonly port: number;
  readonly #program: string;
  readonly #directory: string;
  readonly #aof: boolean;
  #server: ChildProcess | undefined;
  #watcher: ChildProcess | undefined;

  constructor(program: string, directory: string, port: number, aof: boolean) {
    this.#program = program;
    this.#directory = directory;
    this.port = port;
    this.#aof = aof;
    this.url = `redis://127.0.0.1:${port}`;
  }

  get pid(): number | undefined {
    return this.#server?.pid;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) throw new Error("This Redis runs already.");
    const settings = {
      port: String(this.port),
      bind: "127.0.0.1",
      dir: this.#directory,
      save: "",
      loglevel: "warning",
    };
    const args = Object.entries({ ...settings, appendonly: this.#aof ? "yes" : "no" });
    const server = spawn(
      this.#program,
      args.flatMap(([name, value]) => [`--${name}`, value]),
      { stdio: "ignore" },
    );
    this.#server = server;
    this.#watcher = killWithUs(server.pid);
    await eventually(async () => {
      if (server.exitCode !== null) return true;
      return (await this.#ask((client) => client.ping())) === "PONG";
    }, 10_000);
    if (server.exitCode !== null) throw new Error(`redis-server ended at once with ${server.exitCode}.`);
  }

  async kill(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    if (server.exitCode === null && server.signalCode === null) {
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      await gone;
    }
    this.#watcher?.stdin?.end("done\n");
  }

  async wipe(): Promise<void> {
    this.#assertDown();
    await rm(join(this.#directory, "dump.rdb"), { force: true });
    await rm(join(this.#directory, "appendonlydir"), { recursive: true, force: true });
  }

  async saveSnapshot(): Promise<void> {
    await this.#ask((client) => client.save());
    await copyFile(join(this.#directory, "dump.rdb"), join(this.#directory, "kept.rdb"));
  }

  async restoreSnapshot(): Promise<void> {
    this.#assertDown();
    await copyFile(join(this.#directory, "kept.rdb"), join(this.#directory, "dump.rdb"));
  }

  async flushAll(): Promise<void> {
    await this.#ask((client) => client.flushall());
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #assertDown(): void {
    if (this.#server !== undefined) throw new Error("Kill this Redis first: it would write its files again.");
  }

  async #ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.url, {
      lazyConnect: true,
      retryStrategy: () => null,
      connectTimeout: 2_000,
      commandTimeout: 5_000,
    });
    client.on("error", () => undefined); // told by the rejection
    try {
      await client.connect();
      return await question(client);
    } finally {
      client.disconnect();
    }
  }
}

/** Kills the server when this process ends without saying so: its end of the pipe closes then. */
function killWithUs(pid: number | undefined): ChildProcess | undefined {
  if (pid === undefined) return undefined;
  const watcher = spawn("/bin/sh", ["-c", `read line || kill -9 ${pid}`], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.unref();
  watcher.stdin?.on("error", () => undefined);
  return watcher;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
