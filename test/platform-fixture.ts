import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPlatform } from "@florin/standalone";
import { checkBooks, createTestDatabase } from "@florin/testkit";

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

/** A whole platform on a database of its own; what an outsider can do with it, by HTTP alone. */
export async function startTestPlatform() {
  const database = await createTestDatabase();
  const home = await mkdtemp(join(tmpdir(), "florin-test-home-"));
  const platform = await startPlatform({
    port: 0,
    host: "127.0.0.1",
    home,
    databaseUrl: database.url,
    isDemo: true,
    isProduction: false,
    logLevel: "warn",
    drainMs: 0,
  });
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
    databaseUrl: database.url,
    home,
    partnerKey: platform.facts.demo?.partnerKey ?? "",
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
      await platform.stop(5_000);
      const faults = await checkBooks(database.url);
      await database.drop();
      await rm(home, { recursive: true, force: true });
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
