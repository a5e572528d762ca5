import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import {
  checkBank,
  checkIdempotentHistory,
  checkListAppend,
  completedOperations,
  createHistory,
  type HistoryEntry,
  type ListOperation,
  type ListTransaction,
  type StoredOperation,
} from "../src/index.js";

const a = (key: string, element: string): ListOperation => ["append", key, element];
const r = (key: string, ...elements: string[]): ListOperation => ["r", key, { from: 1, elements }];
const tail = (key: string, from: number, ...elements: string[]): ListOperation => ["r", key, { from, elements }];

interface Step {
  readonly process: number;
  readonly type: HistoryEntry<unknown>["type"];
  readonly ops: ListTransaction;
}
const begin = (process: number, ...ops: ListOperation[]): Step => ({ process, type: "invoke", ops });
const ok = (process: number, ...ops: ListOperation[]): Step => ({ process, type: "ok", ops });
const fail = (process: number, ...ops: ListOperation[]): Step => ({ process, type: "fail", ops });

/** All at the same time: nothing is before anything. */
function together(...transactions: ListOperation[][]): Step[] {
  return [
    ...transactions.map((ops, process) => begin(process, ...ops)),
    ...transactions.map((ops, process) => ok(process, ...ops)),
  ];
}

function inSequence(...transactions: ListOperation[][]): Step[] {
  return transactions.flatMap((ops) => [begin(0, ...ops), ok(0, ...ops)]);
}

function toHistory(steps: readonly Step[]): HistoryEntry<ListTransaction>[] {
  return steps.map(({ process, type, ops }, index) => ({ index, process, type, f: "txn", value: ops, time: index }));
}

const kindsOf = (steps: readonly Step[]): string[] => Object.keys(checkListAppend(toHistory(steps)).counts).sort();

describe("list-append", () => {
  const cases: readonly (readonly [string, Step[], string[]])[] = [
    ["nothing at all", [], []],
    ["one after the other", inSequence([a("x", "1")], [r("x", "1")], [a("x", "2")], [r("x", "1", "2")]), []],
    ["concurrent reads may see either state", together([a("x", "1")], [r("x")], [r("x", "1")]), []],
    [
      "a read of the end of a list only",
      inSequence([a("x", "1"), a("x", "2")], [r("x", "1", "2")], [a("x", "3")], [tail("x", 3, "3")]),
      [],
    ],
    ["one that is unknown may have happened", [begin(0, a("x", "1")), begin(1, r("x")), ok(1, r("x", "1"))], []],
    ["one that is unknown may not have happened", [begin(0, a("x", "1")), begin(1, r("x")), ok(1, r("x"))], []],
    [
      "one that failed and is seen by nobody",
      [begin(0, a("x", "1")), fail(0, a("x", "1")), ...inSequence([r("x")])],
      [],
    ],
    ["its own appends are seen by a transaction", inSequence([a("x", "1"), r("x", "1")]), []],
    [
      "two reads that disagree",
      together([a("x", "1")], [a("x", "2")], [r("x", "1", "2")], [r("x", "2", "1")]),
      ["incompatible-order"],
    ],
    ["the same element twice", together([a("x", "1")], [r("x", "1", "1")]), ["duplicate-element"]],
    ["an element from nowhere", together([r("x", "7")]), ["phantom"]],
    ["an aborted read", [begin(0, a("x", "1")), fail(0, a("x", "1")), begin(1), ok(1, r("x", "1"))], ["G1a"]],
    [
      "an intermediate read",
      together([a("x", "1"), a("x", "2")], [r("x", "1")], [r("x", "1", "2")]),
      ["G1b", "G-single"],
    ],
    ["a transaction that does not see its own append", together([a("x", "1"), r("x")], [r("x", "1")]), ["internal"]],
    ["an acknowledged append that is gone", inSequence([a("x", "1")], [r("x")]), ["lost-append"]],
    [
      "elements that nobody looked at",
      inSequence([a("x", "1")], [a("x", "2")], [tail("x", 2, "2")]),
      ["lost-append", "unread"],
    ],
    [
      "G0: writes interleave",
      together([a("x", "1"), a("y", "1y")], [a("x", "2"), a("y", "2y")], [r("x", "1", "2")], [r("y", "2y", "1y")]),
      ["G0"],
    ],
    ["G1c: two that saw each other", together([a("x", "1"), r("y", "2")], [a("y", "2"), r("x", "1")]), ["G1c"]],
    ["G-single: read skew", together([a("x", "1"), a("y", "2")], [r("x", "1"), r("y")], [r("y", "2")]), ["G-single"]],
    [
      "G2-item: write skew",
      together([r("x"), a("y", "1")], [r("y"), a("x", "2")], [r("x", "2"), r("y", "1")]),
      ["G2-item"],
    ],
    [
      "a long fork: two reads that saw two writes in opposite orders",
      together([a("x", "1")], [a("y", "2")], [r("x", "1"), r("y")], [r("x"), r("y", "2")], [r("x", "1"), r("y", "2")]),
      ["G2-item"],
    ],
    [
      "a stale read, serializable but not strictly",
      [...inSequence([a("x", "1")], [r("x", "1")]), begin(1, r("x")), ok(1, r("x"))],
      ["G-single-realtime"],
    ],
    [
      "appends that took effect against real time",
      [...inSequence([a("x", "1")], [a("x", "2")]), begin(1), ok(1, r("x", "2", "1"))],
      ["G0-realtime"],
    ],
    [
      "a read of what began after it was over",
      [begin(0, r("x")), ok(0, r("x", "1")), begin(1, a("x", "1")), ok(1, a("x", "1"))],
      ["G1c-realtime"],
    ],
  ];
  test.each(cases)("%s", (_name, steps, kinds) => {
    expect(kindsOf(steps)).toEqual([...kinds].sort());
  });

  /** Takes effect at one moment between its beginning and its end, one after the other: what strict serializability means. */
  const serialRuns = fc.array(
    fc.record({
      process: fc.nat(5),
      move: fc.constantFrom("go", "go", "fail"),
      ops: fc.array(fc.tuple(fc.constantFrom("append", "r"), fc.constantFrom("x", "y", "z")), {
        minLength: 1,
        maxLength: 4,
      }),
      window: fc.integer({ min: 1, max: 8 }),
    }),
    { maxLength: 120 },
  );

  function runSerially(moves: ReturnType<typeof serialRuns.generate>["value"]): Step[] {
    const lists: Record<string, string[]> = { x: [], y: [], z: [] };
    const states = new Map<number, { ops: ListTransaction; applied: ListTransaction | undefined }>();
    const steps: Step[] = [];
    let elements = 0;
    for (const { process, move, ops, window } of moves) {
      const state = states.get(process);
      if (state === undefined) {
        const asked = ops.map(([kind, key]): ListOperation =>
          kind === "append" ? a(key, `${++elements}`) : ["r", key, null],
        );
        states.set(process, { ops: asked, applied: undefined });
        steps.push(begin(process, ...asked));
      } else if (state.applied === undefined && move === "fail") {
        states.delete(process);
        steps.push(fail(process, ...state.ops));
      } else if (state.applied === undefined) {
        const applied = state.ops.map(([kind, key, element]): ListOperation => {
          const list = lists[key] ?? [];
          if (kind === "append") list.push(element);
          const from = Math.max(0, list.length - Math.max(window, state.ops.length));
          return kind === "append" ? a(key, element) : tail(key, from + 1, ...list.slice(from));
        });
        states.set(process, { ops: state.ops, applied });
      } else {
        states.delete(process);
        steps.push(ok(process, ...state.applied));
      }
    }
    const whole = Object.entries(lists).map(([key, list]) => r(key, ...list));
    return [...steps, begin(9), ok(9, ...whole)];
  }

  test("never flags what a serial executor did", () => {
    fc.assert(
      fc.property(serialRuns, (moves) => {
        expect(checkListAppend(toHistory(runSerially(moves))).anomalies).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test("flags any acknowledged append that the last read does not have", () => {
    fc.assert(
      fc.property(serialRuns, fc.nat(), (moves, choice) => {
        const steps = runSerially(moves);
        const acknowledged = steps
          .filter(({ type }) => type === "ok")
          .flatMap(({ ops }) => ops.filter(([kind]) => kind === "append"));
        fc.pre(acknowledged.length > 0);
        const lost = acknowledged[choice % acknowledged.length]?.[2];
        const without = steps.map((step) => ({
          ...step,
          ops: step.ops.map((op): ListOperation =>
            op[0] === "r" && op[2] !== null
              ? ["r", op[1], { ...op[2], elements: op[2].elements.filter((one) => one !== lost) }]
              : op,
          ),
        }));
        expect(checkListAppend(toHistory(without)).anomalies).not.toEqual([]);
      }),
    );
  });

  test("two hundred thousand transactions of sixteen processes are checked in seconds", () => {
    const lists = Array.from({ length: 12 }, (_, index) => ({ key: `k${index}`, elements: [] as string[] }));
    const steps: Step[] = [];
    const running = new Map<number, ListTransaction>();
    for (let made = 0; made < 200_000;) {
      for (let process = 0; process < 16; process++) {
        const before = running.get(process);
        if (before !== undefined) steps.push(ok(process, ...before));
        const [one, other] = [lists[(made * 7) % 12]!, lists[(made * 5 + 1) % 12]!];
        const ops = [one, other].map(({ key, elements }, index): ListOperation => {
          if (made % 2 === 0) return tail(key, Math.max(1, elements.length - 9), ...elements.slice(-10));
          elements.push(`${made}.${index}`);
          return a(key, `${made}.${index}`);
        });
        running.set(process, ops);
        steps.push(begin(process, ...ops));
        made++;
      }
    }
    for (const [process, ops] of running) steps.push(ok(process, ...ops));
    const whole = lists.map(({ key, elements }) => r(key, ...elements));
    const history = toHistory([...steps, begin(0), ok(0, ...whole)]);
    const before = performance.now();
    const report = checkListAppend(history);
    // Four seconds on two cores; ten times that is still no reason to wait for.
    expect(performance.now() - before).toBeLessThan(60_000);
    expect(report.transactions).toBeGreaterThanOrEqual(200_000);
    expect(report.anomalies).toEqual([]);
  });
});

describe("bank", () => {
  const read = (
    balances: Record<string, string | null>,
  ): HistoryEntry<{ balances?: Record<string, string | null> }>[] => [
    { index: 0, process: 0, type: "invoke", f: "read", value: {}, time: 0 },
    { index: 1, process: 0, type: "ok", f: "read", value: { balances }, time: 1 },
  ];
  const expected = { accounts: ["a", "b"], total: 100n };
  test.each([
    ["adds up", { a: "60", b: "40" }, []],
    ["an account nobody knows", { a: "60", b: "40", c: "0" }, ["unexpected-key"]],
    ["no balance", { a: "60", b: null }, ["nil-balance"]],
    ["an account is missing", { a: "100" }, ["nil-balance"]],
    ["does not add up", { a: "60", b: "41" }, ["wrong-total"]],
    ["below zero", { a: "101", b: "-1" }, ["negative-value"]],
  ])("%s", (_name, balances, kinds) => {
    const result = checkBank(read(balances as Record<string, string | null>), expected);
    expect(result.anomalies.map(({ kind }) => kind)).toEqual(kinds);
    expect(result.reads).toBe(1);
  });

  test("an arranged overdraft may be used, and no more", () => {
    expect(checkBank(read({ a: "150", b: "-50" }), { ...expected, limit: 50n }).anomalies).toEqual([]);
    expect(checkBank(read({ a: "151", b: "-51" }), { ...expected, limit: 50n }).anomalies).toHaveLength(1);
  });

  test("what is no successful read says nothing", () => {
    const entries = read({ a: "1", b: "1" }).map((entry) =>
      entry.index === 1 ? { ...entry, type: "info" as const } : entry,
    );
    expect(checkBank(entries, expected)).toEqual({ anomalies: [], reads: 0 });
  });
});

describe("idempotent operations (I2)", () => {
  const row = (key: string, status: StoredOperation["status"] = "COMPLETED"): StoredOperation => ({ key, status });
  const cases: readonly (readonly [
    string,
    readonly ("ok" | "fail" | "info")[],
    readonly StoredOperation[],
    readonly string[],
  ])[] = [
    ["acknowledged and there", ["ok"], [row("k")], []],
    ["refused and kept as refused", ["fail"], [row("k", "REJECTED")], []],
    ["refused and never written", ["fail"], [], []],
    ["unknown and there", ["info"], [row("k")], []],
    ["unknown and not there", ["info"], [], []],
    ["unknown, then acknowledged under the same key", ["info", "ok"], [row("k")], []],
    ["acknowledged and not there", ["ok"], [], ["lost"]],
    ["acknowledged and not there, after an unknown end", ["info", "ok"], [], ["lost"]],
    ["acknowledged and rejected", ["ok"], [row("k", "REJECTED")], ["undone"]],
    ["twice", ["ok"], [row("k"), row("k")], ["doubled"]],
    ["refused and done", ["fail"], [row("k")], ["refused-then-done"]],
    ["refused, then acknowledged", ["fail", "ok"], [row("k")], ["refused-then-done"]],
    ["unknown and undecided", ["info"], [row("k", "PENDING")], ["not-final"]],
    ["under a key of nobody", ["ok"], [row("k"), row("other")], ["unknown-key"]],
  ];
  test.each(cases)("%s", (_name, ends, stored, kinds) => {
    const history = createHistory<{ key: string }>();
    for (const end of ends) history.invoke(history.newProcess(), "deposit", { key: "k" })[end]();
    expect(checkIdempotentHistory(history.entries, stored).map(({ kind }) => kind)).toEqual(kinds);
  });
});

describe("a history", () => {
  test("is written line by line, and saved with the seed that made it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "florin-history-"));
    try {
      const file = join(directory, "history.jsonl");
      const history = createHistory<string>({ file, fsync: true });
      history.invoke(0, "write", "x").ok("y");
      const saved = history.save(join(directory, "saved"), "bank", 42);
      history.close();
      expect(saved).toMatch(/bank-seed-42\.jsonl$/);
      const lines = (await readFile(saved, "utf8")).trimEnd().split("\n");
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(history.entries);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("holds its processes to one thing at a time, and to leaving when they do not know", () => {
    const history = createHistory<string>();
    const first = history.invoke(0, "write", "x");
    expect(() => history.invoke(0, "write", "y")).toThrow("has not finished");
    first.info();
    expect(() => history.invoke(0, "write", "y")).toThrow("go on as another");
    expect(() => first.ok()).toThrow("already");
    expect(completedOperations(history.entries)[0]).toMatchObject({ type: "info", endedAt: Infinity });
  });
});
