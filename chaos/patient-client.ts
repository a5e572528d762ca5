import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

/**
 * A client as api.md asks for one, behind what a balancer does: it retries with the same key on TEMPORARILY_UNAVAILABLE and on
 * connections that were refused, and goes to the next gateway then, or when an answer says that its gateway drains. Whatever else it meets is written down: a planned restart must show it nothing else.
 */
export interface PatientClient {
  /** Data of the answer, however often it had to ask. Throws when 60 s were not enough. */
  ask<Data>(query: string, variables: unknown, token?: string): Promise<Data>;
  /** What it met, by kind, and how often. */
  readonly met: ReadonlyMap<string, number>;
}

export interface GraphError {
  readonly message: string;
  readonly extensions?: { readonly code?: string };
}

const PATIENCE_MS = 120_000;
const REQUEST_MS = 20_000;
const PAUSE_MS = 25;
/** Kinds that a client is told to expect. */
export const EXPECTED = new Set(["TEMPORARILY_UNAVAILABLE", "ECONNREFUSED"]);

/** @param variablesAgain makes the variables of a retry; the same again unless a control says otherwise */
export function createPatientClient(
  urls: readonly string[],
  variablesAgain: (variables: unknown) => unknown = (variables) => variables,
): PatientClient {
  const met = new Map<string, number>();
  let turn = 0;

  async function ask<Data>(query: string, variables: unknown, token?: string): Promise<Data> {
    const deadline = performance.now() + PATIENCE_MS;
    let sent = variables;
    for (;;) {
      const outcome = await post<Data>(urls[turn % urls.length] ?? "", query, sent, token);
      if (outcome.isDraining) turn++;
      if (outcome.data !== undefined) return outcome.data;
      met.set(outcome.kind, (met.get(outcome.kind) ?? 0) + 1);
      if (performance.now() > deadline) throw new Error(`not answered within ${PATIENCE_MS} ms: ${outcome.kind}`);
      turn++;
      sent = variablesAgain(variables);
      await pause(PAUSE_MS);
    }
  }
  return { ask, met };
}

interface Outcome<Data> {
  readonly isDraining: boolean;
  readonly data: Data | undefined;
  /** What was met instead of data. */
  readonly kind: string;
}

async function post<Data>(
  url: string,
  query: string,
  variables: unknown,
  token: string | undefined,
): Promise<Outcome<Data>> {
  try {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-correlation-id": randomUUID(),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    const answer = (await response.json()) as { data?: Data | null; errors?: readonly GraphError[] };
    const [error] = answer.errors ?? [];
    const isDraining = response.headers.has("x-florin-draining");
    if (error !== undefined) return { isDraining, data: undefined, kind: error.extensions?.code ?? error.message };
    if (answer.data === undefined || answer.data === null)
      return { isDraining, data: undefined, kind: `HTTP ${response.status}` };
    return { isDraining, data: answer.data, kind: "" };
  } catch (error) {
    const cause = (error as { cause?: { code?: unknown } }).cause;
    return { isDraining: false, data: undefined, kind: typeof cause?.code === "string" ? cause.code : String(error) };
  }
}
