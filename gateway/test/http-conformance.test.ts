import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { serverAudits } from "graphql-http";
import { startGraph, type RunningGraph } from "./running-graph.js";

let graph: RunningGraph;
beforeAll(async () => {
  graph = await startGraph({ introspection: true });
});
afterAll(() => graph.stop(1_000));

// The audits ask for the URL when they run, so the table can be made before the gateway has a port.
const audits = serverAudits({ url: () => `${graph.url}/graphql`, fetchFn: fetch });

test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))(
  "GraphQL over HTTP %s: %s",
  async (_id, _name, audit) => {
    const result = await audit.fn();
    // A "warn" is a SHOULD, a "notice" a MAY of the specification; only MUST makes an error.
    expect(result.status === "error" ? result.reason : "held").toBe("held");
  },
);
