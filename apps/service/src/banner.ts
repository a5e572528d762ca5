export interface BannerFacts {
  readonly url: string;
  readonly database: string;
  readonly home: string;
  /** undefined: none runs here. */
  readonly plaidSimulator: string | undefined;
  readonly startedInMs: number;
  readonly demo:
    | {
        readonly logins: readonly { readonly identifier: string; readonly what: string }[];
        readonly password: string;
        readonly partnerKey: string;
      }
    | undefined;
}

/** What a person sees when the platform is up: where it is, who to be, and a first query to paste. */
export function banner(facts: BannerFacts): string {
  const lines = [
    "",
    "  Florin",
    "",
    `    graph      ${facts.url}/graphql`,
    `    explorer   ${facts.url}/explorer`,
    `    live       ${facts.url.replace(/^http/, "ws")}/graphql   (graphql-transport-ws)`,
    `    health     ${facts.url}/health/ready`,
    `    database   ${facts.database}`,
    `    home       ${facts.home}   (logs in florin.log)`,
  ];
  if (facts.plaidSimulator !== undefined) lines.push(`    Plaid      ${facts.plaidSimulator}   (the simulator)`);
  if (facts.demo !== undefined) {
    const width = Math.max(...facts.demo.logins.map((login) => login.identifier.length));
    lines.push("", `  Demo logins, password ${facts.demo.password}`, "");
    lines.push(...facts.demo.logins.map((login) => `    ${login.identifier.padEnd(width)}   ${login.what}`));
    lines.push(`    partner API key ${facts.demo.partnerKey}`);
    lines.push(
      "",
      "  A first query to paste",
      "",
      `    curl -s ${facts.url}/graphql -H 'content-type: application/json' \\`,
      `      -d '{"query":"mutation { login(input: {identifier: \\"ada@florin.test\\", password: \\"${facts.demo.password}\\"}) { accessToken } }"}'`,
    );
  }
  lines.push(
    "",
    `  started in ${(facts.startedInMs / 1000).toFixed(1)} s; Ctrl-C stops it`,
    "",
    `ready on ${facts.url}`,
  );
  return `${lines.join("\n")}\n`;
}
