import { newQuickJSWASMModule, type QuickJSWASMModule } from "quickjs-emscripten";
import { createContext, Script } from "node:vm";
import { readGuestModules, type GuestModules } from "./guest-source.js";

/**
 * The WebAssembly instances that products run in. One serves them all, each product in a runtime of its own. What stops an instance in
 * the middle (the watchdog, the host's stack at its end) leaves it in no state to go on: it is given up, and a spare takes its place,
 * made ahead because making one cannot be waited for under a lock.
 */
export interface EngineInstance {
  readonly module: QuickJSWASMModule;
  isLost: boolean;
}

const SPARES = 2;

export class SandboxEngine {
  readonly guest: GuestModules;
  readonly #spares: EngineInstance[];
  #current: EngineInstance;
  #refilling: Promise<void> | undefined;

  private constructor(guest: GuestModules, first: EngineInstance, spares: EngineInstance[]) {
    this.guest = guest;
    this.#current = first;
    this.#spares = spares;
  }

  static async open(): Promise<SandboxEngine> {
    const guest = await readGuestModules();
    const spares = await Promise.all(Array.from({ length: SPARES }, newInstance));
    return new SandboxEngine(guest, await newInstance(), spares);
  }

  /** The one to run in now. Throws for the moment that it takes to make more, when many were lost at once. */
  get instance(): EngineInstance {
    if (!this.#current.isLost) return this.#current;
    const spare = this.#spares.pop();
    this.#refill();
    if (spare === undefined) throw new Error("SANDBOX_RESTARTING: products broke it several times at once; try again");
    this.#current = spare;
    return spare;
  }

  /** For tests, which would rather not meet the moment above. */
  async refilled(): Promise<void> {
    await this.#refilling;
  }

  #refill(): void {
    this.#refilling ??= (async () => {
      try {
        while (this.#spares.length < SPARES) this.#spares.push(await newInstance());
      } finally {
        this.#refilling = undefined;
      }
    })();
  }
}

async function newInstance(): Promise<EngineInstance> {
  return { module: await newQuickJSWASMModule(), isLost: false };
}

const box: { run: () => unknown } = { run: () => undefined };
const boxContext = createContext(box);
const runBox = new Script("run()");

/**
 * The second line behind the interpreter's own deadline: a thread of the host's that stops what never comes back to the interpreter.
 * It costs about 0.1 ms, so the hot path does without. Throws, and then the instance is lost.
 */
export function underWatchdog<T>(timeoutMillis: number, run: () => T): T {
  let result: { readonly value: T } | undefined;
  box.run = () => {
    result = { value: run() };
  };
  try {
    runBox.runInContext(boxContext, { timeout: Math.ceil(timeoutMillis) });
  } finally {
    box.run = () => undefined;
  }
  if (result === undefined) throw new Error("the watchdog stopped it");
  return result.value;
}
