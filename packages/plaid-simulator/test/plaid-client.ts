import { Configuration, PlaidApi, type Products } from "plaid";
import { startPlaidSimulator, type PlaidSimulator, type SimulatorOptions } from "../src/index.js";

/** A simulator whose clock stands still until told, with limits off, and the real client in front of it. */
export async function startForTest(options: SimulatorOptions = {}): Promise<{ sim: PlaidSimulator; plaid: PlaidApi }> {
  const problems: unknown[] = [];
  const sim = await startPlaidSimulator({
    seed: "test",
    clock: "virtual",
    startAt: "2026-11-21T12:00:00Z",
    limitsScale: Infinity,
    onProblem: (problem) => void problems.push(problem),
    ...options,
  });
  const stop = sim.stop.bind(sim);
  return {
    plaid: clientOf(sim),
    sim: Object.assign(sim, {
      async stop() {
        await stop();
        if (problems.length > 0) throw new AggregateError(problems, "the simulator failed by itself");
      },
    }),
  };
}

export function clientOf(sim: PlaidSimulator, secret = "florin-demo"): PlaidApi {
  const headers = { "PLAID-CLIENT-ID": "florin-demo", "PLAID-SECRET": secret };
  return new PlaidApi(new Configuration({ basePath: sim.url, baseOptions: { headers, timeout: 10_000 } }));
}

export interface LinkedItem {
  readonly accessToken: string;
  readonly itemId: string;
}

export async function linkItem(
  plaid: PlaidApi,
  userName = "user_good",
  more: { institution?: string; webhook?: string; products?: string[]; days?: number } = {},
): Promise<LinkedItem> {
  const { data: created } = await plaid.sandboxPublicTokenCreate({
    institution_id: more.institution ?? "ins_109508",
    initial_products: (more.products ?? ["transactions"]) as Products[],
    options: {
      override_username: userName,
      override_password: "pass_good",
      ...(more.webhook ? { webhook: more.webhook } : {}),
      ...(more.days ? { transactions: { days_requested: more.days } } : {}),
    },
  });
  const { data } = await plaid.itemPublicTokenExchange({ public_token: created.public_token });
  return { accessToken: data.access_token, itemId: data.item_id };
}

/** What Plaid refused with, or a failure when it did not refuse. */
export async function refusalOf(call: Promise<unknown>): Promise<{ status: number; code: string; body: unknown }> {
  try {
    await call;
  } catch (error) {
    const { response } = error as { response?: { status: number; data: { error_code: string } } };
    if (response) return { status: response.status, code: response.data.error_code, body: response.data };
    throw error;
  }
  throw new Error("the call was not refused");
}

/** JSON to any path, past the client. */
export async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
