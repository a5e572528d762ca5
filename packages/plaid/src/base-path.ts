import type { PlaidEnvironmentName } from "./plaid-port.js";

const PLAID = {
  production: "https://production.plaid.com",
  sandbox: "https://sandbox.plaid.com",
} as const;
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Where calls go: one of Plaid's two hosts, or the simulator on this machine. The client falls back to production where it is told
 * nothing it knows; here everything that is not exactly right throws (linked-accounts.md §5.7).
 */
export function basePathOf(environment: PlaidEnvironmentName, simulatorUrl: string | undefined): string {
  switch (environment) {
    case "production":
    case "sandbox":
      if (simulatorUrl !== undefined)
        throw new Error(`A simulator's URL is given, but the environment is ${environment}. Name one of the two.`);
      return PLAID[environment];
    case "simulator":
      return simulatorPath(simulatorUrl);
    default:
      // Configuration comes from outside: types do not bind it.
      throw new Error(`"${String(environment)}" is no environment of Plaid. Name production, sandbox or simulator.`);
  }
}

function simulatorPath(text: string | undefined): string {
  const remedy = "Give the simulator's URL on this machine, as http://127.0.0.1:8700.";
  if (text === undefined || !URL.canParse(text)) throw new Error(`The simulator's URL is missing or no URL. ${remedy}`);
  const url = new URL(text);
  const isPlain =
    url.protocol === "http:" && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!isPlain || url.pathname !== "/" || !LOOPBACK.has(url.hostname))
    throw new Error(`The simulator's URL is not plain HTTP to this machine's loopback address. ${remedy}`);
  return url.origin;
}
