import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPlaidSettings } from "@florin/service";
import { startPlatform, type Environment } from "@florin/standalone";
import { DEMO_PARTNER_KEY } from "@florin/subgraph-accounts";
import { checkBooks, createTestDatabase, eventually, startFlorinCluster, startTestRedis } from "@florin/testkit";

export interface Answer {
  readonly data?: Record<string, never> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly string[];
    readonly extensions: { readonly code: string; readonly fields?: readonly { path: string; code: string }[] };
  }[];
  readonly extensions?: {
    readonly correlationId?: string;
    readonly idempotencyReplayed?: boolean;
    readonly consistencyToken?: string;
  };
}

export interface Person {
  readonly token: string;
  readonly refreshToken: string;
  readonly id: string;
  readonly wallet: string;
}

/** How the platform runs: one process as `npm start` has it, or its parts as processes over Redis (one gateway, one accounts, two ledgers). */
export type PlatformForm = "standalone" | "distributed";

/** What `FLORIN_TEST_FORM` asks for; the suites are the same. */
const chosenForm: PlatformForm = process.env["FLORIN_TEST_FORM"] === "distributed" ? "distributed" : "standalone";

interface RunningForm {
  readonly url: string;
  /** Of one process, until it is stopped: keys and log. */
  readonly home: string;
  /** Empty: none runs with this form. */
  readonly plaidSimulatorUrl: string;
  stop(): Promise<void>;
}

async function startStandalone(databaseUrl: string, more: Partial<Environment>): Promise<RunningForm> {
  const home = await mkdtemp(join(tmpdir(), "florin-test-home-"));
  const { url, facts, stop } = await startPlatform({
    port: 0,
    host: "127.0.0.1",
    home,
    databaseUrl,
    isDemo: true,
    isProduction: false,
    haltsOnViolation: true,
    logLevel: "warn",
    plaid: readPlaidSettings({
      PLAID_ENV: "simulator",
      PLAID_SIMULATOR_URL: "http://127.0.0.1:0",
      PLAID_COUNTRIES: "US",
      FLORIN_PLAID_REPLICAS: 1,
    }).settings,
    simulatorPort: 0,
    drainMs: 0,
    ...more,
  });
  return {
    url,
    home,
    plaidSimulatorUrl: facts.plaidSimulator ?? "",
    stop: async () => {
      await stop(5_000);
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function startDistributed(databaseUrl: string): Promise<RunningForm> {
  const redis = await startTestRedis();
  const cluster = await startFlorinCluster({
    databaseUrl,
    redisUrl: redis.url,
    ledgers: 2,
    environment: { LOG_LEVEL: "warn" },
  }).catch(async (error: unknown) => {
    await redis.stop();
    throw error;
  });
  const url = cluster.gateways[0]!.url;
  await eventually(async () => {
    const response = await fetch(`${url}/health/ready`);
    const { parts } = (await response.json()) as { parts?: { demo?: boolean } };
    return parts?.demo === true;
  }, 60_000);
  return {
    url,
    home: "",
    plaidSimulatorUrl: "",
    stop: async () => {
      const exits = await Promise.all(cluster.parts.map((part) => part.stop()));
      await cluster.stop();
      await redis.stop();
      const unclean = exits.filter(({ code }) => code !== 0);
      if (unclean.length > 0) throw new Error(`a part did not stop in order: ${JSON.stringify(unclean)}`);
    },
  };
}

/** A whole platform on a database of its own; what an outsider can do with it, by HTTP alone. */
export async function startTestPlatform(form = chosenForm, more: Partial<Environment> = {}) {
  const database = await createTestDatabase();
  const platform = await (form === "distributed"
    ? startDistributed(database.url)
    : startStandalone(database.url, more));
  const graph = async <Data>(query: string, variables?: unknown, token?: string, headers?: Record<string, string>) => {
    const response = await fetch(`${platform.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(30_000),
    });
    return (await response.json()) as Omit<Answer, "data"> & { data?: Data };
  };
  const must = async <Data>(query: string, variables?: unknown, token?: string): Promise<Data> => {
    const answer = await graph<Data>(query, variables, token);
    if (answer.errors !== undefined || answer.data === undefined) throw new Error(JSON.stringify(answer));
    return answer.data;
  };
  return {
    url: platform.url,
    plaidSimulatorUrl: platform.plaidSimulatorUrl,
    home: platform.home,
    databaseUrl: database.url,
    partnerKey: DEMO_PARTNER_KEY,
    graph,
    must,
    login: async (identifier: string): Promise<Person> => {
      const { login } = await must<{ login: Session }>(
        `mutation ($input: LoginInput!) { login(input: $input) { ${session} } }`,
        {
          input: { identifier, password: "florin-demo-1" },
        },
      );
      return toPerson(login);
    },
    register: async (name: string): Promise<Person> => {
      const input = {
        email: `${name}-${randomUUID()}@example.test`,
        password: "a long enough secret",
        fullName: name,
        country: "US",
        currency: "USD",
        idempotencyKey: randomUUID(),
      };
      const { register } = await must<{ register: Session }>(
        `mutation ($input: RegisterInput!) { register(input: $input) { ${session} } }`,
        { input },
      );
      return toPerson(register);
    },
    deposit: (person: Person, amount: string, accountId = person.wallet) =>
      must(
        "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }",
        { input: { accountId, amount: { amount, currency: "USD" }, idempotencyKey: randomUUID(), waitMs: 10_000 } },
        person.token,
      ),
    /** Stops everything and says what is wrong with the books: nothing, we hope. */
    stop: async (): Promise<string[]> => {
      await platform.stop();
      const faults = await checkBooks(database.url);
      await database.drop();
      return faults;
    },
  };
}

export type TestPlatform = Awaited<ReturnType<typeof startTestPlatform>>;

const session = "accessToken refreshToken user { id accounts(first: 1) { edges { node { id status } } } }";

interface Session {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly user: {
    readonly id: string;
    readonly accounts: { readonly edges: readonly { readonly node: { readonly id: string } }[] };
  };
}

function toPerson(given: Session): Person {
  return {
    token: given.accessToken,
    refreshToken: given.refreshToken,
    id: given.user.id,
    wallet: given.user.accounts.edges[0]?.node.id ?? "",
  };
}
