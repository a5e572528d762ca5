import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./free-port.js";
import { StartError } from "./start-error.js";
import { SupervisedProcess } from "./supervised-process.js";

export interface RunningRedis {
  readonly url: string;
  readonly description: string;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 10_000;
const LOOK_EVERY_MS = 50;
const NOT_FOUND = "exit code 127";

/**
 * Ends with us: the shell waits on a pipe of ours, and ends the server when that closes, however we ended. The server's own end is the
 * shell's.
 */
const TIED_TO_US = `exec 3<&0; redis-server "$@" </dev/null & server=$!
  (cat <&3 >/dev/null; kill -TERM $server 2>/dev/null) & wait $server`;

/** The Redis of `redisUrl`, or a redis-server from the PATH with its data in `home`. */
export async function startRedis(options: {
  readonly redisUrl: string | undefined;
  readonly home: string;
  readonly onEvent: (text: string) => void;
}): Promise<RunningRedis> {
  if (options.redisUrl !== undefined) {
    const { hostname, port } = new URL(options.redisUrl);
    const description = `Redis at ${hostname}:${port || "6379"}`;
    return { url: options.redisUrl, description, stop: () => Promise.resolve() };
  }
  const directory = join(options.home, "redis");
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  let isMissing = false;
  const server = new SupervisedProcess({
    name: "redis",
    spawn: () =>
      spawn("sh", ["-c", TIED_TO_US, "florin-redis", ...settings(port, directory, join(options.home, "redis.log"))], {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true,
      }),
    askToEnd: (child) => child.stdin?.end(),
    onLine: () => undefined,
    onEvent: (text) => {
      if (text.includes(NOT_FOUND)) isMissing = true;
      else options.onEvent(text);
    },
  });
  server.start();
  const deadline = performance.now() + START_DEADLINE_MS;
  while (!(await answers(port))) {
    if (isMissing || performance.now() > deadline) {
      await server.stop(STOP_DEADLINE_MS);
      throw new StartError(
        isMissing
          ? "There is no redis-server on the PATH. Install Redis 7 or later (apt-get install redis-server), or set REDIS_URL."
          : `redis-server did not answer within ${START_DEADLINE_MS / 1_000} s. ${join(options.home, "redis.log")} says why.`,
      );
    }
    await pause(LOOK_EVERY_MS);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    description: `redis-server on port ${port}`,
    stop: () => server.stop(STOP_DEADLINE_MS),
  };
}

/** A bus, not a store: what it forgets comes again from the outbox, so a second's worth may be lost in a crash. */
function settings(port: number, directory: string, logFile: string): string[] {
  const pairs = {
    port: String(port),
    bind: "127.0.0.1",
    dir: directory,
    logfile: logFile,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
  };
  return Object.entries(pairs).flatMap(([name, value]) => [`--${name}`, value]);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", timeout: 1_000 });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => end(data.toString().startsWith("+PONG")));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
