/**
 * Delivers webhooks as Plaid does (§1.4): at least once, in no order, signed anew at every attempt, retried for 24 hours on the
 * simulator's clock, to this machine only.
 *
 *   send ─► mode (normal, duplicate, delay, drop, reorder) ─► queue ─► POST ─► 200: done
 *                                                              ▲                 else: retry, unless the receiver's breaker is open
 *                                                              └── clock ◄───────┘
 *
 * Bounds: POSTS_AT_ONCE open connections, MOST_WAITING webhooks queued, held or between attempts (one more is recorded as `overflow`
 * and dropped), MOST_RECORDED attempts remembered. Every attempt is recorded, those that never left too.
 * An attack is sent once, whatever comes back, and says nothing about the receiver.
 */
import type { SimulatorClock } from "./clock.js";
import { parseDeliveryMode, parseStandingMode } from "./delivery-mode.js";
import type { DeliveryMode, DeliveryModeInput, StandingMode, StandingModeInput } from "./delivery-mode.js";
import { nextAttemptAt, ReceiverBreaker } from "./delivery-schedule.js";
import type { AttackName, SignedWebhook } from "./webhook-attacks.js";
import { postWebhook, type AttemptAnswer } from "./webhook-attempt.js";
import type { WebhookSigner } from "./webhook-signer.js";
import { resolveName, resolveTarget, TargetRefused, type ResolveName } from "./webhook-target.js";

const ANSWER_TIMEOUT_MS = 10_000;
const POSTS_AT_ONCE = 32;
const MOST_WAITING = 10_000;
const MOST_RECORDED = 20_000;

/** A webhook's body: every one of Plaid's has these two. */
export interface WebhookBody {
  readonly webhook_type: string;
  readonly webhook_code: string;
}

export interface SendOptions {
  /** For the record. */
  readonly itemId?: string | undefined;
  /** For this webhook alone, in place of the standing mode. */
  readonly mode?: DeliveryModeInput | undefined;
  readonly attack?: AttackName | undefined;
}

/** One attempt, or the reason why there was none. */
export interface WebhookAttempt {
  readonly delivery: string;
  /** From 1; 0 when nothing was sent. */
  readonly attempt: number;
  readonly at: string;
  readonly target: string;
  readonly webhookType: string;
  readonly webhookCode: string;
  readonly itemId: string | null;
  readonly attack: AttackName | null;
  readonly outcome: "accepted" | "rejected" | "unanswered" | "refused-target" | "dropped" | "overflow";
  readonly status: number | null;
  readonly reason: string | null;
  /** When it is tried again, or null when it is not. */
  readonly nextAttemptAt: string | null;
}

export interface WebhookDeliveryOptions {
  readonly signer: WebhookSigner;
  readonly clock: SimulatorClock;
  /** Uniform in [0, 1), from the seed. */
  readonly random: () => number;
  /** Wall time that a receiver has, in milliseconds: it answers in real time, whatever the simulator's clock says. */
  readonly answerTimeoutMs?: number;
  readonly resolve?: ResolveName;
}

interface Delivery {
  readonly id: string;
  readonly target: string;
  readonly rawBody: string;
  readonly body: WebhookBody;
  readonly itemId: string | null;
  readonly attack: AttackName | null;
  /** Sent as it is at every attempt; otherwise each attempt is signed anew. */
  readonly signed: SignedWebhook | undefined;
  readonly firstAt: number;
  attempts: number;
}

export class WebhookDelivery {
  readonly #options: WebhookDeliveryOptions;
  readonly #stopping = new AbortController();
  readonly #queue: { readonly delivery: Delivery; readonly done: () => void }[] = [];
  readonly #breakers = new Map<string, ReceiverBreaker>();
  #standing: StandingMode | undefined;
  #held: Delivery[] = [];
  #releaseHeld: (() => void) | undefined;
  #recorded: WebhookAttempt[] = [];
  #open = 0;
  #scheduled = 0;
  #made = 0;
  #idle: (() => void)[] = [];

  constructor(options: WebhookDeliveryOptions) {
    this.#options = options;
  }

  /** Takes a webhook to be delivered. Returns at once; what becomes of it is in `attempts`. */
  send(target: string, body: WebhookBody, options: SendOptions = {}): void {
    if (this.#stopping.signal.aborted) return;
    const mode = options.mode === undefined ? this.#standingModeOfOne() : parseDeliveryMode(options.mode);
    const delivery = this.#newDelivery(target, body, options);
    switch (mode.kind) {
      case "normal":
        return this.#start(delivery);
      case "duplicate":
        return this.#startWithCopies(delivery, mode.copies, mode.resign);
      case "delay":
        return this.#startLater(delivery, mode.delayMs);
      case "drop":
        return this.#record(delivery, { outcome: "dropped", status: null, reason: "dropped by its mode" });
      case "reorder":
        return this.#hold(delivery, mode.window, mode.holdMs);
      default:
        return mode satisfies never;
    }
  }

  /** How webhooks misbehave from now on. @throws DeliveryModeNotUnderstood */
  setMode(standing: StandingModeInput): void {
    this.#standing = parseStandingMode(standing);
  }

  get mode(): StandingMode {
    return this.#standing ?? { mode: { kind: "normal" }, probability: 1 };
  }

  /** Every attempt that is remembered, oldest first. */
  attempts(): WebhookAttempt[] {
    return this.#recorded.slice(-MOST_RECORDED);
  }

  clearAttempts(): void {
    this.#recorded = [];
  }

  /** Webhooks that were taken and whose end is not known yet: queued, on their way, held back or to be tried again. */
  get waiting(): number {
    return this.#queue.length + this.#open + this.#held.length + this.#scheduled;
  }

  /** Resolves when nothing is queued or on its way. What waits for the clock is not waited for. */
  async settled(): Promise<void> {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => void this.#idle.push(resolve));
  }

  /** Cuts what is on its way, forgets the rest. */
  stop(): void {
    this.#stopping.abort();
    for (const { done } of this.#queue.splice(0)) done();
    this.#held = [];
    this.#announceIdle();
  }

  #newDelivery(target: string, body: WebhookBody, { itemId, attack }: SendOptions): Delivery {
    const rawBody = JSON.stringify(body, null, 2);
    return {
      id: `delivery-${++this.#made}`,
      target,
      rawBody,
      body,
      itemId: itemId ?? null,
      attack: attack ?? null,
      signed: undefined,
      firstAt: this.#now(),
      attempts: 0,
    };
  }

  #standingModeOfOne(): DeliveryMode {
    const standing = this.#standing;
    const isMeant =
      standing !== undefined && (standing.probability === 1 || this.#options.random() < standing.probability);
    if (!isMeant) return { kind: "normal" };
    if (standing.times !== undefined) {
      this.#standing = standing.times > 1 ? { ...standing, times: standing.times - 1 } : undefined;
    }
    return standing.mode;
  }

  #start(delivery: Delivery): void {
    void this.#deliver(delivery);
  }

  #startWithCopies(delivery: Delivery, copies: number, resign: boolean): void {
    const original = resign ? delivery : { ...delivery, signed: this.#signed(delivery) };
    this.#start(original);
    for (let copy = 0; copy < copies; copy += 1) this.#start({ ...original, id: `delivery-${++this.#made}` });
  }

  /** The clock waits for what it runs, so an advance over several retries meets them all. */
  #startLater(delivery: Delivery, delayMs: number): void {
    if (this.#isFull(delivery)) return;
    this.#scheduled += 1;
    this.#options.clock.schedule(delayMs, async () => {
      this.#scheduled -= 1;
      await this.#deliver(delivery);
    });
  }

  #hold(delivery: Delivery, window: number, holdMs: number): void {
    if (this.#isFull(delivery)) return;
    this.#held.push(delivery);
    if (this.#held.length >= window) {
      void this.#release();
      return;
    }
    this.#releaseHeld ??= this.#options.clock.schedule(holdMs, () => this.#release());
  }

  async #release(): Promise<void> {
    this.#releaseHeld?.();
    this.#releaseHeld = undefined;
    for (const delivery of inAnotherOrder(this.#held.splice(0), this.#options.random)) await this.#deliver(delivery);
  }

  /** Queues one attempt. Resolves when it was made, or the simulator stopped. */
  async #deliver(delivery: Delivery): Promise<void> {
    if (this.#stopping.signal.aborted || this.#isFull(delivery)) return;
    await new Promise<void>((done) => {
      this.#queue.push({ delivery, done });
      this.#pump();
    });
  }

  #isFull(delivery: Delivery): boolean {
    if (this.waiting < MOST_WAITING) return false;
    this.#record(delivery, { outcome: "overflow", status: null, reason: `${MOST_WAITING} webhooks wait already` });
    return true;
  }

  #pump(): void {
    while (this.#open < POSTS_AT_ONCE) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#open += 1;
      void this.#attempt(next.delivery).finally(() => {
        this.#open -= 1;
        next.done();
        this.#pump();
      });
    }
    this.#announceIdle();
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const answer = await this.#post(delivery);
    if (this.#stopping.signal.aborted) return;
    if ("refused" in answer) {
      return this.#record(delivery, { outcome: "refused-target", status: null, reason: answer.refused });
    }
    const status = "status" in answer ? answer.status : null;
    const reason = "reason" in answer ? answer.reason : null;
    const next = this.#nextAttempt(delivery, answer, status);
    this.#record(delivery, { outcome: answer.outcome, status, reason }, next);
    if (next !== undefined) this.#startLater(delivery, next - this.#now());
  }

  async #post(delivery: Delivery): Promise<AttemptAnswer | { readonly refused: string }> {
    const { resolve = resolveName, answerTimeoutMs = ANSWER_TIMEOUT_MS } = this.#options;
    try {
      const target = await resolveTarget(delivery.target, resolve);
      delivery.attempts += 1;
      return await postWebhook(target, this.#signed(delivery), answerTimeoutMs, this.#stopping.signal);
    } catch (error) {
      if (error instanceof TargetRefused) return { refused: error.message };
      throw error;
    }
  }

  #signed({ signed, attack, rawBody }: Delivery): SignedWebhook {
    if (signed !== undefined) return signed;
    const { signer } = this.#options;
    return attack === null ? { body: rawBody, header: signer.sign(rawBody) } : signer.attack(attack, rawBody);
  }

  #nextAttempt(delivery: Delivery, answer: AttemptAnswer, status: number | null): number | undefined {
    if (delivery.attack !== null) return undefined;
    const now = this.#now();
    const breaker = this.#breakerOf(delivery.target);
    // "Later, please" is not a rejection: a receiver that says so is one that works.
    breaker.record(now, answer.outcome !== "accepted" && status !== 429);
    if (answer.outcome === "accepted" || breaker.isOpen(now)) return undefined;
    const retryAfter = answer.outcome === "rejected" ? answer.retryAfter : undefined;
    return nextAttemptAt({ attempt: delivery.attempts, firstAt: delivery.firstAt, now, status, retryAfter });
  }

  #breakerOf(target: string): ReceiverBreaker {
    const { origin } = new URL(target);
    const breaker = this.#breakers.get(origin) ?? new ReceiverBreaker();
    this.#breakers.set(origin, breaker);
    return breaker;
  }

  #record(
    { id, attempts, target, body, itemId, attack }: Delivery,
    ended: Pick<WebhookAttempt, "outcome" | "status" | "reason">,
    next?: number,
  ): void {
    this.#recorded.push({
      delivery: id,
      attempt: attempts,
      at: new Date(this.#now()).toISOString(),
      target,
      webhookType: body.webhook_type,
      webhookCode: body.webhook_code,
      itemId,
      attack,
      ...ended,
      nextAttemptAt: next === undefined ? null : new Date(next).toISOString(),
    });
    if (this.#recorded.length > MOST_RECORDED * 2) this.#recorded = this.#recorded.slice(-MOST_RECORDED);
  }

  #isIdle(): boolean {
    return this.#open === 0 && this.#queue.length === 0;
  }

  #announceIdle(): void {
    if (!this.#isIdle()) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

/** Shuffled; turned round when the shuffle left everything where it was. */
function inAnotherOrder<T>(given: readonly T[], random: () => number): T[] {
  const drawn = given.map((item) => ({ item, lot: random() })).sort((a, b) => a.lot - b.lot);
  const shuffled = drawn.map(({ item }) => item);
  return shuffled.every((item, at) => item === given[at]) ? shuffled.reverse() : shuffled;
}
