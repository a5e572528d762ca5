import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { eventually } from "./eventually.js";

/** One process of the distributed form: started, killed, frozen and restarted by its process id, at the same address each time. */
export type PartKind = "gateway" | "accounts" | "ledger" | "portfolio";

/** Undefined takes a variable away. */
export type PartEnvironment = Readonly<Record<string, string | undefined>>;

export interface PartExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface FlorinPart {
  readonly kind: PartKind;
  /** `ledger-1`. */
  readonly name: string;
  readonly url: string;
  /** Of the process that runs, or ran last. */
  readonly pid: number;
  readonly isRunning: boolean;
  /** How the process that runs now ends; a restart begins a new one. */
  readonly exited: Promise<PartExit>;
  /** SIGKILL, and gone when this resolves. */
  kill(): Promise<PartExit>;
  /** SIGTERM; after the deadline SIGKILL, and an error. */
  stop(deadlineMs?: number): Promise<PartExit>;
  /** SIGSTOP: it stands still, and its connections stay open. */
  freeze(): void;
  resume(): void;
  /**
   * Starts it again, stopping it first if it runs. `environment` takes the place of the part's own from before (the cluster's stays);
   * absent, it stays as it was. Resolves when the part says that it is ready.
   */
  restart(environment?: PartEnvironment): Promise<void>;
  /** As restart, without waiting for ready: for a part that is expected to die while it starts. */
  launch(environment?: PartEnvironment): Promise<void>;
  untilReady(deadlineMs?: number): Promise<void>;
  /** All that it wrote so far, over all its lives. */
  log(): Promise<string>;
}

export interface PartOptions {
  readonly kind: PartKind;
  readonly name: string;
  readonly port: number;
  /** The built apps/service/dist/main.js. */
  readonly program: string;
  readonly logFile: string;
  readonly shared: PartEnvironment;
  readonly own: PartEnvironment;
  readonly startDeadlineMs: number;
}

const STOP_DEADLINE_MS = 30_000;
const LAST_LINES = 25;
const LINE_LENGTH = 400;
/** Children are killed with us, also when we are killed and can do nothing about it (Linux). */
const SETPRIV = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => existsSync(path));

interface Life {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<PartExit>;
  /** Where this life's lines begin in the log. */
  readonly logStart: number;
  ended: PartExit | undefined;
}

export async function startPart(options: PartOptions): Promise<FlorinPart> {
  const { kind, name, port, logFile, startDeadlineMs } = options;
  const url = `http://127.0.0.1:${port}`;
  let own = options.own;
  let life = await begin(options, own);

  const part: FlorinPart = {
    kind,
    name,
    url,
    get pid() {
      return life.pid;
    },
    get isRunning() {
      return life.ended === undefined;
    },
    get exited() {
      return life.exited;
    },
    kill: async () => {
      signal(life, "SIGKILL");
      return life.exited;
    },
    stop: async (deadlineMs = STOP_DEADLINE_MS) => {
      signal(life, "SIGTERM");
      const inTime = await within(life.exited, deadlineMs);
      if (inTime !== undefined) return inTime;
      signal(life, "SIGKILL");
      await life.exited;
      throw new Error(`${name} did not stop within ${deadlineMs} ms of SIGTERM.\n${await lastLines(logFile)}`);
    },
    freeze: () => signal(life, "SIGSTOP"),
    resume: () => signal(life, "SIGCONT"),
    restart: async (environment) => {
      await part.launch(environment);
      await part.untilReady();
    },
    launch: async (environment) => {
      if (life.ended === undefined) await part.stop();
      own = environment ?? own;
      life = await begin(options, own);
    },
    untilReady: async (deadlineMs = startDeadlineMs) => {
      const awaited = life;
      await eventually(() => isReady(awaited, url, logFile), deadlineMs).catch(async (error: unknown) => {
        throw new Error(`${name} (${url}) is not ready: ${String(error)}\n${await lastLines(logFile)}`);
      });
      if (awaited.ended !== undefined)
        throw new Error(`${name} ended (${describe(awaited.ended)}) before it was ready.\n${await lastLines(logFile)}`);
    },
    log: () => readFile(logFile, "utf8"),
  };
  return part;
}

async function begin(options: PartOptions, own: PartEnvironment): Promise<Life> {
  const log = await open(options.logFile, "a");
  try {
    const logStart = (await stat(options.logFile)).size;
    const command = [process.execPath, options.program, options.kind];
    const [file, ...args] = SETPRIV === undefined ? command : [SETPRIV, "--pdeathsig", "KILL", ...command];
    const child = spawn(file ?? process.execPath, args, {
      stdio: ["ignore", log.fd, log.fd],
      env: definedOnly({
        PATH: process.env["PATH"],
        TZ: process.env["TZ"],
        NODE_ENV: "test",
        HOST: "127.0.0.1",
        PORT: String(options.port),
        ...options.shared,
        ...own,
      }),
    });
    await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    const exited = new Promise<PartExit>((resolve) =>
      child.once("exit", (code, exitSignal) => {
        life.ended = { code, signal: exitSignal };
        resolve(life.ended);
      }),
    );
    const life: Life = { child, pid: child.pid ?? 0, exited, logStart, ended: undefined };
    return life;
  } finally {
    await log.close();
  }
}

/** Ended counts as an answer; the caller looks. */
async function isReady(life: Life, url: string, logFile: string): Promise<boolean> {
  if (life.ended !== undefined) return true;
  const written = (await readFile(logFile)).subarray(life.logStart).toString("utf8");
  if (!written.split("\n").some((line) => line.includes('"msg":"ready"'))) return false;
  const { status } = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) });
  return status === 200;
}

/** To a process that we started and have not seen the end of: its id cannot be another's. */
function signal(life: Life, name: NodeJS.Signals): void {
  if (life.ended === undefined) life.child.kill(name);
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function lastLines(logFile: string): Promise<string> {
  const lines = (await readFile(logFile, "utf8").catch(() => "")).trimEnd().split("\n");
  return `Its last lines:\n${lines
    .slice(-LAST_LINES)
    .map((line) => line.slice(0, LINE_LENGTH))
    .join("\n")}`;
}

function describe({ code, signal: name }: PartExit): string {
  return name === null ? `exit code ${code}` : name;
}

function definedOnly(given: PartEnvironment): Record<string, string> {
  return Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
