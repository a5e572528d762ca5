import { startPlaidSimulator, type PlaidSimulator } from "../src/index.js";
import { ContractConversation, type ContractPartner } from "./contract-conversation.js";
import { CONTRACT } from "./contract.js";
import { loadPlaidSchemas, type PlaidSchemas } from "./plaid-schemas.js";

let schemas: PlaidSchemas;
beforeAll(() => {
  schemas = loadPlaidSchemas();
});

function advanceMs(ms: number): RequestInit {
  const headers = { "content-type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify({ advanceMs: ms }) };
}

function holdTo(partner: () => ContractPartner): void {
  test.each(CONTRACT.map((one) => [one.says, one] as const))("%s", async (_says, { run }) => {
    const conversation = new ContractConversation(partner());
    try {
      await run(conversation);
    } finally {
      await conversation.end();
    }
  });
}

describe("the simulator keeps the contract", () => {
  let simulator: PlaidSimulator;
  beforeAll(async () => {
    simulator = await startPlaidSimulator({
      clock: "virtual",
      seed: "contract",
      notReadyCalls: 1,
      limitsScale: Infinity,
    });
  });
  afterAll(async () => simulator.stop());

  holdTo(() => ({
    url: simulator.url,
    credentials: { clientId: "florin-demo", secret: "florin-demo" },
    schemas,
    isStrict: true,
    wait: async () => void (await fetch(`${simulator.url}/_sim/clock`, advanceMs(60_000))),
  }));
});

// Plaid's own sandbox, for who has keys: the same list, so that the simulator and what it stands for can be compared.
const clientId = process.env["PLAID_LIVE_CLIENT_ID"] ?? "";
const secret = process.env["PLAID_LIVE_SECRET"] ?? "";
const hasKeys = clientId !== "" && secret !== "";
const live = hasKeys
  ? "Plaid's live sandbox keeps the contract"
  : "Plaid's live sandbox was left out: set PLAID_LIVE_CLIENT_ID and PLAID_LIVE_SECRET to hold it to the contract";

(hasKeys ? describe : describe.skip)(live, () => {
  holdTo(() => ({
    url: "https://sandbox.plaid.com",
    credentials: { clientId, secret },
    schemas,
    isStrict: false,
    wait: () => new Promise((resolve) => setTimeout(resolve, 2_000)),
  }));
});
