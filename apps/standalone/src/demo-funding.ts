import { randomUUID } from "node:crypto";

/**
 * Gives the demo wallets their first money through the public graph, as their owners would: the same key every time, so it
 * happens once however often the platform starts.
 */
export async function fundDemoWallets(url: string, identifiers: readonly string[], password: string): Promise<void> {
  await Promise.all(identifiers.map((identifier) => fundWallets(url, identifier, password)));
}

interface LoginAnswer {
  readonly login: {
    readonly accessToken: string;
    readonly user: { readonly accounts: { readonly edges: readonly { readonly node: { readonly id: string } }[] } };
  };
}

async function fundWallets(url: string, identifier: string, password: string): Promise<void> {
  const { login } = await graph<LoginAnswer>(
    url,
    undefined,
    "mutation ($input: LoginInput!) { login(input: $input) { accessToken user { accounts(first: 100) { edges { node { id } } } } } }",
    { input: { identifier, password } },
  );
  for (const { node } of login.user.accounts.edges) {
    const input = {
      accountId: node.id,
      amount: { amount: "1000.00", currency: "USD" },
      reference: "Demo funds",
      idempotencyKey: `demo-funds-${node.id}`,
      waitMs: 10_000,
    };
    await graph(
      url,
      login.accessToken,
      "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }",
      { input },
    );
  }
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
