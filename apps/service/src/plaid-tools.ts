import {
  createDerivedKeyProvider,
  createKeyFileProvider,
  createMemoryRateLimiter,
  createPlaidPort,
  createRedisRateLimiter,
  createTokenVault,
  type PlaidPort,
  type ProviderCall,
  type TokenVault,
} from "@florin/plaid";
import { systemClock } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import { Redis } from "ioredis";
import type { PlaidSettings } from "./plaid-environment.js";

/** What people read on the institution's page. */
const CLIENT_NAME = "Florin";
/** Two years, all that Plaid gives: it cannot be raised for an item later. */
const DAYS_REQUESTED = 730;

/** Everything that stands between us and Plaid, made from configuration alone. */
export interface PlaidTools {
  readonly vault: TokenVault;
  /** Items whose webhooks go elsewhere are told. */
  readonly policy: { readonly webhookUrl: string | undefined };
  openPlaid(onCall: (call: ProviderCall) => void): PlaidPort;
  /** A login at an institution without a page, for demo data. undefined: there is no such thing in production. */
  readonly obtainDemoToken: (() => Promise<string>) | undefined;
  stop(): void;
}

export function createPlaidTools(options: {
  readonly settings: PlaidSettings;
  readonly masterKey: Uint8Array;
  /** undefined: this is the only process that calls Plaid. */
  readonly redisUrl: string | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}): PlaidTools {
  const { settings, masterKey, redisUrl, logger, metrics } = options;
  const { environment, simulatorUrl, clientId, secret, webhookUrl, countryCodes, keyring, replicas } = settings;
  const nowMs = () => Date.now();
  const limiter =
    redisUrl === undefined
      ? createMemoryRateLimiter({ nowMs, share: 1 })
      : createRedisRateLimiter({
          connect: (redis) => new Redis(redisUrl, redis),
          prefix: `florin:plaid:${environment}`,
          replicas,
          nowMs,
          onDegraded: (isDegraded) =>
            logger.warn(
              { isDegraded, replicas },
              "the shared count of calls to Plaid; without it each keeps to its share",
            ),
        });
  const keys =
    keyring === undefined
      ? createDerivedKeyProvider({ masterKey })
      : createKeyFileProvider({ path: keyring, isProductionGrade: environment === "production" });
  return {
    vault: createTokenVault({ keys, environment }),
    policy: { webhookUrl },
    openPlaid: (onCall) =>
      createPlaidPort({
        environment,
        simulatorUrl,
        clientId,
        secret,
        link: {
          clientName: CLIENT_NAME,
          language: "en",
          countryCodes,
          products: { required: ["transactions"], requiredIfSupported: ["liabilities", "investments"], optional: [] },
          daysRequested: DAYS_REQUESTED,
          webhookUrl,
        },
        limiter,
        clock: systemClock,
        random: Math.random,
        logger,
        metrics,
        onCall,
      }),
    obtainDemoToken: environment === "simulator" ? () => obtainSimulatorToken(settings) : undefined,
    stop: () => limiter.close(),
  };
}

const DEMO_INSTITUTION = "ins_109508";
const DEMO_LOGIN = "user_good";
const DEMO_DEADLINE_MS = 5_000;

/** Beside the port: nobody but the demo logs in without a page. */
async function obtainSimulatorToken(settings: PlaidSettings): Promise<string> {
  const { simulatorUrl = "", clientId, secret, webhookUrl } = settings;
  const response = await fetch(new URL("/sandbox/public_token/create", simulatorUrl), {
    method: "POST",
    headers: { "content-type": "application/json", "PLAID-CLIENT-ID": clientId, "PLAID-SECRET": secret },
    body: JSON.stringify({
      institution_id: DEMO_INSTITUTION,
      initial_products: ["transactions", "liabilities", "investments"],
      options: { override_username: DEMO_LOGIN, override_password: "pass_good", webhook: webhookUrl },
    }),
    redirect: "error",
    signal: AbortSignal.timeout(DEMO_DEADLINE_MS),
  });
  const body: unknown = await response.json();
  if (typeof body === "object" && body !== null && "public_token" in body && typeof body.public_token === "string")
    return body.public_token;
  throw new Error(`the simulator answered ${response.status} when the demo's login was asked for`);
}
