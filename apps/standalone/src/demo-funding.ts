import { randomUUID } from "node:crypto";

/** One owner's part: accounts that several people share are funded by the first of them. */
export interface DemoOwner {
  readonly identifier: string;
  readonly accountIds: readonly string[];
}

/**
 * Gives the demo wallets their first money through the public graph, as their owners would: the same key every time, so it
 * happens once however often the platform starts.
 */
export async function fundDemoWallets(url: string, owners: readonly DemoOwner[], password: string): Promise<void> {
  await Promise.all(owners.map((owner) => fundWallets(url, owner, password)));
}

async function fundWallets(url: string, { identifier, accountIds }: DemoOwner, password: string): Promise<void> {
  const { login } = await graph<{ readonly login: { readonly accessToken: string } }>(
    url,
    undefined,
    "mutation ($input: LoginInput!) { login(input: $input) { accessToken } }",
    { input: { identifier, password } },
  );
  for (const accountId of accountIds) {
    const input = {
      accountId,
      amount: { amount: "1000.00", currency: "USD" },
      reference: "Demo funds",
      idempotencyKey: `demo-funds-${accountId}`,
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
