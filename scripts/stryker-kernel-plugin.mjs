// Stryker's plugin for the kernel (stryker.kernel.config.mjs). The kernel is pure, so a mutant needs no process and no jest of its own:
//
//   once         swc turns the kernel and its tests into functions, one for each file
//   each mutant  a fresh registry of those functions (a mutant's caches must not outlive it), the mutant on, jest's own describe/test/each
//                collect, and the tests that reach the mutant run until one fails: some 20 ms where a jest run takes 1 500
//
// A mutant that loops for ever is ended by Stryker's limit of hits, or by its clock, which ends this process.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, relative, resolve } from "node:path";
import { compileFunction } from "node:vm";
import { transformSync } from "@swc/core";

const require = createRequire(import.meta.url);
const circus = require("jest-circus");
const { expect } = require("expect");
const fc = require("fast-check"); // the build that the tests get, so that what is set here holds there

/** Thousands of lives a run: they judge the kernel, not its mutants. */
const SLOW = /kernel-(model|interleave)\.test\.ts$/;
const KERNEL = "packages/kernel";

export const strykerPlugins = [
  { kind: "TestRunner", name: "kernel", factory: () => new KernelRunner() },
  { kind: "Ignore", name: "sentences", value: { shouldIgnore: ignoreSentences } },
];

class KernelRunner {
  #files = new Map();
  #tests = [];
  #stryker = (globalThis.__stryker__ ??= {});

  capabilities() {
    return { reloadEnvironment: true };
  }

  init() {
    for (const entry of readdirSync(KERNEL, { recursive: true, withFileTypes: true })) {
      const path = resolve(entry.parentPath, entry.name);
      if (!path.endsWith(".ts") || /node_modules|[\\/]dist[\\/]/.test(path)) continue;
      this.#files.set(path, compile(path));
      if (path.endsWith(".test.ts") && !SLOW.test(path)) this.#tests.push(path);
    }
    this.#tests.sort();
    fc.configureGlobal({ numRuns: 50, seed: 1 }); // the same cases for every mutant
    Object.assign(globalThis, { describe: circus.describe, test: circus.test, it: circus.it, expect });
  }

  async dryRun() {
    this.#activate(undefined);
    this.#stryker.mutantCoverage = { static: {}, perTest: {} };
    const tests = [];
    for (const path of this.#tests) {
      this.#stryker.currentTestId = undefined; // what loading reaches is static
      // File by file: what the kernel keeps from one test is not there to hide what the next one reaches.
      for (const { id, run } of this.#collect([path])) {
        this.#stryker.currentTestId = id;
        const start = performance.now();
        const failure = await failureOf(run);
        const result = { id, name: id, fileName: path, timeSpentMs: performance.now() - start };
        tests.push(
          failure === undefined ? { ...result, status: 0 } : { ...result, status: 1, failureMessage: failure },
        );
      }
    }
    this.#stryker.currentTestId = undefined;
    const { mutantCoverage } = this.#stryker;
    this.#stryker.mutantCoverage = undefined;
    for (const test of tests) await this.#assertAlone(test);
    return { status: "complete", tests, mutantCoverage };
  }

  /** A test that leans on the one before it would kill mutants that it never noticed: Stryker stops at one that fails here. */
  async #assertAlone(test) {
    const { status, failureMessage } = await this.mutantRun({ activeMutant: { id: "none" }, testFilter: [test.id] });
    if (status !== "survived")
      Object.assign(test, { status: 1, failureMessage: `not when it runs alone: ${failureMessage}` });
  }

  async mutantRun({ activeMutant, testFilter, hitLimit, mutantActivation }) {
    const wanted = testFilter && new Set(testFilter);
    const paths = this.#tests.filter((path) => !wanted || testFilter.some((id) => id.startsWith(`${nameOf(path)} › `)));
    const limit = hitLimit === undefined ? {} : { hitLimit, hitCount: 0 };
    this.#activate(mutantActivation === "static" ? activeMutant.id : undefined, limit);
    let nrOfTests = 0;
    try {
      const tests = this.#collect(paths);
      this.#activate(activeMutant.id, limit);
      for (const { id, run } of tests) {
        if (wanted && !wanted.has(id)) continue;
        nrOfTests++;
        const failureMessage = await failureOf(run);
        if (this.#stryker.hitCount > hitLimit) return { status: "timeout", reason: `reached ${hitLimit} hits` };
        if (failureMessage !== undefined) return { status: "killed", killedBy: [id], failureMessage, nrOfTests };
      }
      return { status: "survived", nrOfTests };
    } catch (fault) {
      return { status: "error", errorMessage: String(fault) }; // it does not even load: counted neither way
    } finally {
      this.#activate(undefined);
    }
  }

  #activate(activeMutant, { hitLimit, hitCount } = {}) {
    Object.assign(this.#stryker, { activeMutant, hitLimit, hitCount });
  }

  /** The tests of these files, the kernel loaded anew. */
  #collect(paths) {
    const modules = new Map();
    const load = (path) => {
      const known = modules.get(path);
      if (known !== undefined) return known.exports;
      const module = { exports: {} };
      modules.set(path, module);
      const from = (name) =>
        name.startsWith(".") ? load(resolve(dirname(path), name.replace(/\.js$/, ".ts"))) : require(name);
      this.#files.get(path)(module.exports, from, module);
      return module.exports;
    };
    circus.resetState();
    for (const path of paths) circus.describe(nameOf(path), () => void load(path));
    return testsOf(circus.getState().rootDescribeBlock, "");
  }
}

function compile(path) {
  const { code } = transformSync(readFileSync(path, "utf8"), {
    filename: path,
    sourceMaps: false,
    jsc: { target: "es2022", parser: { syntax: "typescript" } },
    module: { type: "commonjs" },
  });
  return compileFunction(code, ["exports", "require", "module"], { filename: path });
}

const nameOf = (path) => relative(".", path);

function testsOf(block, prefix) {
  return block.children.flatMap((child) => {
    const id = prefix === "" ? child.name : `${prefix} › ${child.name}`;
    return child.type === "test" ? [{ id, run: child.fn }] : testsOf(child, id);
  });
}

async function failureOf(run) {
  try {
    await run();
    return undefined;
  } catch (fault) {
    return fault instanceof Error ? fault.message : String(fault);
  }
}

/** A text of three words or more is for people; every other string is a name that the code acts on, and is mutated. */
function ignoreSentences({ node }) {
  const text = node.type === "StringLiteral" ? node.value : "";
  const parts = node.type === "TemplateLiteral" ? node.quasis.map(({ value }) => value.raw) : [text];
  return parts.join("x").trim().split(/\s+/).length >= 3 ? "a sentence for people" : undefined;
}
