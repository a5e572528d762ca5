import { randomUUID } from "node:crypto";
import { demoLogins, DEMO_PASSWORD } from "@florin/subgraph-accounts";

const FUNDS = { amount: "1000.00", currency: "USD" };

interface Owner {
  readonly accessToken: string;
  readonly accountIds: readonly string[];
}

/**
 * Gives the demo wallets their first money through the public graph, as their owners would: the same key every time, so it
 * happens once however often and by however many processes it is done. An account that several people share is funded by the
 * first of them. Throws when a wallet is not open yet, before it has moved anything there: a refusal would be kept under the key.
 */
export async function fundDemoWallets(url: string): Promise<void> {
  const owners = await Promise.all(demoLogins.map(({ email }) => signIn(url, email)));
  const seen = new Set<string>();
  const toFund = owners.flatMap(({ accessToken, accountIds }) =>
    accountIds.filter((id) => !seen.has(id) && seen.add(id)).map((accountId) => ({ accessToken, accountId })),
  );
  await Promise.all(toFund.map(({ accessToken, accountId }) => fund(url, accessToken, accountId)));
}

async function signIn(url: string, identifier: string): Promise<Owner> {
  const { login } = await graph<{ readonly login: SignedIn }>(
    url,
    undefined,
    `mutation ($input: LoginInput!) {
      login(input: $input) { accessToken user { accounts(first: 100) { edges { node { id status } } } } } }`,
    { input: { identifier, password: DEMO_PASSWORD } },
  );
  const accounts = login.user.accounts.edges.map(({ node }) => node);
  if (accounts.some(({ status }) => status === "PENDING")) throw new Error(`a wallet of ${identifier} is not open yet`);
  const open = accounts.filter(({ status }) => status === "OPEN");
  return { accessToken: login.accessToken, accountIds: open.map(({ id }) => id) };
}

interface SignedIn {
  readonly accessToken: string;
  readonly user: {
    readonly accounts: {
      readonly edges: readonly { readonly node: { readonly id: string; readonly status: string } }[];
    };
  };
}

async function fund(url: string, accessToken: string, accountId: string): Promise<void> {
  const input = {
    accountId,
    amount: FUNDS,
    reference: "Demo funds",
    idempotencyKey: `demo-funds-${accountId}`,
    waitMs: 10_000,
  };
  await graph(
    url,
    accessToken,
    "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }",
    { input },
  );
}

async function graph<Data>(url: string, token: string | undefined, query: string, variables: unknown): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-correlation-id": `demo-${randomUUID()}`,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(15_000),
  });
  const answer = (await response.json()) as { data?: Data; errors?: readonly { message: string }[] };
  if (answer.data === undefined || answer.errors !== undefined) {
    throw new Error(
      `demo funding failed: ${answer.errors?.map((error) => error.message).join("; ") ?? response.status}`,
    );
  }
  return answer.data;
}
