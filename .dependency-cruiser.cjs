// The architecture, as rules. ARCHITECTURE.md says why; this file says no.
// Each `comment` is what a developer reads when a rule stops them, so it says where the code should go instead.
const ours = "^(gateway|subgraphs|packages|apps)/";
const outsideCode = ["core", "npm", "npm-dev", "npm-peer", "npm-optional", "npm-no-pkg", "npm-unknown"];

module.exports = {
  forbidden: [
    {
      name: "core-is-pure",
      severity: "error",
      comment: "packages/kernel decides; it never reads or writes. Pass the fact in as an argument.",
      from: { path: "^packages/kernel/src", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: outsideCode },
    },
    {
      name: "core-imports-nobody",
      severity: "error",
      comment: "Dependencies point inward. Move the type into packages/kernel, or the work out of it.",
      from: { path: "^packages/kernel/" },
      to: { path: ours, pathNot: "^packages/kernel/" },
    },
    {
      name: "verifier-stands-alone",
      severity: "error",
      comment: "packages/audit verifies with Node's crypto and nothing else, so that a stranger can read all of it.",
      from: { path: "^packages/audit/src", pathNot: "\\.test\\.ts$" },
      to: { pathNot: "^packages/audit/src/|^(node:)?crypto$" },
    },
    {
      name: "db-knows-only-the-core",
      severity: "error",
      comment: "packages/db stores what the core decided. It knows no viewer, no subgraph, no GraphQL.",
      from: { path: "^packages/db/src" },
      to: { path: ours, pathNot: "^packages/(audit|db|kernel)/" },
    },
    {
      name: "auth-knows-nobody",
      severity: "error",
      comment: "packages/auth speaks in action names and ids only, so every package can use it.",
      from: { path: "^packages/auth/" },
      to: { path: ours, pathNot: "^packages/auth/" },
    },
    {
      name: "linked-data-is-a-shape",
      severity: "error",
      comment:
        "packages/linked-data is what two areas agree on: shapes and sealing. Behaviour belongs to one of the areas.",
      from: { path: "^packages/linked-data/src", pathNot: "\\.test\\.ts$" },
      to: { path: ours, pathNot: "^packages/(linked-data|kernel)/" },
    },
    {
      name: "plaid-stands-behind-its-port",
      severity: "error",
      comment: "Only packages/plaid talks to Plaid. Call its port; the client's errors carry secrets.",
      from: { path: ours, pathNot: "^packages/(plaid|plaid-simulator)/|/test/" },
      to: { path: "node_modules/(plaid|axios)/|^(plaid|axios)$" },
    },
    {
      name: "simulator-is-a-stranger",
      severity: "error",
      comment: "The Plaid simulator stands on the other side of HTTP. It knows nothing of ours.",
      from: { path: "^packages/plaid-simulator/src", pathNot: "\\.test\\.ts$" },
      to: { path: ours, pathNot: "^packages/plaid-simulator/" },
    },
    {
      name: "sql-lives-in-packages-db",
      severity: "error",
      comment: "Add a named function to packages/db/src/<table>.ts and call that.",
      from: { path: ours, pathNot: "^packages/(db|testkit)/|/test/" },
      to: { path: "node_modules/(postgres|pg|drizzle-orm)/|^(postgres|pg|drizzle-orm)$" },
    },
    {
      name: "gateway-is-thin",
      severity: "error",
      comment: "The gateway composes graphs and knows who is calling. Behaviour belongs in a subgraph.",
      from: { path: "^gateway/src" },
      to: { path: ours, pathNot: "^(gateway|packages/(auth|events|graph|kernel|resilience|telemetry))/" },
    },
    {
      name: "subgraphs-are-strangers",
      severity: "error",
      comment: "Subgraphs meet in the supergraph (@key), never in an import.",
      from: { path: "^subgraphs/([^/]+)/" },
      to: { path: "^subgraphs/", pathNot: "^subgraphs/$1/" },
    },
    {
      name: "own-tables-only",
      severity: "error",
      comment: "A subgraph reads and writes its own area. What another area knows arrives as an event.",
      from: { path: "^subgraphs/([^/]+)/src" },
      to: { path: "^packages/db/src/[^/]+/", pathNot: "^packages/db/src/$1/" },
    },
    {
      name: "resolvers-translate",
      severity: "error",
      comment:
        "A resolver translates GraphQL to a command or a reader. Put the read in context.readers, the write in commands/.",
      from: { path: "^subgraphs/[^/]+/src/resolvers/" },
      to: { path: "^packages/db/" },
    },
    {
      name: "commands-know-no-graphql",
      severity: "error",
      comment: "A command must run the same from a resolver, a task or a test.",
      from: { path: "^subgraphs/[^/]+/src/(commands|tasks)/" },
      to: { path: "/(resolvers|__generated__)/|node_modules/graphql|^graphql$" },
    },
    {
      name: "through-the-door",
      severity: "error",
      comment: "Import another package by its name (@florin/x). Export what you need from its src/index.ts.",
      from: { path: "^((?:subgraphs|packages|apps)/[^/]+|gateway)/(src|test)" },
      to: {
        path: ours,
        pathNot:
          "^$1/|/src/index\\.ts$|^packages/db/src/[^/]+/index\\.ts$|^subgraphs/accounts/src/revoked-sessions\\.ts$",
      },
    },
    {
      name: "tests-stay-outside",
      severity: "error",
      comment: "Shipped code never imports test code.",
      from: { path: "/src/", pathNot: "\\.test\\.ts$|^packages/testkit/" },
      to: { path: "^packages/testkit/|/test/|\\.test\\.ts$" },
    },
    {
      name: "no-circular",
      severity: "error",
      comment: "Two files that need each other are one idea, or three.",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-orphans",
      severity: "error",
      comment: "Nobody imports this file. Delete it.",
      from: { orphan: true, pathNot: "/(index|main)\\.ts$|/__generated__/|\\.test\\.ts$|\\.d\\.ts$|\\.config\\." },
      to: {},
    },
    {
      name: "no-undeclared",
      severity: "error",
      comment: "Add it to this package's own package.json.",
      // What only tests use (jest, fast-check, test clients) is declared once, at the root.
      from: { path: ours, pathNot: "\\.test\\.ts$|/test/|^packages/testkit/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "no-unresolved",
      severity: "error",
      comment: "This import leads nowhere, so no other rule can see past it.",
      // A package of types alone has nothing to resolve to.
      from: { path: ours },
      to: { couldNotResolve: true, pathNot: "^@apollo/server-gateway-interface$" },
    },
  ],
  options: {
    tsPreCompilationDeps: true, // type-only imports count: a type is a dependency too
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(packages|subgraphs|apps)/[^/]+/dist/|^gateway/(dist|explorer)/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["florin", "import", "require", "node", "default"],
    },
  },
};
