/**
 * Calls to one service that runs as several processes.
 *
 * Targets take turns. One that refuses the connection, does not take it within 500 ms, or answers that it is leaving, is left alone
 * for a moment and the call goes to the next: nothing of it was started there. One whose answer says that it drains is left alone
 * from then on. A connection lost after sending leaves the outcome unknown: a call that changes nothing goes to the next target,
 * any other is TEMPORARILY_UNAVAILABLE and its client sends it again with its key. One that does not believe our token is left alone
 * too; when none does, the caller is told. When all are left alone all are tried.
 *
 * Bounds: the caller's budget over all attempts together; answers of at most 16 MB; connections are kept and reused, 256 a target.
 */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { temporarilyUnavailable, type RequestError } from "@florin/kernel";
import { DRAINING_HEADER, readBody } from "./http-server.js";

export interface ServiceCall {
  readonly method: "GET" | "POST";
  /** With its query string. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly budgetMs: number;
  /** It changes nothing, so an attempt whose outcome is unknown may be made again. */
  readonly isRead: boolean;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly text: string;
}

export interface ServiceClient {
  readonly name: string;
  /** Throws RequestError TEMPORARILY_UNAVAILABLE; its `cause` says what happened at the last target. */
  call(call: ServiceCall): Promise<ServiceAnswer>;
  /** Closes idle connections. */
  stop(): void;
}

const CONNECT_MS = 500;
const LEFT_ALONE_MS = 1_000;
const MAX_ANSWER_BYTES = 16 * 1_048_576;
const MAX_CONNECTIONS = 256;
const UNAUTHORIZED = 401;

interface Target {
  readonly url: URL;
  readonly agent: Agent;
  leftAloneUntil: number;
}

type Attempt =
  | { readonly kind: "answered"; readonly answer: ServiceAnswer; readonly isLeaving: boolean }
  | { readonly kind: "not-started" | "unknown"; readonly cause: Error };

export function connectService(options: { readonly name: string; readonly urls: readonly string[] }): ServiceClient {
  const { name } = options;
  if (options.urls.length === 0) throw new Error(`give at least one URL of ${name}`);
  const targets = options.urls.map((url): Target => {
    const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: MAX_CONNECTIONS });
    return { url: new URL(url), agent, leftAloneUntil: 0 };
  });
  let turn = 0;

  function inTurn(): readonly Target[] {
    turn = (turn + 1) % targets.length;
    const now = performance.now();
    const round = [...targets.slice(turn), ...targets.slice(0, turn)];
    const isLeftAlone = (target: Target): boolean => target.leftAloneUntil > now;
    return [...round.filter((target) => !isLeftAlone(target)), ...round.filter(isLeftAlone)];
  }

  async function call(call: ServiceCall): Promise<ServiceAnswer> {
    const deadline = performance.now() + call.budgetMs;
    let cause = new Error("no time was left for it");
    let turnedAway: ServiceAnswer | undefined;
    for (const target of inTurn()) {
      const leftMs = deadline - performance.now();
      if (leftMs < 1) break;
      const attempt = await tryTarget(target, call, leftMs);
      if (attempt.kind !== "answered" || attempt.isLeaving) leaveAlone(target);
      if (attempt.kind === "answered" && attempt.answer.status === UNAUTHORIZED) {
        // Nothing was started. Perhaps its clock or its keys are off, and another's are not.
        leaveAlone(target);
        turnedAway = attempt.answer;
        continue;
      }
      if (attempt.kind === "answered") return attempt.answer;
      cause = attempt.cause;
      if (attempt.kind === "unknown" && !call.isRead) throw unreachable(name, cause);
    }
    if (turnedAway !== undefined) return turnedAway;
    throw unreachable(name, cause);
  }

  return { name, call, stop: () => targets.forEach(({ agent }) => agent.destroy()) };
}

function leaveAlone(target: Target): void {
  target.leftAloneUntil = performance.now() + LEFT_ALONE_MS;
  // An idle connection to a process that leaves would be closed under the next call.
  for (const idle of Object.values(target.agent.freeSockets).flat()) idle?.destroy();
}

function unreachable(name: string, cause: Error): RequestError {
  const failure = temporarilyUnavailable(
    1_000,
    "A part of the system does not answer just now. Send the same request again, with the same key.",
  );
  failure.cause = new Error(`${name}: ${cause.message}`, { cause });
  return failure;
}

function tryTarget(target: Target, call: ServiceCall, leftMs: number): Promise<Attempt> {
  return new Promise((resolve) => {
    let isConnected = false;
    const request = httpRequest(new URL(call.path, target.url), {
      method: call.method,
      agent: target.agent,
      headers: {
        ...call.headers,
        ...(call.body === undefined ? {} : { "content-length": Buffer.byteLength(call.body) }),
      },
    });
    const connecting = setTimeout(
      () => request.destroy(new Error(`no connection within ${CONNECT_MS} ms`)),
      Math.min(CONNECT_MS, leftMs),
    );
    const late = setTimeout(() => request.destroy(new Error(`no answer within ${Math.floor(leftMs)} ms`)), leftMs);
    const end = (attempt: Attempt): void => {
      clearTimeout(connecting);
      clearTimeout(late);
      resolve(attempt);
    };
    const fail = (cause: Error): void => end({ kind: isConnected ? "unknown" : "not-started", cause });
    const connected = (): void => {
      isConnected = true;
      clearTimeout(connecting);
    };
    request.once("socket", (socket) => (socket.connecting ? socket.once("connect", connected) : connected()));
    request.on("error", fail);
    request.once("response", (response) => {
      readBody(response, MAX_ANSWER_BYTES).then((text) => {
        if (text === undefined) request.destroy();
        end(toAttempt(response.statusCode ?? 0, response.headers, text));
      }, fail);
    });
    request.end(call.body);
  });
}

function toAttempt(status: number, headers: IncomingHttpHeaders, text: string | undefined): Attempt {
  if (text === undefined) return { kind: "unknown", cause: new Error(`answered more than ${MAX_ANSWER_BYTES} bytes`) };
  if (headers[DRAINING_HEADER] === "refused") return { kind: "not-started", cause: new Error("it is stopping") };
  return { kind: "answered", answer: { status, text }, isLeaving: headers[DRAINING_HEADER] !== undefined };
}
