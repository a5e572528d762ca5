import { hookBudgets, type HookKind } from "@florin/kernel";

/** HOOK-5: what one execution may use up. */
export interface Budget {
  readonly cpuMillis: number;
  /** Named in the message. */
  readonly of: string;
}

export interface SandboxLimits {
  readonly prePostingMillis: number;
  readonly otherMillis: number;
  /** Evaluating a product's module and calling `defineProduct`. */
  readonly loadMillis: number;
  readonly memoryMebibytes: number;
  readonly stackKibibytes: number;
  /** Of the source, in UTF-8. */
  readonly sourceKibibytes: number;
}

export const defaultLimits: SandboxLimits = {
  ...hookBudgets,
  loadMillis: 500,
  // More, and deeply nested code would use up the host's own stack first.
  stackKibibytes: 128,
  sourceKibibytes: 256,
};

/** Milliseconds, both only ever compared with themselves. Passed in, so that nothing here asks the machine. */
export interface BudgetClock {
  wallMillis(): number;
  /** CPU time of the process: a machine that runs something else meanwhile takes nothing from a product's budget. */
  cpuMillis(): number;
}

export const processBudgetClock: BudgetClock = {
  wallMillis: () => performance.now(),
  cpuMillis: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
};

/** What is never scheduled never uses up its CPU time; this is when it is given up all the same. */
const WALL_FACTOR = 20;

/** The time of one execution: begun, and looked at whenever the interpreter asks. */
export class Stopwatch {
  readonly #clock: BudgetClock;
  #wallFrom = 0;
  #cpuFrom: number | undefined;
  #millis = Infinity;

  constructor(clock: BudgetClock) {
    this.#clock = clock;
  }

  start({ cpuMillis }: Budget): void {
    this.#wallFrom = this.#clock.wallMillis();
    this.#cpuFrom = undefined;
    this.#millis = cpuMillis;
  }

  /**
   * Asked by the interpreter every ten thousand steps, so the CPU time counts from the first asking: most executions end before it and
   * cost nothing to measure.
   */
  isOver(): boolean {
    const wall = this.#clock.wallMillis() - this.#wallFrom;
    this.#cpuFrom ??= this.#clock.cpuMillis();
    if (wall < this.#millis) return false;
    return wall >= this.#millis * WALL_FACTOR || this.#clock.cpuMillis() - this.#cpuFrom >= this.#millis;
  }

  /** At the end: what overran its time without being asked. */
  hasOverrun(): boolean {
    return this.#clock.wallMillis() - this.#wallFrom >= this.#millis && this.isOver();
  }
}

export function budgetOf(kind: HookKind, limits: SandboxLimits): Budget {
  return { cpuMillis: kind === "prePosting" ? limits.prePostingMillis : limits.otherMillis, of: kind };
}

export function loadBudget(limits: SandboxLimits): Budget {
  return { cpuMillis: limits.loadMillis, of: "loading the product" };
}
