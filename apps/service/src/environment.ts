import { resolve } from "node:path";
import { logLevels, type LogLevel } from "@florin/telemetry";
import { z } from "zod";
import { plaidVariables, readPlaidSettings, type PlaidSettings } from "./plaid-environment.js";
import { StartError } from "./start-error.js";

/** Everything that the processes of one part each read from the environment. The only file here that touches process.env. */
export const partNames = ["gateway", "accounts", "ledger", "portfolio"] as const;
export type PartName = (typeof partNames)[number];

export interface CommonEnvironment {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Absolute path: see service-keys.ts. */
  readonly keys: string;
  readonly redisUrl: string;
  readonly isDemo: boolean;
  readonly isProduction: boolean;
  readonly logLevel: LogLevel;
  /** How long a process that was told to stop goes on answering while it says that it is not ready. */
  readonly drainMs: number;
  /** Fault points to arm; never in production. */
  readonly faults: { readonly faults: string | undefined; readonly recordTo: string | undefined };
}

export interface GatewayEnvironment extends CommonEnvironment {
  readonly accountsUrls: readonly string[];
  readonly ledgerUrls: readonly string[];
  readonly portfolioUrls: readonly string[];
}

/** What every part with a database of its own area reads. */
export interface AreaEnvironment extends CommonEnvironment {
  /** May name several hosts, of which the primary is found. */
  readonly databaseUrl: string;
  readonly databaseReplicaUrl: string | undefined;
  /** Where the primary's timeline is remembered across restarts; undefined: only while the process lives. */
  readonly timelineFile: string | undefined;
  /** undefined: no metrics are served. */
  readonly metricsPort: number | undefined;
}

export interface AccountsEnvironment extends AreaEnvironment {
  /** undefined: nobody can link accounts here. */
  readonly plaid: PlaidSettings | undefined;
}

export interface PortfolioEnvironment extends AreaEnvironment {
  readonly accountsUrls: readonly string[];
  readonly ledgerUrls: readonly string[];
}

export interface LedgerEnvironment extends AreaEnvironment {
  readonly accountsUrls: readonly string[];
  /** How long the right to write outlives its last renewal. */
  readonly leaseMs: number;
  /** Does the auditor halt the book's writes when it finds money made or lost? */
  readonly haltsOnViolation: boolean;
  /** For the control of a test: two writers may then both commit. */
  readonly unsafeNoFence: boolean;
  /** Where signed checkpoints of the audit chain are kept outside the database; undefined: nowhere. */
  readonly checkpointFile: string | undefined;
}

const DEFAULT_PORTS = { gateway: 4000, accounts: 4001, ledger: 4002, portfolio: 4003 } as const;

const databaseUrl = z.string().regex(/^postgres(ql)?:\/\//, "must begin with postgres://");
const serviceUrls = z
  .string()
  .transform((text) => text.split(",").map((url) => url.trim()))
  .refine((urls) => urls.every((url) => /^https?:\/\/[^/]+\/?$/.test(url) && URL.canParse(url)), {
    message: "must be base URLs with commas between them, as in http://10.0.0.1:4001,http://10.0.0.2:4001",
  });
const milliseconds = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const common = z.object({
  HOST: z.string().min(1).default("127.0.0.1"),
  PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  FLORIN_KEYS: z.string().min(1),
  REDIS_URL: z.string().regex(/^rediss?:\/\//, "must begin with redis://"),
  FLORIN_DEMO: z.enum(["0", "1"]).default("1"),
  NODE_ENV: z.string().default("development"),
  LOG_LEVEL: z.enum(logLevels).default("info"),
  FLORIN_DRAIN_MS: milliseconds(0, 600_000).default(0),
  FLORIN_FAULT: z.string().optional(),
  FLORIN_FAULT_RECORD: z.string().optional(),
});
const port = z.coerce.number().int().min(0).max(65_535);
const area = {
  DATABASE_URL: databaseUrl,
  DATABASE_REPLICA_URL: databaseUrl.optional(),
  FLORIN_TIMELINE_FILE: z.string().min(1).optional(),
  FLORIN_METRICS_PORT: port.optional(),
};

/** By part; the names in them are all that a deployment may set (test/compose.test.ts). */
export const environmentSchemas = {
  gateway: common.extend({ ACCOUNTS_URL: serviceUrls, LEDGER_URL: serviceUrls, PORTFOLIO_URL: serviceUrls }),
  accounts: common.extend({ ...area, ...plaidVariables }),
  portfolio: common.extend({ ...area, ACCOUNTS_URL: serviceUrls, LEDGER_URL: serviceUrls }),
  ledger: common.extend({
    ...area,
    ACCOUNTS_URL: serviceUrls,
    FLORIN_LEASE_MS: milliseconds(100, 60_000).default(3_000),
    FLORIN_HALT_ON_VIOLATION: z.enum(["on", "off"]).default("on"),
    FLORIN_CHECKPOINT_FILE: z.string().min(1).optional(),
    FLORIN_UNSAFE_NO_FENCE: z.enum(["0", "1"]).default("0"),
  }),
} as const;

/** All problems at once, each naming its variable; then StartError. */
export function readGatewayEnvironment(source: NodeJS.ProcessEnv = process.env): GatewayEnvironment {
  const values = parse(environmentSchemas.gateway, source);
  return {
    ...toCommon("gateway", values),
    accountsUrls: values.ACCOUNTS_URL,
    ledgerUrls: values.LEDGER_URL,
    portfolioUrls: values.PORTFOLIO_URL,
  };
}

export function readAccountsEnvironment(source: NodeJS.ProcessEnv = process.env): AccountsEnvironment {
  const values = parse(environmentSchemas.accounts, source);
  const { settings: plaid, problems } = readPlaidSettings(values);
  if (problems.length > 0) throw new StartError(`The environment is not usable: ${problems.join("; ")}.`);
  return { ...toCommon("accounts", values), ...toArea(values), plaid };
}

export function readPortfolioEnvironment(source: NodeJS.ProcessEnv = process.env): PortfolioEnvironment {
  const values = parse(environmentSchemas.portfolio, source);
  return {
    ...toCommon("portfolio", values),
    ...toArea(values),
    accountsUrls: values.ACCOUNTS_URL,
    ledgerUrls: values.LEDGER_URL,
  };
}

export function readLedgerEnvironment(source: NodeJS.ProcessEnv = process.env): LedgerEnvironment {
  const values = parse(environmentSchemas.ledger, source);
  return {
    ...toCommon("ledger", values),
    ...toArea(values),
    accountsUrls: values.ACCOUNTS_URL,
    leaseMs: values.FLORIN_LEASE_MS,
    haltsOnViolation: values.FLORIN_HALT_ON_VIOLATION === "on",
    checkpointFile: values.FLORIN_CHECKPOINT_FILE === undefined ? undefined : resolve(values.FLORIN_CHECKPOINT_FILE),
    unsafeNoFence: values.FLORIN_UNSAFE_NO_FENCE === "1",
  };
}

/** What `start:all` reads: servers are brought where none is named, and its parts get what they need from it. */
export interface ClusterEnvironment {
  readonly host: string;
  readonly port: number;
  readonly home: string;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly isDemo: boolean;
  /** For the parts: everything that was given, without what is decided here. */
  readonly passedOn: Readonly<Record<string, string>>;
}

const cluster = z.object({
  HOST: z.string().min(1).default("127.0.0.1"),
  PORT: z.coerce.number().int().min(0).max(65_535).default(DEFAULT_PORTS.gateway),
  FLORIN_HOME: z.string().min(1).default(".florin"),
  DATABASE_URL: databaseUrl.optional(),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, "must begin with redis://")
    .optional(),
  FLORIN_DEMO: z.enum(["0", "1"]).default("1"),
  NODE_ENV: z.string().default("development"),
});

export function readClusterEnvironment(source: NodeJS.ProcessEnv = process.env): ClusterEnvironment {
  const values = parse(cluster, source);
  // Two parts on one machine cannot have one port.
  const perPart = ["FLORIN_KEYS", "ACCOUNTS_URL", "LEDGER_URL", "PORTFOLIO_URL", "FLORIN_METRICS_PORT"];
  const own = new Set<string>([...Object.keys(cluster.shape), ...perPart]);
  const passedOn = Object.entries(source).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !own.has(entry[0]),
  );
  return {
    host: values.HOST,
    port: values.PORT,
    home: resolve(values.FLORIN_HOME),
    databaseUrl: values.DATABASE_URL,
    redisUrl: values.REDIS_URL,
    isDemo: values.FLORIN_DEMO === "1" && values.NODE_ENV !== "production",
    passedOn: { ...Object.fromEntries(passedOn), NODE_ENV: values.NODE_ENV, FLORIN_DEMO: values.FLORIN_DEMO },
  };
}

function parse<Shape extends z.ZodType>(schema: Shape, source: NodeJS.ProcessEnv): z.infer<Shape> {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(given);
  const problems = (parsed.error?.issues ?? []).map((issue) => {
    const name = issue.path.join(".");
    return given[name] === undefined ? `${name} is missing` : `${name} ${issue.message}`;
  });
  if (given["NODE_ENV"] === "production")
    for (const name of ["FLORIN_FAULT", "FLORIN_FAULT_RECORD"])
      if (given[name] !== undefined) problems.push(`${name} injects faults and is refused in production`);
  if (given["NODE_ENV"] === "production" && (given["FLORIN_UNSAFE_NO_FENCE"] ?? "0") !== "0")
    problems.push(
      "FLORIN_UNSAFE_NO_FENCE lets two writers commit, for the control of a test, and is refused in production",
    );
  if (parsed.data === undefined || problems.length > 0)
    throw new StartError(`The environment is not usable: ${problems.join("; ")}.`);
  return parsed.data;
}

function toCommon(part: PartName, values: z.infer<typeof common>): CommonEnvironment {
  const isProduction = values.NODE_ENV === "production";
  return {
    host: values.HOST,
    port: values.PORT ?? DEFAULT_PORTS[part],
    keys: resolve(values.FLORIN_KEYS),
    redisUrl: values.REDIS_URL,
    // Demo identities have published passwords; they never exist in production (api.md, "Demo identities").
    isDemo: values.FLORIN_DEMO === "1" && !isProduction,
    isProduction,
    logLevel: values.LOG_LEVEL,
    drainMs: values.FLORIN_DRAIN_MS,
    faults: { faults: values.FLORIN_FAULT, recordTo: values.FLORIN_FAULT_RECORD },
  };
}

function toArea(values: z.infer<z.ZodObject<typeof area>>) {
  return {
    databaseUrl: values.DATABASE_URL,
    databaseReplicaUrl: values.DATABASE_REPLICA_URL,
    timelineFile: values.FLORIN_TIMELINE_FILE === undefined ? undefined : resolve(values.FLORIN_TIMELINE_FILE),
    metricsPort: values.FLORIN_METRICS_PORT,
  };
}
