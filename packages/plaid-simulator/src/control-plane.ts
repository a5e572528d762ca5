/**
 * `/_sim/*`: the simulator's own side door, for tests, demonstrations and the browser at hand. JSON in, JSON out, no Plaid
 * credentials; who may come at all is decided before (loopback.ts). `SimulatorControl` offers the same to a test in the same
 * process; the routes below only translate.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { ApiServices } from "./answer-api-call.js";
import { ItemControl, itemCommands } from "./control-items.js";
import type { CallFilter, RecordedCall } from "./call-ledger.js";
import type { StandingMode, StandingModeInput } from "./delivery-mode.js";
import type { FaultInput, ListedFault } from "./faults.js";
import { PlaidRefusal } from "./plaid-error.js";
import { readBody } from "./incoming.js";
import type { WebhookAttempt, WebhookDelivery } from "./webhook-delivery.js";
import type { WebhookSigner } from "./webhook-signer.js";

export interface ControlServices extends ApiServices {
  readonly delivery: WebhookDelivery;
  readonly signer: WebhookSigner;
}

const clockCommand = z
  .strictObject({ setTo: z.iso.datetime({ offset: true }).optional(), advanceMs: z.number().min(0).optional() })
  .refine((it) => (it.setTo === undefined) !== (it.advanceMs === undefined), { message: "give setTo or advanceMs" });
const callFilter = z.strictObject({
  endpoint: z.string().optional(),
  itemId: z.string().optional(),
  errorCode: z.string().optional(),
  status: z.coerce.number().int().optional(),
});
const rotation = z.strictObject({ graceSeconds: z.number().min(0).optional() });

export class SimulatorControl {
  readonly items: ItemControl;
  readonly #services: ControlServices;

  constructor(services: ControlServices) {
    this.#services = services;
    this.items = new ItemControl(services.world, services.delivery);
  }

  /** Moves the clock forward and waits for the work that falls due; for webhooks on their way wait with `webhooksSettled`. */
  async clock(command: z.output<typeof clockCommand>): Promise<{ readonly now: string }> {
    const { clock } = this.#services.world;
    if (command.setTo !== undefined) await clock.set(new Date(command.setTo));
    else await clock.advance(command.advanceMs ?? 0);
    return this.now();
  }

  now(): { readonly now: string } {
    return { now: this.#services.world.clock.now().toISOString() };
  }

  state() {
    const { world, faults, ledger, delivery } = this.#services;
    return {
      ...this.now(),
      clock: world.clock.mode,
      environment: world.settings.environment,
      items: world.items.size,
      linkTokens: world.linkTokens.size,
      faults: faults.list().length,
      calls: ledger.list().length,
      callsForgotten: ledger.forgotten,
      webhooksWaiting: delivery.waiting,
    };
  }

  /** A new signing key; the old one is good for `graceSeconds` more. */
  rotateKeys(graceSeconds?: number): { readonly oldKid: string; readonly newKid: string } {
    return this.#services.signer.rotate(graceSeconds);
  }

  /** @throws FaultNotUnderstood */
  addFault(fault: FaultInput): { readonly id: string } {
    return { id: this.#services.faults.add(fault) };
  }

  faults(): ListedFault[] {
    return this.#services.faults.list();
  }

  removeFaults(id?: string): void {
    if (id === undefined) this.#services.faults.clear();
    else this.#services.faults.remove(id);
  }

  /** How webhooks misbehave from now on. @throws DeliveryModeNotUnderstood */
  setDelivery(mode: StandingModeInput): StandingMode {
    this.#services.delivery.setMode(mode);
    return this.#services.delivery.mode;
  }

  calls(filter: CallFilter = {}): RecordedCall[] {
    return this.#services.ledger.list(filter);
  }

  clearCalls(): void {
    this.#services.ledger.clear();
  }

  /** Every attempt to deliver a webhook, with what came of it. */
  webhooks(): WebhookAttempt[] {
    return this.#services.delivery.attempts();
  }

  clearWebhooks(): void {
    this.#services.delivery.clearAttempts();
  }

  /** Resolves when no webhook is on its way. What waits for the clock is not waited for. */
  async webhooksSettled(): Promise<void> {
    await this.#services.delivery.settled();
  }
}

export function createControl(services: ControlServices): SimulatorControl {
  return new SimulatorControl(services);
}

type Route = (control: SimulatorControl, input: { readonly body: unknown; readonly query: URLSearchParams }) => unknown;

const ROUTES: Readonly<Record<string, Route>> = {
  "GET /_sim/clock": (control) => control.now(),
  "POST /_sim/clock": (control, { body }) => control.clock(clockCommand.parse(body)),
  "GET /_sim/state": (control) => control.state(),
  "GET /_sim/items": (control) => ({ items: control.items.list() }),
  "POST /_sim/keys/rotate": (control, { body }) => control.rotateKeys(rotation.parse(body).graceSeconds),
  "POST /_sim/faults": (control, { body }) => control.addFault(body as FaultInput),
  "GET /_sim/faults": (control) => ({ faults: control.faults() }),
  "DELETE /_sim/faults": (control, { query }) => done(control.removeFaults(query.get("id") ?? undefined)),
  "POST /_sim/delivery": (control, { body }) => control.setDelivery(body as StandingModeInput),
  "GET /_sim/calls": (control, { query }) => ({
    calls: control.calls(given(callFilter.parse(Object.fromEntries(query)))),
  }),
  "DELETE /_sim/calls": (control) => done(control.clearCalls()),
  "GET /_sim/webhooks": (control) => ({ webhooks: control.webhooks() }),
  "DELETE /_sim/webhooks": (control) => done(control.clearWebhooks()),
};

const ITEM_PATH = /^\/_sim\/items\/(?<itemId>[A-Za-z0-9]+)(?:\/(?<command>[a-z-]+))?$/;

export async function answerControlCall(
  control: SimulatorControl,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const text = await readBody(request);
  const url = new URL(request.url ?? "/", "http://simulator");
  try {
    const body: unknown = text === undefined || text.trim() === "" ? {} : JSON.parse(text);
    const route = routeOf(request.method ?? "GET", url.pathname);
    if (!route) return reply(response, 404, { error: `the control plane has no ${request.method} ${url.pathname}` });
    reply(response, 200, (await route(control, { body, query: url.searchParams })) ?? { ok: true });
  } catch (problem) {
    reply(response, 400, { error: explain(problem) });
  }
}

function routeOf(method: string, path: string): Route | undefined {
  const plain = ROUTES[`${method} ${path}`];
  if (plain) return plain;
  const { itemId, command } = ITEM_PATH.exec(path)?.groups ?? {};
  if (itemId === undefined) return undefined;
  if (command === undefined && method === "GET") return (control) => control.items.get(itemId);
  const perform = method === "POST" && command !== undefined ? itemCommands[command] : undefined;
  return perform && ((control, { body }) => perform(control.items, itemId, body));
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  response.end(`${JSON.stringify(body)}\n`);
}

function done(_: void): { readonly ok: true } {
  return { ok: true };
}

/** Without the members that nobody gave. */
function given(filter: z.output<typeof callFilter>): CallFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

function explain(problem: unknown): string {
  if (problem instanceof z.ZodError) {
    return problem.issues.map((it) => `${it.path.join(".") || "body"}: ${it.message}`).join("; ");
  }
  if (problem instanceof PlaidRefusal) return problem.body.error_message;
  return problem instanceof Error ? problem.message : "the command failed";
}
