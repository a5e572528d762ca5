import type { HookKind } from "@florin/kernel";
import type { QuickJSContext, QuickJSHandle, QuickJSRuntime } from "quickjs-emscripten";
import { budgetOf, loadBudget, Stopwatch, type Budget, type BudgetClock, type SandboxLimits } from "./budget.js";
import { underWatchdog, type EngineInstance } from "./engine.js";
import { GUEST_ENTRY, KERNEL_DOOR, resolveName, type GuestModules } from "./guest-source.js";

/** The product's code exceeded a limit (HOOK-5) or broke the sandbox. This execution has failed; the guest is thrown away. */
export class SandboxLimitError extends Error {
  override readonly name = "SandboxLimitError";
}

/** What the product's own code threw, as text: nothing of it is an object of ours. */
export interface GuestFault {
  readonly name: string;
  readonly message: string;
  /** Lines of the guest's stack. */
  readonly stack?: string | undefined;
}

export type LoadOutcome =
  { readonly kind: "loaded"; readonly description: string } | { readonly kind: "faulty"; readonly fault: GuestFault };

export const PRODUCT_FILE = "product.js";
const MEBIBYTE = 1_048_576;
/** Wall time after which the watchdog ends what the interpreter did not, as a multiple of the CPU time allowed. */
const WATCHDOG_FACTOR = 4;

export interface GuestOptions {
  readonly instance: EngineInstance;
  readonly modules: GuestModules;
  readonly limits: SandboxLimits;
  readonly clock: BudgetClock;
}

/**
 * One product's code in a runtime of its own: memory, stack and deadline are the runtime's. Made, loaded once, called many times,
 * disposed of. After a limit was exceeded `isSpent` is true and nothing may be called.
 */
export class Guest {
  readonly #options: GuestOptions;
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;
  readonly #stopwatch: Stopwatch;
  readonly #owned: QuickJSHandle[] = [];
  readonly #kinds = new Map<HookKind, QuickJSHandle>();
  #call: QuickJSHandle | undefined;
  #isSealed = false;
  /** The interpreter drops the message of an import that was refused. */
  #refusedImport: string | undefined;
  #isSpent = false;

  constructor(options: GuestOptions) {
    const { instance, limits, clock } = options;
    this.#options = options;
    this.#stopwatch = new Stopwatch(clock);
    this.#runtime = instance.module.newRuntime();
    this.#runtime.setMemoryLimit(limits.memoryMebibytes * MEBIBYTE);
    this.#runtime.setMaxStackSize(limits.stackKibibytes * 1_024);
    this.#runtime.setInterruptHandler(() => this.#stopwatch.isOver());
    this.#runtime.setModuleLoader(
      (name) => this.#findModule(name),
      (from, name) => this.#nameModule(from, name),
    );
    this.#context = this.#runtime.newContext({
      intrinsics: {
        BaseObjects: true,
        Date: true,
        Eval: true,
        RegExp: true,
        JSON: true,
        Proxy: true,
        MapSet: true,
        Promise: true,
        BigInt: true,
      },
    });
  }

  get isSpent(): boolean {
    return this.#isSpent || this.#options.instance.isLost;
  }

  /** Evaluates the source and takes its default export. Once. */
  load(source: string): LoadOutcome {
    const budget = loadBudget(this.#options.limits);
    return this.#watched(budget, () => this.#loadAll(source, budget));
  }

  #loadAll(source: string, budget: Budget): LoadOutcome {
    const entry = this.#own(this.#evaluate(`export * from "${GUEST_ENTRY}";`, "entry.js"));
    const [restrict, load, call] = ["restrict", "load", "call"].map((name) =>
      this.#own(this.#context.getProp(entry, name)),
    ) as [QuickJSHandle, QuickJSHandle, QuickJSHandle];
    this.#context.unwrapResult(this.#context.callFunction(restrict, this.#context.undefined)).dispose();
    this.#call = call;
    return this.#loadProduct(source, load, budget);
  }

  #loadProduct(source: string, load: QuickJSHandle, budget: Budget): LoadOutcome {
    const evaluated = this.#context.evalCode(source, PRODUCT_FILE, { type: "module", strict: true });
    if (evaluated.error !== undefined) return this.#faulty(evaluated.error, budget);
    const exports = this.#own(evaluated.value);
    if (this.#context.typeof(exports) !== "object" || this.#isPromise(exports))
      return faulty("SyntaxError", "the module waits for something: remove await from its top level");
    this.#isSealed = true;
    const candidate = this.#own(this.#context.getProp(exports, "default"));
    const described = this.#context.callFunction(load, this.#context.undefined, candidate);
    if (described.error !== undefined) return this.#faulty(described.error, budget);
    const description = this.#context.getString(described.value);
    described.value.dispose();
    return { kind: "loaded", description };
  }

  #isPromise(handle: QuickJSHandle): boolean {
    return this.#context.getPromiseState(handle).type !== "fulfilled";
  }

  /** `A` and an answer or `E` and a fault, as run-product.ts writes them. Throws SandboxLimitError. */
  call(kind: HookKind, text: string): string {
    const budget = budgetOf(kind, this.#options.limits);
    if (kind !== "prePosting") return this.#watched(budget, () => this.#callOnce(kind, text, budget));
    return this.#measured(budget, () => this.#callOnce(kind, text, budget));
  }

  #callOnce(kind: HookKind, text: string, budget: Budget): string {
    const context = this.#context;
    if (this.#call === undefined) throw new Error("a guest is called after it was loaded");
    const given = context.newString(text);
    const outcome = context.callFunction(this.#call, context.undefined, this.#kindHandle(kind), given);
    given.dispose();
    if (outcome.error !== undefined) {
      const { fault } = this.#faulty(outcome.error, budget);
      throw new Error(`${fault.name}: ${fault.message}`);
    }
    const answer = context.getString(outcome.value);
    outcome.value.dispose();
    // The product could have caught this one, and so could run-product.ts.
    if (answer.startsWith(CAUGHT)) this.#exceedIfLimit(answer.slice(CAUGHT.length), budget);
    return answer;
  }

  /** Ends the runtime and frees its memory; of a lost instance there is nothing to be freed. */
  dispose(): void {
    this.#isSpent = true;
    if (this.#options.instance.isLost) return;
    try {
      for (const handle of [...this.#owned, ...this.#kinds.values()]) if (handle.alive) handle.dispose();
      this.#context.dispose();
      this.#runtime.dispose();
    } catch {
      // A runtime that does not end has leaked: its instance goes with it.
      this.#options.instance.lose();
    }
  }

  #watched<T>(budget: Budget, run: () => T): T {
    return this.#measured(budget, () => underWatchdog(budget.cpuMillis * WATCHDOG_FACTOR + 1_000, run));
  }

  /** Whatever is thrown through WebAssembly has torn its stack: no call may follow. */
  #measured<T>(budget: Budget, run: () => T): T {
    if (this.isSpent) throw new SandboxLimitError("this guest is spent; make another");
    this.#stopwatch.start(budget);
    let result: T;
    try {
      result = run();
    } catch (fault) {
      this.#isSpent = true;
      if (fault instanceof SandboxLimitError) throw fault;
      this.#options.instance.lose();
      throw new SandboxLimitError(describeBreak(fault, budget));
    }
    if (this.#stopwatch.hasOverrun()) this.#exceed(timeMessage(budget));
    return result;
  }

  #exceed(message: string): never {
    this.#isSpent = true;
    throw new SandboxLimitError(message);
  }

  /** A fault that left the guest: one of its own, or the sign that a limit was met, which no code in there can catch. */
  #faulty(error: QuickJSHandle, budget: Budget): { readonly kind: "faulty"; readonly fault: GuestFault } {
    const dumped: unknown = this.#context.dump(error);
    error.dispose();
    const fault = toFault(dumped);
    if (fault.name === "InternalError") this.#exceedIfLimit(fault.message, budget);
    const message = this.#refusedImport ?? fault.message;
    return { kind: "faulty", fault: { ...fault, message } };
  }

  #exceedIfLimit(message: string, budget: Budget): void {
    const met = limits.find(([sign]) => message.startsWith(sign));
    if (met !== undefined) this.#exceed(met[1](budget, this.#options.limits));
  }

  #findModule(name: string): string {
    const source = this.#isSealed ? undefined : this.#options.modules.sources.get(name);
    return source ?? this.#refuseImport(name);
  }

  #nameModule(from: string, name: string): string {
    if (from === PRODUCT_FILE && name !== KERNEL_DOOR) this.#refuseImport(name);
    return name.startsWith(".") ? resolveName(from, name) : name;
  }

  #refuseImport(name: string): never {
    this.#refusedImport = `products import from "${KERNEL_DOOR}" alone, not from "${name.slice(0, 80)}"`;
    throw new Error(this.#refusedImport);
  }

  #evaluate(source: string, file: string): QuickJSHandle {
    return this.#context.unwrapResult(this.#context.evalCode(source, file, { type: "module", strict: true }));
  }

  #kindHandle(kind: HookKind): QuickJSHandle {
    let handle = this.#kinds.get(kind);
    if (handle === undefined) this.#kinds.set(kind, (handle = this.#context.newString(kind)));
    return handle;
  }

  #own(handle: QuickJSHandle): QuickJSHandle {
    this.#owned.push(handle);
    return handle;
  }
}

function timeMessage({ of, cpuMillis }: Budget): string {
  return `TIME: ${of} took more than ${cpuMillis} ms of CPU time; let it do less (HOOK-5)`;
}

/** How the interpreter says that a limit was met, and how we do. */
const limits: readonly (readonly [sign: string, say: (budget: Budget, limits: SandboxLimits) => string])[] = [
  ["interrupted", timeMessage],
  ["out of memory", memoryMessage],
  ["stack overflow", ({ of }) => `STACK: ${of} calls itself too deeply (HOOK-5)`],
];
const CAUGHT = 'E{"name":"InternalError","message":"';

function memoryMessage({ of }: Budget, { memoryMebibytes }: SandboxLimits): string {
  return `MEMORY: ${of} needed more than ${memoryMebibytes} MiB; let it keep less (HOOK-5)`;
}

/** By name and code: what the watchdog throws is of another realm's classes. */
function describeBreak(fault: unknown, budget: Budget): string {
  const { name, code, message } = { name: "", code: "", message: "", ...propertiesOf(fault) };
  if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return timeMessage(budget);
  if (name === "RangeError") return `STACK: ${budget.of} nests too deeply; make it flatter (HOOK-5)`;
  return `BROKEN: ${budget.of} ended the sandbox: ${String(message)}`;
}

function propertiesOf(fault: unknown): { name?: unknown; code?: unknown; message?: unknown } {
  if (fault === null || typeof fault !== "object") return { message: fault };
  return { name: Reflect.get(fault, "name"), code: Reflect.get(fault, "code"), message: Reflect.get(fault, "message") };
}

function faulty(name: string, message: string): LoadOutcome {
  return { kind: "faulty", fault: { name, message } };
}

function toFault(dumped: unknown): GuestFault {
  if (dumped === null || typeof dumped !== "object") return { name: "thrown", message: String(dumped).slice(0, 2_000) };
  const text = (key: string): string | undefined => {
    const value: unknown = Object.hasOwn(dumped, key) ? Reflect.get(dumped, key) : undefined;
    return typeof value === "string" ? value.slice(0, 4_000) : undefined;
  };
  return { name: text("name") ?? "thrown", message: text("message") ?? "", stack: text("stack") };
}
