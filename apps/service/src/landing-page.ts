/** What `/` shows: what runs here, and where to go on. One file, no script, nothing from the internet. */
export function landingPage(options: { readonly isDemo: boolean }): string {
  const demo = options.isDemo
    ? `<h2>Demo identities</h2>
<p>Password <code>florin-demo-1</code> for <code>ada@florin.test</code>, <code>bo@florin.test</code>, <code>shop@florin.test</code>,
<code>biz@florin.test</code>, <code>biz2@florin.test</code>, <code>staff@florin.test</code>, <code>auditor@florin.test</code>.</p>`
    : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Florin</title>
<style>
  :root { color-scheme: light dark; --accent: #0a6b4f; }
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 46rem; margin: 8vh auto; padding: 0 1.25rem; }
  h1 { font-size: 2.4rem; margin: 0; letter-spacing: -0.02em; } h1 span { color: var(--accent); }
  h2 { margin-top: 2.2rem; font-size: 1.1rem; } code { font: 0.92em ui-monospace, monospace; }
  ul { list-style: none; padding: 0; } li { padding: 0.55rem 0; border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
  a { color: var(--accent); font-weight: 600; text-decoration: none; } a:hover { text-decoration: underline; }
  pre { padding: 1rem; overflow: auto; border-radius: 8px; background: color-mix(in srgb, currentColor 7%, transparent); }
</style>
</head>
<body>
<h1><span>ƒ</span> Florin</h1>
<p>One graph over accounts and an exact double-entry ledger. This process runs the gateway, the accounts and ledger subgraphs and PostgreSQL.</p>
<ul>
  <li><a href="/explorer">/explorer</a> &mdash; write queries against the graph, with its documentation</li>
  <li><code>POST /graphql</code> &mdash; queries and mutations; WebSocket on the same path for subscriptions</li>
  <li><a href="/health/ready">/health/ready</a> and <a href="/health/live">/health/live</a> &mdash; is it well</li>
  <li><a href="/metrics">/metrics</a> &mdash; Prometheus metrics</li>
  <li><a href="/.well-known/jwks.json">/.well-known/jwks.json</a> &mdash; the public keys that sign access tokens</li>
</ul>
${demo}
<h2>A first query</h2>
<pre>mutation { login(input: { identifier: "ada@florin.test", password: "florin-demo-1" }) { accessToken } }

query { me { fullName accounts { edges { node { id name balance { available { amount currency } } } } } } }</pre>
</body>
</html>
`;
}
