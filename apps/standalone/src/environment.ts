import { resolve } from "node:path";
import { plaidVariables, readPlaidSettings, StartError, type PlaidSettings } from "@florin/service";
import { logLevels, type LogLevel } from "@florin/telemetry";
import { z } from "zod";

/** Everything that `npm start` reads from the environment (api.md, "Running"). The only file here that touches process.env. */
export interface Environment {
  readonly port: number;
  readonly host: string;
  /** Absolute path: embedded database, keys, logs. */
  readonly home: string;
  /** undefined: embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly isDemo: boolean;
  readonly isProduction: boolean;
  readonly logLevel: LogLevel;
  /** Does the auditor halt the book's writes when it finds money made or lost? */
  readonly haltsOnViolation: boolean;
  /** undefined: nobody can link accounts here. With the simulator and no URL of one, `simulatorPort` says where ours is. */
  readonly plaid: PlaidSettings | undefined;
  /** undefined: no simulator is started here. 0: any free port. */
  readonly simulatorPort: number | undefined;
  /** How long a process that was told to stop goes on answering while it says that it is not ready. */
  readonly drainMs: number;
}

const schema = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(4000),
  HOST: z.string().min(1).default("127.0.0.1"),
  FLORIN_HOME: z.string().min(1).default(".florin"),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "must begin with postgres://")
    .optional(),
  FLORIN_DEMO: z.enum(["0", "1"]).default("1"),
  NODE_ENV: z.string().default("development"),
  FLORIN_HALT_ON_VIOLATION: z.enum(["on", "off"]).default("on"),
  LOG_LEVEL: z.enum(logLevels).default("info"),
  ...plaidVariables,
  // As in npm start everything else, Plaid is at hand without the internet.
  PLAID_ENV: plaidVariables.PLAID_ENV.removeDefault().optional(),
  PLAID_SIMULATOR_PORT: z.coerce.number().int().min(0).max(65_535).default(4010),
  FLORIN_DRAIN_MS: z.coerce.number().int().min(0).max(600_000).default(0),
});

/** All problems at once, each naming its variable; then StartError. */
export function readEnvironment(source: NodeJS.ProcessEnv = process.env): Environment {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new StartError(`The environment is not usable: ${problems.join("; ")}.`);
  }
  const values = parsed.data;
  const isProduction = values.NODE_ENV === "production";
  const plaidEnvironment = values.PLAID_ENV ?? (isProduction ? "off" : "simulator");
  const startsSimulator = plaidEnvironment === "simulator" && values.PLAID_SIMULATOR_URL === undefined;
  const { settings: plaid, problems } = readPlaidSettings({
    ...values,
    PLAID_ENV: plaidEnvironment,
    ...(startsSimulator ? { PLAID_SIMULATOR_URL: `http://127.0.0.1:${values.PLAID_SIMULATOR_PORT}` } : {}),
  });
  if (problems.length > 0) throw new StartError(`The environment is not usable: ${problems.join("; ")}.`);
  return {
    port: values.PORT,
    host: values.HOST,
    home: resolve(values.FLORIN_HOME),
    databaseUrl: values.DATABASE_URL,
    // Demo identities have published passwords; they never exist in production (api.md, "Demo identities").
    isDemo: values.FLORIN_DEMO === "1" && !isProduction,
    isProduction,
    haltsOnViolation: values.FLORIN_HALT_ON_VIOLATION === "on",
    logLevel: values.LOG_LEVEL,
    plaid,
    simulatorPort: startsSimulator ? values.PLAID_SIMULATOR_PORT : undefined,
    drainMs: values.FLORIN_DRAIN_MS,
  };
}
