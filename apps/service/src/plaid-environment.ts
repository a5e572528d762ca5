import { resolve } from "node:path";
import type { PlaidEnvironmentName } from "@florin/plaid";
import { z } from "zod";

/** How the platform reaches Plaid (docs/plaid.md). The simulator, Plaid's sandbox and its production differ in these and in nothing else. */
export interface PlaidSettings {
  readonly environment: PlaidEnvironmentName;
  /** With the simulator alone. */
  readonly simulatorUrl: string | undefined;
  readonly clientId: string;
  readonly secret: string;
  /** Where Plaid sends webhooks: this installation's public address and `/webhooks/plaid`. undefined: polls alone bring news. */
  readonly webhookUrl: string | undefined;
  /** Where the hosted page sends people at the end. */
  readonly redirectUrl: string | undefined;
  readonly countryCodes: readonly string[];
  /** The file of the keys that wrap tokens' keys; undefined: they follow from the master key. Needed with production. */
  readonly keyring: string | undefined;
  /** Processes that call Plaid, at most: each one's share of the limits while Redis is away. */
  readonly replicas: number;
}

const url = z.string().refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), "must be a URL");

/** Absent from a deployment: nobody can link accounts there, and everything else works. */
export const plaidVariables = {
  PLAID_ENV: z.enum(["off", "simulator", "sandbox", "production"]).default("off"),
  PLAID_SIMULATOR_URL: url.optional(),
  PLAID_CLIENT_ID: z.string().min(1).optional(),
  PLAID_SECRET: z.string().min(1).optional(),
  PLAID_WEBHOOK_URL: url.optional(),
  PLAID_REDIRECT_URL: url.optional(),
  PLAID_COUNTRIES: z
    .string()
    .regex(/^[A-Z]{2}(,[A-Z]{2})*$/, "must be country codes with commas between them, as in US,CA")
    .default("US"),
  FLORIN_KEYRING: z.string().min(1).optional(),
  FLORIN_PLAID_REPLICAS: z.coerce.number().int().min(1).max(100).default(5),
} as const;

export type PlaidValues = z.infer<z.ZodObject<typeof plaidVariables>>;

/** Published: the simulator takes them from everybody who can reach it, which is this machine. */
const SIMULATOR_CREDENTIALS = "florin-demo";

/** The settings, or what is wrong with them; nothing falls back to another environment of Plaid. */
export function readPlaidSettings(values: PlaidValues): {
  readonly settings: PlaidSettings | undefined;
  readonly problems: readonly string[];
} {
  const { PLAID_ENV: environment } = values;
  if (environment === "off") return { settings: undefined, problems: [] };
  const isSimulator = environment === "simulator";
  const problems: string[] = [];
  if (isSimulator && values.PLAID_SIMULATOR_URL === undefined) problems.push("PLAID_SIMULATOR_URL is missing");
  if (!isSimulator && values.PLAID_SIMULATOR_URL !== undefined)
    problems.push(`PLAID_SIMULATOR_URL has no place beside PLAID_ENV=${environment}`);
  const clientId = values.PLAID_CLIENT_ID ?? (isSimulator ? SIMULATOR_CREDENTIALS : undefined);
  const secret = values.PLAID_SECRET ?? (isSimulator ? SIMULATOR_CREDENTIALS : undefined);
  if (clientId === undefined) problems.push("PLAID_CLIENT_ID is missing");
  if (secret === undefined) problems.push("PLAID_SECRET is missing");
  if (environment === "production" && values.FLORIN_KEYRING === undefined)
    problems.push("FLORIN_KEYRING is missing: production's tokens are sealed with keys of their own");
  if (problems.length > 0 || clientId === undefined || secret === undefined) return { settings: undefined, problems };
  return {
    problems,
    settings: {
      environment,
      simulatorUrl: values.PLAID_SIMULATOR_URL,
      clientId,
      secret,
      webhookUrl: values.PLAID_WEBHOOK_URL,
      redirectUrl: values.PLAID_REDIRECT_URL,
      countryCodes: values.PLAID_COUNTRIES.split(","),
      keyring: values.FLORIN_KEYRING === undefined ? undefined : resolve(values.FLORIN_KEYRING),
      replicas: values.FLORIN_PLAID_REPLICAS,
    },
  };
}
