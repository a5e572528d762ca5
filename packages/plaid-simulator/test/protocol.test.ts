import { connect } from "node:net";
import type { PlaidApi } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { clientOf, linkItem, post, refusalOf, startForTest } from "./plaid-client.js";

const CREDENTIALS = { client_id: "florin-demo", secret: "florin-demo" };
let sim: PlaidSimulator;
let plaid: PlaidApi;

beforeAll(async () => {
  ({ sim, plaid } = await startForTest());
});
afterAll(() => sim.stop());

it("takes credentials in headers or in the body, and says which are missing", async () => {
  const { accessToken } = await linkItem(plaid);
  const inBody = await post(`${sim.url}/item/get`, { ...CREDENTIALS, access_token: accessToken });
  expect(inBody.status).toBe(200);
  expect(inBody.body["request_id"]).toMatch(/^[A-Za-z0-9]{15}$/);
  const none = await post(`${sim.url}/item/get`, { access_token: accessToken });
  expect(none.body).toMatchObject({
    error_type: "INVALID_REQUEST",
    error_code: "MISSING_FIELDS",
    error_message: "the following required fields are missing: client_id, secret",
    display_message: null,
  });
  expect(await refusalOf(clientOf(sim, "wrong").itemGet({ access_token: accessToken }))).toMatchObject({
    status: 400,
    code: "INVALID_API_KEYS",
  });
});

it.each([
  ["an unknown member", { acess_token: "x" }, "UNKNOWN_FIELDS", "acess_token"],
  [
    "an unknown member of options",
    { access_token: "x", options: { acount_ids: [] } },
    "UNKNOWN_FIELDS",
    "options.acount_ids",
  ],
  ["a missing member", {}, "MISSING_FIELDS", "access_token"],
  ["a wrong type", { access_token: 7 }, "INVALID_FIELD", "access_token"],
  ["a token nobody has", { access_token: "access-sandbox-0" }, "INVALID_ACCESS_TOKEN", "matching access token"],
])("refuses %s", async (_name, body, code, text) => {
  const answer = await post(`${sim.url}/accounts/get`, { ...CREDENTIALS, ...body });
  expect(answer).toMatchObject({
    status: 400,
    body: { error_code: code, error_message: expect.stringContaining(text) },
  });
  expect(answer.body).not.toHaveProperty("status");
});

it("refuses what is no call of the API", async () => {
  expect(await post(`${sim.url}/transactions/get`, CREDENTIALS)).toMatchObject({ status: 404 });
  expect((await fetch(`${sim.url}/item/get`)).status).toBe(405);
  const text = await fetch(`${sim.url}/item/get`, {
    method: "POST",
    body: "x",
    headers: { "content-type": "text/plain" },
  });
  expect(text.status).toBe(400);
  const huge = await post(`${sim.url}/item/get`, { ...CREDENTIALS, access_token: "x".repeat(1_100_000) });
  expect(huge.body["error_code"]).toBe("INVALID_BODY");
});

it("lets no page of another origin and no re-bound name in", async () => {
  const foreign = await fetch(`${sim.url}/_sim/state`, { headers: { origin: "https://elsewhere.example" } });
  expect(foreign.status).toBe(403);
  expect((await fetch(`${sim.url}/_sim/state`, { headers: { origin: sim.url } })).status).toBe(200);
});

it("keeps sandbox endpoints to the sandbox", async () => {
  const production = await startForTest({ environment: "production" });
  const refused = refusalOf(linkItem(production.plaid));
  expect(await refused).toMatchObject({ code: "SANDBOX_ONLY" });
  await production.sim.stop();
});

it("gives the same ids for the same seed and calls, other ids for another seed", async () => {
  const idsOf = async (seed: string) => {
    const one = await startForTest({ seed });
    const item = await linkItem(one.plaid);
    const { data } = await one.plaid.accountsGet({ access_token: item.accessToken });
    await one.sim.stop();
    return { item, accounts: data.accounts.map((it) => it.account_id), request: data.request_id };
  };
  const first = await idsOf("one");
  expect(await idsOf("one")).toEqual(first);
  expect(await idsOf("two")).not.toEqual(first);
  expect(first.item.itemId).toMatch(/^[A-Za-z0-9]{37}$/);
  expect(first.item.accessToken).toMatch(
    /^access-sandbox-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

it("refuses to listen anywhere but on this machine, and webhooks to anywhere else", async () => {
  await expect(startForTest({ host: "0.0.0.0" })).rejects.toThrow("loopback only");
  expect(await refusalOf(linkItem(plaid, "user_good", { webhook: "http://192.0.2.1/hook" }))).toMatchObject({
    code: "INVALID_FIELD",
  });
});

it("survives callers who leave in the middle and request lines that are no paths", async () => {
  const { port } = new URL(sim.url);
  const talk = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), "127.0.0.1", () => socket.end(text));
      let heard = "";
      socket.on("data", (bytes) => (heard += String(bytes)));
      socket.on("close", () => resolve(heard));
      socket.on("error", reject);
    });
  const host = `Host: 127.0.0.1:${port}\r\n`;
  const json = "Content-Type: application/json\r\n";
  expect(await talk(`POST // HTTP/1.1\r\n${host}${json}Content-Length: 2\r\nConnection: close\r\n\r\n{}`)).toContain(
    "404",
  );
  await talk(`POST /item/get HTTP/1.1\r\n${host}${json}Content-Length: 900\r\n\r\n{"half":`);
  expect(
    (await talk("GET /_sim/state HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n")).slice(0, 12),
  ).toBe("HTTP/1.1 403");
  await linkItem(plaid);
});
