/**
 * The simulator's only clock. Every timestamp, expiry, signature time and rate window comes from here.
 *
 * "real": wall time, plus whatever was set or advanced; due work runs on timers that do not keep the process alive.
 * "virtual": stands still until `advance` or `set`, which run the work that falls due on the way, in the order of its
 * time, each piece at its own time. Work may be asynchronous: `advance` waits for it, so that a retry that a failed
 * delivery schedules on the way is met by the same advance. One piece of work is waited for at most `settleMs` of wall time.
 */
export type ClockMode = "real" | "virtual";

export interface ClockOptions {
  readonly mode: ClockMode;
  /** Absent: wall time at start. */
  readonly startAt?: Date;
  /** How long, in wall time, one piece of due work may hold up an advance. */
  readonly settleMs?: number;
  /** Told when due work failed on its own timer. In an advance the failure is the advance's. */
  readonly onProblem?: (problem: unknown) => void;
}

type Work = () => void | Promise<void>;

interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly work: Work;
  timer?: NodeJS.Timeout;
}

const LONGEST_TIMER_MS = 2_147_483_647;
const SETTLE_MS = 5_000;

export class SimulatorClock {
  readonly mode: ClockMode;
  readonly #settleMs: number;
  readonly #onProblem: (problem: unknown) => void;
  readonly #scheduled = new Set<Scheduled>();
  #virtualNow: number;
  #offsetMs: number;
  #order = 0;
  #stopped = false;

  constructor(options: ClockOptions) {
    const wall = Date.now();
    const start = options.startAt?.getTime() ?? wall;
    this.mode = options.mode;
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    this.#onProblem = options.onProblem ?? (() => undefined);
    this.#virtualNow = start;
    this.#offsetMs = start - wall;
  }

  now(): Date {
    return new Date(this.#nowMs());
  }

  /** Moves the clock forward and runs what falls due. Resolves when the work that fell due has settled. */
  async advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0)
      throw new RangeError("The clock moves forward only: advanceMs must be 0 or more.");
    await this.#moveTo(this.#nowMs() + ms);
  }

  async set(to: Date): Promise<void> {
    const target = to.getTime();
    if (Number.isNaN(target)) throw new RangeError("setTo must be an ISO 8601 time.");
    if (target < this.#nowMs())
      throw new RangeError(`The clock moves forward only: it is ${this.now().toISOString()}.`);
    await this.#moveTo(target);
  }

  /** Runs `work` once, at a time or after a delay in milliseconds of this clock. Returns its cancellation. */
  schedule(when: Date | number, work: Work): () => void {
    const at = typeof when === "number" ? this.#nowMs() + when : when.getTime();
    const entry: Scheduled = { at, order: this.#order++, work };
    this.#scheduled.add(entry);
    if (this.mode === "real") this.#arm(entry);
    return () => this.#drop(entry);
  }

  /** Forgets all scheduled work. Called when the simulator stops. */
  stop(): void {
    this.#stopped = true;
    for (const entry of [...this.#scheduled]) this.#drop(entry);
  }

  /** How much work waits. */
  get pending(): number {
    return this.#scheduled.size;
  }

  #nowMs(): number {
    return this.mode === "virtual" ? this.#virtualNow : Date.now() + this.#offsetMs;
  }

  async #moveTo(target: number): Promise<void> {
    for (let due = this.#nextDue(target); due !== undefined && !this.#stopped; due = this.#nextDue(target)) {
      this.#drop(due);
      this.#leapTo(Math.max(due.at, this.#nowMs()));
      await this.#settle(due.work);
    }
    this.#leapTo(Math.max(target, this.#nowMs()));
    if (this.mode === "real") for (const entry of this.#scheduled) this.#arm(entry);
  }

  #leapTo(to: number): void {
    if (this.mode === "virtual") this.#virtualNow = to;
    else this.#offsetMs += to - this.#nowMs();
  }

  #nextDue(until: number): Scheduled | undefined {
    let first: Scheduled | undefined;
    for (const entry of this.#scheduled) {
      if (entry.at > until) continue;
      if (!first || entry.at < first.at || (entry.at === first.at && entry.order < first.order)) first = entry;
    }
    return first;
  }

  async #settle(work: Work): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#settleMs);
    });
    try {
      await Promise.race([Promise.resolve().then(work), patience]);
    } finally {
      clearTimeout(timer);
    }
  }

  #arm(entry: Scheduled): void {
    clearTimeout(entry.timer);
    const wait = Math.min(Math.max(entry.at - this.#nowMs(), 0), LONGEST_TIMER_MS);
    entry.timer = setTimeout(() => {
      if (!this.#scheduled.has(entry)) return;
      if (entry.at > this.#nowMs()) return this.#arm(entry);
      this.#drop(entry);
      this.#settle(entry.work).catch(this.#onProblem);
    }, wait);
    entry.timer.unref();
  }

  #drop(entry: Scheduled): void {
    this.#scheduled.delete(entry);
    clearTimeout(entry.timer);
  }
}
