// Once a run: one embedded cluster in the temporary directory, one migrated template in it. Tests clone the template.
import { register } from "node:module";

register("./typescript-hooks.mjs", import.meta.url);

export default async function startTestCluster() {
  const { startTestCluster: start } = await import("../packages/testkit/src/test-cluster.ts");
  const cluster = await start();
  // Workers inherit the environment; it is the only way from here to them.
  process.env.FLORIN_TEST_CLUSTER_URL = cluster.url;
  globalThis.florinTestCluster = cluster;
}
