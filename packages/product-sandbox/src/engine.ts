import { newQuickJSWASMModuleFromVariant, RELEASE_SYNC, type QuickJSWASMModule } from "quickjs-emscripten";
import { createContext, Script } from "node:vm";
import { readGuestModules, type GuestModules } from "./guest-source.js";

/**
 * The WebAssembly instances that products run in. One serves them all, each product in a runtime of its own. What stops an instance in
 * the middle (the watchdog, the host's stack at its end) leaves it in no state to go on: it is given up, and a spare takes its place,
 * made ahead because making one cannot be waited for under a lock.
 */
export class EngineInstance {
  readonly module: QuickJSWASMModule;
  #isLost = false;

  constructor(module: QuickJSWASMModule) {
    this.module = module;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  lose(): void {
    this.#isLost = true;
  }
}

const SPARES = 2;

export class SandboxEngine {
  readonly guest: GuestModules;
  readonly #spares: EngineInstance[];
  readonly #newInstance: () => Promise<EngineInstance>;
  #current: EngineInstance;
  #refilling: Promise<void> | undefined;
  #refillFault: unknown;

  private constructor(
    guest: GuestModules,
    newInstance: () => Promise<EngineInstance>,
    first: EngineInstance,
    spares: EngineInstance[],
  ) {
    this.guest = guest;
    this.#newInstance = newInstance;
    this.#current = first;
    this.#spares = spares;
  }

  static async open(): Promise<SandboxEngine> {
    const [guest, newInstance] = await Promise.all([readGuestModules(), preload()]);
    const spares = await Promise.all(Array.from({ length: SPARES }, newInstance));
    return new SandboxEngine(guest, newInstance, await newInstance(), spares);
  }

  /** The one to run in now. Throws for the moment that it takes to make more, when many were lost at once. */
  get instance(): EngineInstance {
    if (!this.#current.isLost) return this.#current;
    const spare = this.#spares.pop();
    this.#refill();
    if (spare === undefined)
      throw new Error("SANDBOX_RESTARTING: products broke it several times at once; try again in a moment", {
        cause: this.#refillFault,
      });
    this.#current = spare;
    return spare;
  }

  /** For tests, which would rather not meet the moment above. */
  async refilled(): Promise<void> {
    await this.#refilling;
  }

  #refill(): void {
    this.#refilling ??= this.#makeSpares();
  }

  /** Never rejects: what failed is told to who finds no spare, and tried again then. */
  async #makeSpares(): Promise<void> {
    try {
      while (this.#spares.length < SPARES) this.#spares.push(await this.#newInstance());
      this.#refillFault = undefined;
    } catch (fault) {
      this.#refillFault = fault;
    } finally {
      this.#refilling = undefined;
    }
  }
}

/** The interpreter's own files are imported once; an instance made later touches no module any more. */
async function preload(): Promise<() => Promise<EngineInstance>> {
  const [ffi, loader] = await Promise.all([RELEASE_SYNC.importFFI(), RELEASE_SYNC.importModuleLoader()]);
  const variant: typeof RELEASE_SYNC = {
    ...RELEASE_SYNC,
    importFFI: () => Promise.resolve(ffi),
    importModuleLoader: () => Promise.resolve(loader),
  };
  return async () => new EngineInstance(await newQuickJSWASMModuleFromVariant(variant));
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
