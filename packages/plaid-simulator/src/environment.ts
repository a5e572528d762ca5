import { z } from "zod";
import type { SimulatorOptions } from "./start-simulator.js";

/** The binary's settings, each of them optional. The only file here that reads the environment. */
const variables = z.object({
  PLAID_SIM_HOST: z.string().default("127.0.0.1"),
  PLAID_SIM_PORT: z.coerce.number().int().min(0).max(65_535).default(4010),
  PLAID_SIM_SEED: z.string().min(1).optional(),
  PLAID_SIM_CLIENT_ID: z.string().min(1).default("florin-demo"),
  PLAID_SIM_SECRET: z.string().min(1).default("florin-demo"),
  PLAID_SIM_ENVIRONMENT: z.enum(["sandbox", "production"]).default("sandbox"),
  PLAID_SIM_CLOCK: z.enum(["real", "virtual"]).default("real"),
  PLAID_SIM_START_AT: z.iso.datetime({ offset: true }).optional(),
  PLAID_SIM_SNAPSHOT: z.string().min(1).optional(),
  /** "off" or a factor on the table of limits. */
  PLAID_SIM_LIMITS: z.union([z.literal("off").transform(() => Infinity), z.coerce.number().positive()]).default(1),
  PLAID_SIM_NOT_READY_CALLS: z.coerce.number().int().min(0).max(1_000).default(1),
});

/** @throws Error that names every variable that is wrong */
export function readEnvironment(source: NodeJS.ProcessEnv = process.env): SimulatorOptions {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((it) => `${it.path.join(".")} ${it.message}`);
    throw new Error(`the environment is not usable: ${problems.join("; ")}`);
  }
  const values = parsed.data;
  return {
    host: values.PLAID_SIM_HOST,
    port: values.PLAID_SIM_PORT,
    clientId: values.PLAID_SIM_CLIENT_ID,
    secret: values.PLAID_SIM_SECRET,
    environment: values.PLAID_SIM_ENVIRONMENT,
    clock: values.PLAID_SIM_CLOCK,
    limitsScale: values.PLAID_SIM_LIMITS,
    notReadyCalls: values.PLAID_SIM_NOT_READY_CALLS,
    ...(values.PLAID_SIM_SEED === undefined ? {} : { seed: values.PLAID_SIM_SEED }),
    ...(values.PLAID_SIM_START_AT === undefined ? {} : { startAt: values.PLAID_SIM_START_AT }),
    ...(values.PLAID_SIM_SNAPSHOT === undefined ? {} : { snapshotFile: values.PLAID_SIM_SNAPSHOT }),
  };
}
