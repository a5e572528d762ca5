import { closeSync, copyFileSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * What clients did and were told, written down by the clients: the oracle of every chaos test. The system under test is never asked what
 * it acknowledged.
 *
 *   invoke  before the request leaves
 *   ok      the client was told that it happened
 *   fail    the client was told that it did not happen, and never will
 *   info    the client does not know
 *
 * A process does one thing at a time, and one that does not know is gone: whoever goes on in its place is another process.
 * Values are JSON; money in them is text. Times are microseconds of this machine's monotonic clock, so that before and after are real.
 */
export interface HistoryEntry<Value> {
  readonly index: number;
  readonly process: number;
  readonly type: "invoke" | "ok" | "fail" | "info";
  readonly f: string;
  readonly value: Value;
  readonly time: number;
}

/** What has to be said about an invocation, once. A value given here takes the place of the one that was invoked. */
export interface Invocation<Value> {
  readonly index: number;
  ok(value?: Value): void;
  fail(value?: Value): void;
  info(value?: Value): void;
}

export interface History<Value> {
  readonly entries: readonly HistoryEntry<Value>[];
  /** Of processes that will say no more: a new one for whoever goes on. */
  newProcess(): number;
  invoke(process: number, f: string, value: Value): Invocation<Value>;
  /** A copy beside the seed that made it, for after a failure. Returns the file's path. */
  save(directory: string, name: string, seed: number): string;
  close(): void;
}

export function createHistory<Value>(
  options: {
    /** Each entry is appended here, a line each, before the call returns. */
    readonly file?: string | undefined;
    /** Also to the disk: for clients that may be killed with the machine. */
    readonly fsync?: boolean;
  } = {},
): History<Value> {
  const entries: HistoryEntry<Value>[] = [];
  const busy = new Map<number, "busy" | "gone">();
  let processes = 0;
  let file = options.file === undefined ? undefined : openSync(options.file, "a");

  function add(entry: Omit<HistoryEntry<Value>, "index" | "time">): number {
    const index = entries.length;
    const whole = { index, ...entry, time: Math.round(performance.now() * 1_000) };
    entries.push(whole);
    if (file !== undefined) {
      writeSync(file, `${JSON.stringify(whole)}\n`);
      if (options.fsync === true) fsyncSync(file);
    }
    return index;
  }

  return {
    entries,
    newProcess: () => processes++,
    invoke: (process, f, invoked) => {
      const state = busy.get(process);
      if (state === "busy") throw new Error(`process ${process} has not finished what it began`);
      if (state === "gone") throw new Error(`process ${process} does not know what it did; go on as another`);
      busy.set(process, "busy");
      processes = Math.max(processes, process + 1);
      const index = add({ process, type: "invoke", f, value: invoked });
      const end = (type: "ok" | "fail" | "info") => (value?: Value) => {
        if (busy.get(process) !== "busy") throw new Error(`process ${process} has said how it ended already`);
        if (type === "info") busy.set(process, "gone");
        else busy.delete(process);
        add({ process, type, f, value: value ?? invoked });
      };
      return { index, ok: end("ok"), fail: end("fail"), info: end("info") };
    },
    save: (directory, name, seed) => {
      mkdirSync(directory, { recursive: true });
      const path = join(directory, `${name}-seed-${seed}.jsonl`);
      if (options.file !== undefined) copyFileSync(options.file, path);
      else writeLines(path, entries);
      return path;
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function writeLines(path: string, entries: readonly unknown[]): void {
  const file = openSync(path, "w");
  for (const entry of entries) writeSync(file, `${JSON.stringify(entry)}\n`);
  closeSync(file);
}

/** An operation, from its beginning to what is known of its end. */
export interface Completed<Value> {
  readonly process: number;
  readonly f: string;
  /** A history that stops before the end leaves it open: info. */
  readonly type: "ok" | "fail" | "info";
  readonly invoked: Value;
  /** As the end tells it; of info, what was invoked. */
  readonly value: Value;
  readonly beganAt: number;
  /** Infinity when it never ended: it may still take effect. */
  readonly endedAt: number;
  readonly index: number;
}

/** Every operation once, in the order in which they began. */
export function completedOperations<Value>(entries: readonly HistoryEntry<Value>[]): Completed<Value>[] {
  const open = new Map<number, number>();
  const operations: Completed<Value>[] = [];
  for (const { index, process, type, f, value, time } of entries) {
    const at = open.get(process);
    if (type === "invoke") {
      if (at !== undefined) throw new Error(`entry ${index}: process ${process} began twice`);
      open.set(process, operations.length);
      operations.push({ process, f, type: "info", invoked: value, value, beganAt: time, endedAt: Infinity, index });
      continue;
    }
    const begun = at === undefined ? undefined : operations[at];
    if (begun === undefined || at === undefined) throw new Error(`entry ${index}: process ${process} ended nothing`);
    open.delete(process);
    operations[at] = { ...begun, type, value, endedAt: type === "info" ? Infinity : time };
  }
  return operations;
}

/** One thing that is wrong with a history, and where to look. */
export interface Anomaly {
  readonly kind: string;
  readonly what: string;
}
