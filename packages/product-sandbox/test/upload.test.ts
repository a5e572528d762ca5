import {
  hookKinds,
  instantFromMicros,
  recordExecution,
  replayExecution,
  runHook,
  type HookData,
  type HookKind,
} from "@florin/kernel";
import fc from "fast-check";
import type { ProductSandbox } from "../src/index.js";
import { builtIns, builtInSource } from "./built-in-source.js";
import { me, occasion, openPatientSandbox, post, sourceOf, telling, told } from "./sandbox-fixture.js";

let sandbox: ProductSandbox;
beforeAll(async () => {
  sandbox = await openPatientSandbox({ limits: { loadMillis: 1_500 } });
});
afterAll(() => sandbox.settled());

describe("what is uploaded is judged before anybody has it", () => {
  test.each(builtIns)("$product is valid, and its hooks are known without running them (HOOK-6)", async (one) => {
    const judged = sandbox.validateProduct(await builtInSource(one.file, one.product));
    expect(judged).toMatchObject({ kind: "valid" });
    expect(judged).toHaveProperty("hooks", expect.arrayContaining(["prePosting"]));
  });

  test.each<[string, string, object]>([
    ["a comma too few", 'import { defineProduct } from "@florin/kernel";\nlet a b;', { line: 2, column: 7 }],
    ["what it throws", "const a = 1;\n\nthrow new Error('no');", { line: 3, message: expect.stringContaining("no") }],
    ["a name that is not there", "process.exit();", { line: 1, message: expect.stringContaining("docs/products.md") }],
    ["no default export", "export const a = 1;", { message: expect.stringContaining("export default") }],
    ["something else", "export default 5;", { message: expect.stringContaining("defineProduct") }],
    ["a module of Node's", 'import "node:fs";', { message: expect.stringContaining("@florin/kernel") }],
    ["a file", 'import "./x.js";', { message: expect.stringContaining("@florin/kernel") }],
    ["a module inside", 'import "guest/run-product.js";', { message: expect.stringContaining("@florin/kernel") }],
    ["an export that is not there", 'import { decideBatch } from "@florin/kernel";', { code: "SOURCE_FAULTY" }],
    ["waiting", "await new Promise(() => {});", { code: "SOURCE_FAULTY" }],
    ["a loop", "while (true);", { code: "LIMIT_EXCEEDED", message: expect.stringContaining("TIME") }],
    ["a novel", `//${"x".repeat(300_000)}`, { code: "SOURCE_TOO_LARGE" }],
  ])("%s is told with its place and its remedy", (_what, source, problem) => {
    expect(sandbox.validateProduct(source)).toMatchObject({ kind: "invalid", problem });
  });

  const terms = (more: string, hooks = "") => sourceOf(hooks).replace('name: "Uploaded",', `name: "Uploaded", ${more}`);
  test.each([
    ["an unknown term", terms("overdraft: true,"), "unknown member overdraft"],
    ["a code with spaces", terms('code: "my code",'), "product.code"],
    ["a side that is none", terms('tside: "EQUITY",').replace('tside: "LIABILITY", ', ""), "ASSET, LIABILITY"],
    ["a currency that is none", terms('currencies: ["XXX"],'), "not a registered currency"],
    ["a default that is none", sourceOf("").replace('"2"', '"two"'), "the defaults do not fit"],
    ["a default that is none where money has no cents", sourceOf("").replace('"2"', '"0.50"'), "do not fit BIF"],
    [
      "a read that is not permitted (FET-5)",
      sourceOf('prePosting: on.prePosting({ postings: "1 day" }, () => []),'),
      "prePosting may not read postings",
    ],
    [
      "one kind of data in two ways (FET-4)",
      sourceOf('postPosting: on.postPosting({ balances: "latest", observations: {} }, () => ({})),'),
      "FET-4",
    ],
    [
      "a parameter that it lacks",
      sourceOf('postPosting: on.postPosting({ parameters: ["limit"] }, () => ({})),'),
      "the parameter limit, which the product lacks",
    ],
    [
      "a time of the day that is none",
      sourceOf(
        'postPosting: on.postPosting({ observations: { o: { at: { origin: "LIVE", at: "25:00:00" } } } }, () => ({})),',
      ),
      "HH:mm:ss",
    ],
    ["a hook that is none", sourceOf("onPosting: on.prePosting({}, () => []),"), "onPosting"],
  ])("terms: %s", (_what, source, message) => {
    const problem = { message: expect.stringContaining(message) };
    expect(sandbox.validateProduct(source)).toMatchObject({ kind: "invalid", problem });
    expect(() => sandbox.loadProduct(source)).toThrow(message);
  });
});

describe("what a hook reads is what it declared (FET-1)", () => {
  test.each([
    ["a kind of data", "return input.flags;", "{}"],
    ["a flag", "return input.flags.SECRET;", '{ flags: ["VIP"] }'],
    ["a parameter", "return input.parameters.secret;", '{ parameters: ["fee"] }'],
  ])("%s that was not declared throws", (_what, body, reads) => {
    expect(post(sandbox.loadProduct(telling(body, reads)))).toMatchObject({
      kind: "failed",
      message: expect.stringContaining("UNDECLARED_READ"),
    });
  });

  test("declared parameters come decoded, flags by name", () => {
    const product = sandbox.loadProduct(
      telling("return [input.parameters.fee, input.flags.VIP].map(String);", '{ parameters: ["fee"], flags: ["VIP"] }'),
    );
    expect(told(product)).toEqual(["20000000", "true"]);
  });

  test("what was declared and not fetched is the executor's fault, in the kernel's words", () => {
    const product = sandbox.loadProduct(telling("return 1;", '{ observations: { now: { at: "LIVE" } } }'));
    expect(post(product)).toEqual({ kind: "failed", message: "observations now was declared and not fetched" });
  });
});

describe("purity (HOOK-4)", () => {
  const counting = (where: string) =>
    telling("return count();", "{}", `${where} const count = () => { state.n += 1; return state.n; };`);

  test.each([
    ["an object", counting("const state = { n: 0 };")],
    ["a closure", telling("return next();", "{}", "const next = (() => { let n = 0; return () => ++n; })();")],
    ["a map", telling("seen.set(seen.size, 1); return seen.size;", "{}", "const seen = new Map();")],
  ])("%s that remembers is found at upload", (_what, source) => {
    const problem = { code: "IMPURE", message: expect.stringContaining("postPosting") };
    expect(sandbox.validateProduct(source)).toMatchObject({ kind: "invalid", problem });
  });

  test("and one that was loaded all the same is found at its second call, and answers nothing from then on", () => {
    const product = sandbox.loadProduct(counting("const state = { n: 0 };"));
    expect(told(product)).toBe(1);
    const failed = { kind: "failed", message: expect.stringContaining("IMPURE") };
    expect([post(product), post(product)]).toEqual([failed, failed]);
  });

  test("a recorded execution replays to the same bytes in a sandbox that never ran it", () => {
    const source = telling('return { fee: formatMinor(input.parameters.fee, "USD") };', '{ parameters: ["fee"] }');
    const product = sandbox.loadProduct(source);
    const record = recordExecution("e1", product, "postPosting", occasion, post(product));
    expect(replayExecution(sandbox.loadProduct(source), record)).toEqual({ kind: "same" });
  });

  test("whole numbers and texts cross the wall both ways as they were", () => {
    const product = sandbox.loadProduct(
      sourceOf(`preParameterChange: on.preParameterChange({}, ({ effectiveAt, newParameters }) =>
        ({ reject: refuse("CONTRACT_REJECTED", effectiveAt + "|" + newParameters.text) })),`),
    );
    fc.assert(
      fc.property(fc.bigInt(), fc.string({ unit: "grapheme", maxLength: 100 }), (micros, text) => {
        const data: HookData<"preParameterChange"> = {
          account: me,
          effectiveAt: instantFromMicros(micros),
          parameters: {},
          occasion: { oldParameters: {}, newParameters: { text } },
        };
        expect(runHook(product, "preParameterChange", data)).toMatchObject({
          answer: { reject: { message: expect.stringContaining(`(${micros}|${text})`) } },
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe("an answer is only what this hook may answer", () => {
  const leg = '{ account: "SELF", side: "DEBIT", amount: 5n }';
  test.each<[string, HookKind, string, string]>([
    ["two batches (HOOK-1)", "postPosting", "({ postings: [{ instructions: [] }] })", "HOOK-1"],
    ["a rejection of what is committed", "postPosting", '({ reject: refuse("CONTRACT_REJECTED") })', "reject"],
    ["postings before", "prePosting", "({ postings: { instructions: [] } })", "not a list"],
    [
      "an objection to nothing",
      "prePosting",
      '[{ instructionIndex: 7, kind: "rule", ...refuse("CONTRACT_REJECTED") }]',
      "7",
    ],
    ["a code of its own", "prePosting", '[{ instructionIndex: 0, kind: "rule", code: "NO", message: "no" }]', "code"],
    ["nothing at all", "prePosting", "undefined", "not a list"],
    [
      "an amount that is a number",
      "postPosting",
      `({ postings: { instructions: [{ legs: [${leg.replace("5n", "5")}] }] } })`,
      "5n and not 5",
    ],
    [
      "a stranger's account",
      "postPosting",
      `({ postings: { instructions: [{ legs: [${leg.replace('"SELF"', '"acct_1"')}] }] } })`,
      "not an object",
    ],
    [
      "a phase",
      "postPosting",
      `({ postings: { instructions: [{ legs: [{ ...${leg}, phase: "PENDING_IN" }] }] } })`,
      "unknown member phase",
    ],
    ["postings on a change", "preParameterChange", "({ postings: { instructions: [] } })", "unknown member postings"],
    ["schedules at the end", "deactivation", "({ schedules: [] })", "unknown member schedules"],
    [
      "a derived parameter that nobody declared",
      "derivedParameters",
      '({ left: "1" })',
      "no declared derived parameter",
    ],
  ])("%s", (_what, kind, answer, message) => {
    const product = sandbox.loadProduct(sourceOf(`${kind}: on.${kind}({}, () => ${answer}),`));
    const data = { ...occasion, occasion: { ...occasion.occasion, oldParameters: {}, newParameters: {} } };
    const outcome = runHook<HookKind>(product, kind, data);
    expect(outcome).toEqual({ kind: "failed", message: expect.stringContaining(message) });
  });

  test("every kind of hook can be uploaded and answers", () => {
    const answers: Partial<Record<HookKind, string>> = { prePosting: "[]" };
    const hooks = hookKinds.map((kind) => `${kind}: on.${kind}({}, () => (${answers[kind] ?? "{}"})),`).join("\n");
    const judged = sandbox.validateProduct(sourceOf(hooks));
    expect(judged).toMatchObject({ kind: "valid", hooks: hookKinds });
  });
});
