import { temporarilyUnavailable } from "@florin/kernel";
import type { ServiceAnswer, ServiceClient } from "./service-client.js";

export interface TokenSource {
  /** A token of this process for the service of this name. */
  tokenFor(audience: string): Promise<string>;
}

/** What a service answers on a route beside its graph. The shape is its promise: both ends are of one version or agree on it. */
export async function getJson<Shape>(
  client: ServiceClient,
  tokens: TokenSource,
  path: string,
  budgetMs: number,
): Promise<Shape> {
  const headers = { authorization: `Bearer ${await tokens.tokenFor(client.name)}` };
  const answer = await client.call({ method: "GET", path, headers, budgetMs, isRead: true });
  return parseAnswer<Shape>(client.name, path, answer);
}

/** For questions whose words are secret, so that they stand in no URL and no log; changes nothing at the other end. */
export async function postJson<Shape>(
  client: ServiceClient,
  tokens: TokenSource,
  path: string,
  body: unknown,
  budgetMs: number,
): Promise<Shape> {
  const authorization = `Bearer ${await tokens.tokenFor(client.name)}`;
  const headers = { authorization, "content-type": "application/json" };
  const answer = await client.call({
    method: "POST",
    path,
    headers,
    body: JSON.stringify(body),
    budgetMs,
    isRead: true,
  });
  return parseAnswer<Shape>(client.name, path, answer);
}

function parseAnswer<Shape>(service: string, path: string, { status, text }: ServiceAnswer): Shape {
  try {
    if (status !== 200) throw new Error(`answered ${status}`);
    return JSON.parse(text) as Shape;
  } catch (error) {
    const failure = temporarilyUnavailable(1_000);
    failure.cause = new Error(`${service} ${path.split("?")[0] ?? ""}: ${(error as Error).message}`);
    throw failure;
  }
}
