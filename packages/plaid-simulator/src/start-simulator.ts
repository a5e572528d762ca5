/**
 * Puts the parts together and listens. Everything that an application can meet is behind one address, on loopback only:
 *
 *   POST /link/token/create, /item/get, …   Plaid's API            answer-api-call.ts
 *   GET, POST /link/<id>                     the hosted Link page   link-page.ts
 *   /_sim/…                                  the control plane      control-plane.ts
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerApiCall, type ApiServices } from "./answer-api-call.js";
import { CallLedger } from "./call-ledger.js";
import { SimulatorClock, type ClockMode } from "./clock.js";
import { answerControlCall, createControl, type SimulatorControl } from "./control-plane.js";
import { FaultPlan } from "./faults.js";
import { pathOf } from "./incoming.js";
import { answerLinkPage } from "./link-page.js";
import { isFromThisMachine, isLoopbackHost } from "./loopback.js";
import { RateLimits } from "./rate-limits.js";
import { readSnapshot, restoreSnapshot, writeSnapshot } from "./snapshot.js";
import { WebhookDelivery } from "./webhook-delivery.js";
import { WebhookSigner } from "./webhook-signer.js";
import { SimulatorWorld, type PlaidEnvironmentName } from "./world.js";

export interface SimulatorOptions {
  /** Loopback only. */
  readonly host?: string;
  /** 0 or absent: given by the system. */
  readonly port?: number;
  /** The same seed and the same calls give the same ids and data. Absent: another one at every start. */
  readonly seed?: string;
  readonly clientId?: string;
  readonly secret?: string;
  readonly environment?: PlaidEnvironmentName;
  readonly clock?: ClockMode;
  /** ISO 8601. Absent: wall time, or the time of the snapshot when the clock is virtual. */
  readonly startAt?: string;
  /** Read at start if it is there, written a little after every call and at the end. */
  readonly snapshotFile?: string;
  /** 1: the limits of Plaid's table; Infinity: none. */
  readonly limitsScale?: number;
  /** How many /transactions/sync calls of each Item answer NOT_READY. Default 1. */
  readonly notReadyCalls?: number;
  /** From the last of them to the first 30 days, and on to the whole history, in the simulator's time. */
  readonly initialPullMs?: number;
  readonly historicalPullMs?: number;
  /** Told of what no caller caused: a fault of the simulator itself. */
  readonly onProblem?: (problem: unknown) => void;
}

export interface PlaidSimulator {
  readonly url: string;
  readonly control: SimulatorControl;
  stop(): Promise<void>;
}

const SNAPSHOT_AFTER_MS = 1_000;
const KEEP_ALIVE_MS = 60_000;

/** Listens on loopback. @throws RangeError when another host is asked for */
export async function startPlaidSimulator(options: SimulatorOptions = {}): Promise<PlaidSimulator> {
  const host = options.host ?? "127.0.0.1";
  if (!isLoopbackHost(host)) throw new RangeError(`The simulator listens on loopback only, not on ${host}.`);
  const stopping = new AbortController();
  const { world, services, delivery, signer, snapshots } = assemble(options, stopping.signal);
  const control = createControl({ ...services, delivery, signer });
  const server = createServer((request, response) => {
    route(request, response, services, control).catch((problem: unknown) => {
      // A caller who leaves in the middle of its request is no problem of ours.
      if (request.complete) services.onProblem(problem);
      response.destroy();
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  world.url = await listen(server, host, options.port ?? 0);
  return {
    url: world.url,
    control,
    async stop() {
      stopping.abort();
      delivery.stop();
      world.clock.stop();
      await close(server);
      snapshots.writeNow();
    },
  };
}

function assemble(options: SimulatorOptions, stopping: AbortSignal) {
  const { snapshotFile } = options;
  const snapshot = snapshotFile === undefined ? undefined : readSnapshot(snapshotFile);
  const mode = options.clock ?? "real";
  const startAt = options.startAt ?? (mode === "virtual" ? snapshot?.now : undefined);
  const onProblem = options.onProblem ?? (() => undefined);
  const start = startAt === undefined ? {} : { startAt: new Date(startAt) };
  const clock = new SimulatorClock({ mode, onProblem, ...start });
  const environment = options.environment ?? "sandbox";
  const signer = new WebhookSigner(clock, options.seed);
  let drawn = 0;
  const random = () => world.ids.fraction(`random/${drawn++}`);
  const delivery = new WebhookDelivery({ signer, clock, random });
  const world = new SimulatorWorld(
    {
      seed: snapshot?.seed ?? options.seed ?? randomUUID(),
      clientId: options.clientId ?? "florin-demo",
      secret: options.secret ?? "florin-demo",
      environment,
      notReadyCalls: options.notReadyCalls ?? 1,
      initialPullMs: options.initialPullMs ?? 500,
      historicalPullMs: options.historicalPullMs ?? 1_500,
    },
    {
      clock,
      sendWebhook: (target, body, sendOptions) => delivery.send(target, body, sendOptions),
      findVerificationKey: (kid) => signer.jwk(kid),
    },
  );
  if (snapshot) restoreSnapshot(world, snapshot);
  const snapshots = keepSnapshots(world, snapshotFile);
  const services: ApiServices = {
    world,
    faults: new FaultPlan(random),
    limits: new RateLimits(clock, environment, options.limitsScale ?? 1),
    ledger: new CallLedger(),
    stopping,
    random,
    onProblem,
    onCall: snapshots.writeSoon,
  };
  return { world, services, delivery, signer, snapshots };
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  services: ApiServices,
  control: SimulatorControl,
): Promise<void> {
  if (!isFromThisMachine(request)) {
    response.writeHead(403, { "content-type": "text/plain" }).end("Only this machine may talk to the simulator.\n");
    return;
  }
  const pathname = pathOf(request);
  if (pathname.startsWith("/_sim/")) {
    await answerControlCall(control, request, response);
    services.onCall();
  } else if (/^\/link\/[A-Za-z0-9]+$/.test(pathname)) {
    await answerLinkPage(services.world, request, response);
    services.onCall();
  } else await answerApiCall(services, request, response);
}

function keepSnapshots(world: SimulatorWorld, file: string | undefined) {
  let timer: NodeJS.Timeout | undefined;
  const writeNow = () => {
    clearTimeout(timer);
    timer = undefined;
    if (file !== undefined) writeSnapshot(world, file);
  };
  const writeSoon = () => {
    if (file === undefined || timer !== undefined) return;
    timer = setTimeout(writeNow, SNAPSHOT_AFTER_MS);
    timer.unref();
  };
  return { writeNow, writeSoon };
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: given } = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${given}`;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
