import { instantFromMicros, type HookData } from "@florin/kernel";
import type { ProductSandbox, UploadedProduct } from "../src/index.js";
import { occasion, openPatientSandbox, post, sourceOf, telling, told } from "./sandbox-fixture.js";

/** What code in the sandbox may try, and what becomes of it: the execution fails, the process and the next execution do not. */
let sandbox: ProductSandbox;
beforeAll(async () => {
  sandbox = await openPatientSandbox({ limits: { otherMillis: 300, prePostingMillis: 50 } });
});

const judging = { ...occasion, occasion: { instructions: [] } } as HookData<"prePosting">;

afterAll(() => sandbox.settled());

function failing(body: string, top = ""): string {
  const product = sandbox.loadProduct(telling(body, "{}", top));
  const outcome = post(product);
  product.dispose();
  return outcome.kind === "failed" ? outcome.message : JSON.stringify(outcome);
}

function telly(body: string, top = "") {
  const product = sandbox.loadProduct(telling(body, "{}", top));
  try {
    return told(product);
  } finally {
    product.dispose();
  }
}

/** One product with every code in it: the effective time says which one runs. */
function testEach(codes: readonly string[], message: RegExp): void {
  const top = `const codes = [${codes.map((code) => `() => { return String(${code}); }`).join(", ")}];`;
  const body = "return codes[Number(input.effectiveAt)]();";
  let product: UploadedProduct;
  beforeAll(() => {
    product = sandbox.loadProduct(telling(body, "{}", top));
  });
  test.each(codes.map((code, place) => [code, place] as const))("%s throws", (_code, place) => {
    const outcome = post(product, { effectiveAt: instantFromMicros(BigInt(place)) });
    expect(outcome).toEqual({ kind: "failed", message: expect.stringMatching(message) });
  });
}

describe("no clock, no randomness, no IO, no code from text (HOOK-4)", () => {
  const codes = [
    "new Date()",
    "Date()",
    "Date.now()",
    "Math.random()",
    "setTimeout(() => {}, 0)",
    "queueMicrotask(() => {})",
    "performance.now()",
    'eval("1")',
    'new Function("return 1")()',
    'Function("return 1")()',
    '(() => {}).constructor("return 1")()',
    '(async () => {}).constructor("return 1")()',
    '(function* () {}).constructor("return 1")()',
    '(async function* () {}).constructor("return 1")()',
    '[].map.constructor("return 1")()',
    "new WeakRef({})",
    "new WeakMap()",
    "new FinalizationRegistry(() => {})",
    "new SharedArrayBuffer(8)",
    "new Uint8Array(8)",
    "process.exit(1)",
    'require("node:fs")',
    'fetch("http://localhost")',
    "console.log(1)",
    "JSON.parse('1')",
    '"a".localeCompare("b")',
    "(1n).toLocaleString()",
    '"é".normalize()',
    "new Intl.NumberFormat()",
    "Promise.resolve(1)",
    "Iterator.from([])",
  ];
  testEach(codes, /not defined|not a function|not there|undefined|must be invoked/);

  test("the global object holds nothing of the host", () => {
    const names = telly("return Object.getOwnPropertyNames(globalThis).sort();");
    expect(names).not.toEqual(expect.arrayContaining(["process"]));
    for (const gone of ["eval", "JSON", "Promise", "WeakRef", "Intl", "require", "performance", "Iterator"])
      expect(names).not.toContain(gone);
  });

  test("instants are formatted without a clock", () => {
    expect(telly("return formatInstant(input.effectiveAt);")).toBe("2025-01-01T00:00:00.123456Z");
  });

  test("a module that is imported while the product runs never comes", () => {
    const product = sandbox.loadProduct(
      sourceOf(`postPosting: on.postPosting({}, () => { import("@florin/kernel"); import("node:fs"); return {}; }),`),
    );
    expect(post(product)).toEqual({ kind: "answered", answer: {} });
    expect(failing('return import("@florin/kernel");')).toContain("promise");
  });
});

describe("what is shared is frozen (HOOK-4)", () => {
  const codes = [
    "Object.prototype.polluted = 1",
    "Array.prototype.map = 1",
    "globalThis.state = 1",
    "Object.defineProperty(Object.prototype, 'x', { value: 1 })",
    "Object.setPrototypeOf(Object.prototype, {})",
    "({}).__proto__.polluted = 1",
    "Map.prototype.get = () => 1",
    "formatMinor.calls = 1",
    "(function* () {}).prototype.__proto__.next = 1",
    "[][Symbol.iterator]().__proto__.next = 1",
    "(async () => {}).__proto__.x = 1",
    "/a/.__proto__.exec = 1",
    "Error.prototype.name = 'x'",
    "Symbol.prototype.x = 1",
  ];
  testEach(codes, /read-only|not extensible|frozen|immutable|property|cyclic/i);

  test("prototypes of the host stay as they were", () => {
    const product = sandbox.loadProduct(
      sourceOf(`postPosting: on.postPosting({}, () => ({ ["__proto__"]: { polluted: 1 } })),
      derivedParameters: on.derivedParameters({}, () => ({ constructor: { prototype: { polluted: 1 } } })),`),
    );
    expect(post(product)).toMatchObject({ kind: "failed", message: expect.stringContaining("__proto__") });
    expect({}).not.toHaveProperty("polluted");
    expect(telly("return { constructor: { prototype: { polluted: 1 } } };")).toEqual({
      constructor: { prototype: { polluted: 1 } },
    });
    expect({}).not.toHaveProperty("polluted");
  });
});

describe("limits (HOOK-5)", () => {
  test.each([
    ["a loop without end", "while (true);", "TIME"],
    ["a regular expression that backtracks", 'return /(a+)+$/.test("a".repeat(60) + "b");', "TIME"],
    ["a list that claims a length", "const list = []; list.length = 4294967295; return list.indexOf(1);", "more than"],
    ["something that claims to be a list", "return [].indexOf.call({ length: 2 ** 53 }, 1);", "lists only"],
    [
      "lists within lists",
      "let list = []; for (let i = 0; i < 60; i++) list = [list, list]; return list.flat(99).length;",
      "TIME",
    ],
    ["a set of nothing, often", "return new Set(new Array(4294967295)).size;", "TIME"],
    ["a search in a long text", 'return "a".repeat(3e5).indexOf("a".repeat(15e4) + "b");', "too long"],
    [
      "natives called again and again",
      "const list = Array.from({ length: 90_000 }, () => 1); while (true) list.indexOf(2);",
      "TIME",
    ],
    ["catching what ends it", "while (true) { try { while (true); } catch {} }", "TIME"],
    ["finally", "try { while (true); } finally { while (true); }", "TIME"],
    ["a huge text", 'let text = "x"; while (true) text = (text + text).toUpperCase();', "too long"],
    ["a huge number", "let n = 3n; while (true) n *= n;", "too large|TIME"],
    ["recursion", "const again = () => again() + 1; return again();", "STACK|stack overflow"],
    ["a getter without end", "return { get x() { while (true); } };", "TIME"],
    ["a proxy without end", "return new Proxy({}, { ownKeys() { while (true); } });", "TIME"],
    ["a cycle", "const me = {}; me.me = me; return me;", "levels"],
    ["a wide answer", 'return Array.from({ length: 1_000 }, () => "x".repeat(1_000));', "characters"],
  ])("%s", async (_what, body, message) => {
    expect(failing(body)).toMatch(new RegExp(message));
    await sandbox.settled();
  });

  test("memory", async () => {
    const small = await openPatientSandbox({ limits: { memoryMebibytes: 8 } });
    const product = small.loadProduct(
      telling("const kept = []; while (input.flags.VIP) kept.push([kept.length]); return 1;", '{ flags: ["VIP"] }'),
    );
    const message = "MEMORY: postPosting needed more than 8 MiB; let it keep less (HOOK-5)";
    expect(post(product)).toEqual({ kind: "failed", message });
    expect(told(product, { flags: [] })).toBe(1);
  });

  test("after each the same product answers again, and no other noticed", () => {
    const other = sandbox.loadProduct(telling("return 1;"));
    const product = sandbox.loadProduct(telling("if (input.flags.VIP) while (true); return 2;", '{ flags: ["VIP"] }'));
    expect(post(product)).toMatchObject({ kind: "failed", message: expect.stringContaining("TIME") });
    expect(told(product, { flags: [] })).toBe(2);
    expect(told(other)).toBe(1);
  });

  test("prePosting has 50 ms, and a batch that it cannot judge in them fails and nothing else", () => {
    const product = sandbox.loadProduct(sourceOf("prePosting: on.prePosting({}, () => { while (true); }),"));
    const started = performance.now();
    expect(() => product.hooks!.prePosting!.run(judging)).toThrow("TIME: prePosting took more than 50 ms");
    expect(performance.now() - started).toBeGreaterThanOrEqual(50);
  });

  test("source that nests deeper than the host's stack is refused, and others go on", async () => {
    const deep = `${"(".repeat(60_000)}1${")".repeat(60_000)}`;
    expect(sandbox.validateProduct(telling(`return ${deep};`))).toMatchObject({ kind: "invalid" });
    await sandbox.settled();
    expect(telly("return 1;")).toBe(1);
  });

  test("what never comes back to the interpreter is stopped by the watchdog, and others go on", async () => {
    const other = sandbox.loadProduct(telling("return 1;"));
    const body = "let n = 2n ** 500_000n + 1n; for (let i = 0; i < 9_000; i++) String(n);";
    expect(failing(body)).toContain("TIME");
    await sandbox.settled();
    expect(told(other)).toBe(1);
  });
});

describe("answers are read, not believed", () => {
  test.each([
    ["a promise", "return Promise;", "not defined"],
    ["a function", "return () => 1;", "function in an answer"],
    ["a symbol", "return Symbol();", "symbol in an answer"],
    ["an instance", "return new Map();", "class or a promise"],
    ["a number that is none", "return NaN;", "NaN in an answer"],
    ["a bigint where JSON belongs", "return 5n;", "decimal string"],
  ])("%s in details", (_what, body, message) => {
    expect(failing(body)).toContain(message);
  });

  test("an async hook is told to answer at once", () => {
    const product = sandbox.loadProduct(sourceOf("postPosting: on.postPosting({}, async () => ({})),"));
    expect(post(product)).toMatchObject({ kind: "failed", message: expect.stringContaining("promise") });
  });

  test.each([
    ["throw 1;", "1"],
    ["throw null;", "null"],
    ["throw { toString() { throw 1; } };", "what was thrown has no text"],
    ['throw new Error("no");', "no"],
    ["throw Object.create(Error.prototype, { message: { get() { throw 1; } } });", "what was thrown has no text"],
    ['throw "x".repeat(1e6);', "x".repeat(2_000)],
  ])("%s fails with that message", (body, message) => {
    expect(failing(body)).toBe(message);
  });

  test("a member that was read once is the one that counts", () => {
    const body = "let n = 0; return { get a() { return ++n; } };";
    expect(telly(body)).toEqual({ a: 1 });
  });
});
