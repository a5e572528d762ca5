/** What a person does in the hosted page. `accounts`: keys that are chosen; undefined: all that are offered. */
export async function goThrough(
  page: { readonly hostedLinkUrl: string },
  choice: { institutionId?: string; userName?: string; accounts?: (name: string) => boolean; leave?: boolean } = {},
): Promise<void> {
  const step = async (fields: readonly (readonly [string, string])[]) => {
    const body = new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value]));
    const response = await fetch(page.hostedLinkUrl, { method: "POST", body });
    if (!response.ok) throw new Error(`the page refused a step: ${response.status} ${await response.text()}`);
    return response.text();
  };
  if (choice.institutionId !== undefined)
    await step([["action", "institution"], ["institution_id", choice.institutionId]]); // prettier-ignore
  if (choice.leave === true) return void (await step([["action", "exit"]]));
  const html = await step([["action", "login"], ["username", choice.userName ?? "user_good"], ["password", "pass_good"]]); // prettier-ignore
  const offered = [...html.matchAll(/name="account" value="([^"]+)"/g)].map((match) => match[1] ?? "");
  if (offered.length === 0) return;
  const chosen = offered.filter((account) => choice.accounts?.(account) ?? true);
  await step([["action", "accounts"], ...chosen.map((account) => ["account", account] as const)]);
}

/** As the application is given it at the end of a session. */
export async function readPublicToken(simulatorUrl: string, linkToken: string): Promise<string> {
  const response = await fetch(`${simulatorUrl}/link/token/get`, {
    method: "POST",
    headers: { "content-type": "application/json", "plaid-client-id": "florin-demo", "plaid-secret": "florin-demo" },
    body: JSON.stringify({ link_token: linkToken }),
  });
  const body = (await response.json()) as {
    link_sessions: { results: { item_add_results: { public_token: string }[] } }[];
  };
  return body.link_sessions[0]?.results.item_add_results[0]?.public_token ?? "";
}
