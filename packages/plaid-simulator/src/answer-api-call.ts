/**
 * One call of Plaid's API:
 *
 *   body ─► route ─► credentials ─► fault before ─► limits ─► strict shape ─► handler ─► fault after ─► send ─► ledger
 *
 * A fault "after" strikes when the work is done, so that the caller may miss an answer to something that has happened.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { applyFault, type Answer } from "./apply-fault.js";
import { urlCarriesSecret, type CallLedger } from "./call-ledger.js";
import type { Endpoint } from "./endpoint.js";
import type { FaultPlan } from "./faults.js";
import { HANDLERS } from "./handlers/index.js";
import { knownError, PlaidRefusal, toHttpError, type PlaidErrorBody } from "./plaid-error.js";
import type { RateLimits } from "./rate-limits.js";
import { pathOf, readBody } from "./incoming.js";
import { isEndpoint, parseRequest } from "./request-shapes.js";
import type { SimulatorWorld } from "./world.js";

export interface ApiServices {
  readonly world: SimulatorWorld;
  readonly faults: FaultPlan;
  readonly limits: RateLimits;
  readonly ledger: CallLedger;
  readonly stopping: AbortSignal;
  readonly random: () => number;
  /** Told of what no caller caused. */
  readonly onProblem: (problem: unknown) => void;
  /** Told after each call that may have changed the world. */
  readonly onCall: () => void;
}

interface Call {
  readonly endpoint: string;
  readonly requestId: string;
  readonly at: string;
  readonly body: Record<string, unknown>;
  readonly tokenInUrl: boolean;
  itemId: string | undefined;
  credentialsOk: boolean;
  fault: string | null;
  status: number | null;
  errorCode: string | null;
}

const compress = promisify(gzip);
const COMPRESS_FROM_BYTES = 2_048;
const JSON_HEADERS = { "content-type": "application/json; charset=utf-8" };

export async function answerApiCall(
  services: ApiServices,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { world } = services;
  const at = world.clock.now().toISOString();
  const text = await readBody(request);
  const { clientId, secret } = world.settings;
  const body = parseObject(text);
  const call: Call = {
    endpoint: pathOf(request),
    requestId: world.ids.nextRequestId(),
    at,
    body: body ?? {},
    tokenInUrl: urlCarriesSecret(request.url ?? "", [clientId, secret]),
    itemId: world.itemIdOf(body?.["access_token"]),
    credentialsOk: false,
    fault: null,
    status: null,
    errorCode: null,
  };
  try {
    await serve(services, request, response, call, body !== undefined);
  } finally {
    const { body: _body, itemId, ...recorded } = call;
    services.ledger.record({
      ...recorded,
      itemId: itemId ?? null,
      requestId: call.status === null ? null : call.requestId,
    });
    services.onCall();
  }
}

async function serve(
  services: ApiServices,
  request: IncomingMessage,
  response: ServerResponse,
  call: Call,
  isJson: boolean,
): Promise<void> {
  const refused = refusalAtTheDoor(services, request, call, isJson);
  if (refused) return send(request, response, call, errorAnswer(call, refused));

  const action = services.faults.decide({ endpoint: call.endpoint, itemId: call.itemId });
  if (action?.when === "before" && (await strike(services, response, call, action))) return;
  const answer = work(services, call);
  if (action?.when === "after" && (await strike(services, response, call, action, answer))) return;
  await send(request, response, call, answer);
}

function refusalAtTheDoor(
  services: ApiServices,
  request: IncomingMessage,
  call: Call,
  isJson: boolean,
): PlaidErrorBody | undefined {
  const { world } = services;
  if (!isEndpoint(call.endpoint)) return knownError("NOT_FOUND", `there is no endpoint ${call.endpoint}`);
  if (request.method !== "POST") return knownError("INVALID_HTTP_METHOD");
  if (!request.headers["content-type"]?.startsWith("application/json")) return knownError("INVALID_HEADERS");
  if (!isJson) return knownError("INVALID_BODY");
  const refused = refuseCredentials(world, request, call.body);
  if (refused) return refused;
  call.credentialsOk = true;
  const isSandboxOnly = call.endpoint.startsWith("/sandbox/") && world.settings.environment !== "sandbox";
  return isSandboxOnly ? knownError("SANDBOX_ONLY") : undefined;
}

/** In headers or in the body; headers win. */
function refuseCredentials(
  world: SimulatorWorld,
  request: IncomingMessage,
  body: Record<string, unknown>,
): PlaidErrorBody | undefined {
  const given = {
    client_id: request.headers["plaid-client-id"] ?? body["client_id"],
    secret: request.headers["plaid-secret"] ?? body["secret"],
  };
  const missing = Object.entries(given).flatMap(([name, value]) => (value === undefined || value === "" ? [name] : []));
  if (missing.length > 0) {
    return knownError("MISSING_FIELDS", `the following required fields are missing: ${missing.join(", ")}`);
  }
  const isKnown = given.client_id === world.settings.clientId && given.secret === world.settings.secret;
  return isKnown ? undefined : knownError("INVALID_API_KEYS");
}

/** The answer of the endpoint itself, refusals included. */
function work(services: ApiServices, call: Call): Answer {
  const { endpoint } = call;
  try {
    const limited = services.limits.take(endpoint, call.itemId);
    if (limited) return errorAnswer(call, limited);
    if (!isEndpoint(endpoint)) return errorAnswer(call, knownError("NOT_FOUND"));
    const body = { ...handle(endpoint, call.body, services.world), request_id: call.requestId };
    call.status = 200;
    return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(body) };
  } catch (problem) {
    if (problem instanceof PlaidRefusal) return errorAnswer(call, problem.body);
    services.onProblem(problem);
    return errorAnswer(call, knownError("INTERNAL_SERVER_ERROR"));
  }
}

function handle<Path extends Endpoint>(path: Path, body: unknown, world: SimulatorWorld): object {
  return HANDLERS[path](parseRequest(path, body), world);
}

async function strike(
  services: ApiServices,
  response: ServerResponse,
  call: Call,
  action: NonNullable<ReturnType<FaultPlan["decide"]>>,
  answer?: Answer,
): Promise<boolean> {
  call.fault = action.kind;
  const { stopping, random } = services;
  const outcome = await applyFault(action, { response, requestId: call.requestId, answer, stopping, random });
  if (!outcome.over) return false;
  call.status = outcome.status;
  call.errorCode = outcome.errorCode;
  return true;
}

function errorAnswer(call: Call, error: PlaidErrorBody): Answer {
  call.errorCode = error.error_code;
  return { status: error.status, headers: JSON_HEADERS, body: JSON.stringify(toHttpError(error, call.requestId)) };
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  call: Call,
  { status, headers = {}, body }: Answer,
): Promise<void> {
  if (response.destroyed) return;
  call.status = status;
  const isCompressed =
    body.length >= COMPRESS_FROM_BYTES && /\bgzip\b/.test(String(request.headers["accept-encoding"]));
  const bytes = isCompressed ? await compress(body, { level: 1 }) : Buffer.from(body);
  response.writeHead(status, {
    ...headers,
    ...(isCompressed ? { "content-encoding": "gzip", vary: "accept-encoding" } : {}),
    "content-length": bytes.length,
  });
  response.end(bytes);
}

function parseObject(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
