import { appendFileSync } from "node:fs";

/**
 * Named places where a process may die, compiled in always: before and after each line that does IO on the write path, in the relay
 * and in the consumers. Unarmed, a point costs one comparison.
 *
 * Armed by `FLORIN_FAULT=point:nth:action[,…]`; a recording run (`FLORIN_FAULT_RECORD=file`) writes down every point that it passes,
 * so a suite can kill the process at each of them, and a test can say that the list and this registry are the same.
 */
export const faultPoints = [
  // one request: the gateway's door, a subgraph's door
  "gateway.request.received",
  "gateway.answer.before-send",
  "subgraph.request.received",
  "subgraph.answer.before-send",
  // the accounts area's own transactions
  "accounts.command.before-commit",
  "accounts.command.after-commit",
  // the ledger's writer
  "ledger.lease.after-claim",
  "ledger.lease.before-renew",
  "ledger.command.before-insert",
  "ledger.command.after-insert",
  "ledger.commit.before-read",
  "ledger.commit.after-read",
  "ledger.commit.before-commit",
  "ledger.commit.after-commit",
  "ledger.hooks.before-cursor",
  // outbox to bus
  "relay.after-number",
  "relay.before-publish",
  "relay.after-publish",
  "relay.after-save-delivered",
  // bus to inbox
  "redis-bus.after-lease",
  "redis-bus.after-read",
  "redis-bus.before-ack",
  "redis-bus.after-ack",
  "consumer.before-transaction",
  "consumer.before-commit",
  "consumer.after-commit",
  "consumer.before-park",
  "consumer.after-park",
] as const;

/** The same on the way to institutions, which have suites of their own: the mixed load of the bank never comes here. */
export const linkedFaultPoints = [
  // the worker that calls institutions: a run of transactions, any other product, a webhook
  "accounts.sync.after-fetch",
  "accounts.sync.before-commit",
  "accounts.sync.after-commit",
  "accounts.webhook.before-commit",
  "accounts.webhook.after-commit",
  // from a wish to link to an item with its token
  "accounts.link.before-create",
  "accounts.link.after-create",
  "accounts.link.before-exchange",
  "accounts.link.after-exchange",
  "accounts.link.before-store",
  "accounts.link.after-store",
  // a new token for an old one
  "accounts.rotate.before-call",
  "accounts.rotate.after-call",
  // tombstone, institution, purge
  "accounts.remove.before-call",
  "accounts.remove.after-call",
  "accounts.remove.before-purge",
  "accounts.remove.after-purge",
] as const;
export type FaultPoint = (typeof faultPoints)[number] | (typeof linkedFaultPoints)[number];

/**
 * What happens at the nth passing of a point, counted from 1.
 *
 *   kill      SIGKILL to this process: nothing after this line runs
 *   stop      SIGSTOP: frozen, until somebody sends SIGCONT
 *   throw     FaultInjected is thrown where the point stands
 *   delay:ms  the whole process stands still for so long, like a pause for garbage
 */
type Action = { readonly kind: "kill" | "stop" | "throw" } | { readonly kind: "delay"; readonly ms: number };

interface ArmedFault {
  readonly point: FaultPoint;
  readonly nth: number;
  readonly action: Action;
}

export class FaultInjected extends Error {
  override readonly name = "FaultInjected";
  constructor(point: FaultPoint) {
    super(`A fault was injected at ${point}, as FLORIN_FAULT asks.`);
  }
}

interface Armed {
  readonly faults: readonly ArmedFault[];
  readonly recordTo: string | undefined;
  readonly passed: Map<FaultPoint, number>;
}

let armed: Armed | undefined;

/** To be called once at the start of a process, never in production. Throws when the text names no point or no action. */
export function armFaultPoints(options: {
  /** `point:nth:action`, several with commas. */
  readonly faults?: string | undefined;
  /** A file that gets each point's name at its first passing, a line each. */
  readonly recordTo?: string | undefined;
}): void {
  const faults = (options.faults ?? "")
    .split(",")
    .filter((text) => text !== "")
    .map(parseFault);
  if (faults.length === 0 && options.recordTo === undefined) return disarmFaultPoints();
  armed = { faults, recordTo: options.recordTo, passed: new Map() };
}

export function disarmFaultPoints(): void {
  armed = undefined;
}

/** Stands where a process may die. Does nothing unless this very passing is armed. */
export function faultPoint(point: FaultPoint): void {
  if (armed === undefined) return;
  const passing = (armed.passed.get(point) ?? 0) + 1;
  armed.passed.set(point, passing);
  if (passing === 1 && armed.recordTo !== undefined) appendFileSync(armed.recordTo, `${point}\n`);
  for (const fault of armed.faults) if (fault.point === point && fault.nth === passing) strike(fault);
}

function strike({ point, action }: ArmedFault): void {
  switch (action.kind) {
    case "kill":
      process.kill(process.pid, "SIGKILL");
      return standStill(10_000); // the signal is on its way; nothing after this line may run
    case "stop":
      process.kill(process.pid, "SIGSTOP");
      return standStill(5); // a signal to oneself may come a moment late
    case "throw":
      throw new FaultInjected(point);
    case "delay":
      return standStill(action.ms);
  }
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const all: readonly FaultPoint[] = [...faultPoints, ...linkedFaultPoints];

function parseFault(text: string): ArmedFault {
  const [point, nth, action, ms] = text.split(":");
  const known = all.find((name) => name === point);
  if (known === undefined)
    throw new Error(`FLORIN_FAULT names "${point}", which is no fault point. Use one of: ${all.join(", ")}.`);
  if (!/^[1-9]\d{0,8}$/.test(nth ?? ""))
    throw new Error(`FLORIN_FAULT says "${text}"; the second part is a count from 1, as in ${known}:1:kill.`);
  return { point: known, nth: Number(nth), action: parseAction(text, action, ms) };
}

function parseAction(text: string, action: string | undefined, ms: string | undefined): Action {
  if (action === "kill" || action === "stop" || action === "throw") return { kind: action };
  if (action === "delay" && /^\d{1,6}$/.test(ms ?? "")) return { kind: "delay", ms: Number(ms) };
  throw new Error(`FLORIN_FAULT says "${text}"; the action is kill, stop, throw or delay:<ms>.`);
}
