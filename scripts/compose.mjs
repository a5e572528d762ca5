// Composes gateway/supergraph.graphql from the subgraphs' schemas and the gateway's own virtual subgraph.
// `--check` writes nothing and fails when the checked-in file differs from what the schemas say.
import { composeServices } from "@apollo/composition";
import { parse } from "graphql";
import { readFile, writeFile } from "node:fs/promises";

const root = new URL("../", import.meta.url);
const services = [
  { name: "accounts", file: "subgraphs/accounts/schema.graphql" },
  { name: "ledger", file: "subgraphs/ledger/schema.graphql" },
  { name: "portfolio", file: "subgraphs/portfolio/schema.graphql" },
  // In process only: subscriptions are fed from the outbox streams (graphql.md §1.3).
  { name: "events", file: "gateway/schema.graphql" },
];
const target = new URL("gateway/supergraph.graphql", root);

const parsed = await Promise.all(
  services.map(async ({ name, file }) => ({
    name,
    url: `florin://${name}`,
    typeDefs: parse(await readFile(new URL(file, root), "utf8")),
  })),
);
const { errors, hints, supergraphSdl } = composeServices(parsed);
if (errors !== undefined && errors.length > 0) {
  console.error(errors.map((error) => error.message).join("\n\n"));
  process.exit(1);
}
for (const hint of hints ?? []) console.warn(hint.toString());
if (process.argv.includes("--check")) {
  const current = await readFile(target, "utf8").catch(() => "");
  if (current !== `${supergraphSdl}\n`) {
    console.error(
      "gateway/supergraph.graphql is not what the schemas compose to. Run `npm run compose` and commit the result.",
    );
    process.exit(1);
  }
} else {
  await writeFile(target, `${supergraphSdl}\n`);
  console.log(`composed ${services.length} subgraphs into gateway/supergraph.graphql`);
}
