import { CallLedger, urlCarriesSecret, type RecordedCall } from "../src/call-ledger.js";

const call = (endpoint: string, itemId: string | null = null, status: number | null = 200): RecordedCall => ({
  endpoint,
  itemId,
  at: "2026-03-01T12:00:00.000Z",
  credentialsOk: true,
  status,
  errorCode: null,
  requestId: "request",
  tokenInUrl: false,
  fault: null,
});

describe("the ledger of calls", () => {
  test("lists what agrees with every member of the filter, oldest first", () => {
    const ledger = new CallLedger();
    const calls = [call("/item/get", "a"), call("/item/remove", "a"), call("/item/remove", "b", 400)];
    for (const one of calls) ledger.record(one);
    expect(ledger.list()).toEqual(calls);
    expect(ledger.list({ endpoint: "/item/remove" })).toEqual(calls.slice(1));
    expect(ledger.list({ endpoint: "/item/remove", itemId: "b", status: 400 })).toEqual(calls.slice(2));
    expect(ledger.list({ endpoint: "/item/get", status: 400 })).toEqual([]);
  });

  test("keeps the last calls and says how many it forgot", () => {
    const ledger = new CallLedger(100);
    for (let made = 0; made < 1_000; made += 1) ledger.record(call(`/${made}`));
    expect(ledger.list()).toHaveLength(100);
    expect(ledger.list().at(0)?.endpoint).toBe("/900");
    expect(ledger.forgotten).toBe(900);
    ledger.clear();
    expect([ledger.list(), ledger.forgotten]).toEqual([[], 0]);
  });
});

describe("secrets in addresses", () => {
  const token = "access-sandbox-0b0b0b0b-1111-4222-8333-444444444444";

  test.each([
    [`/item/get?access_token=${token}`, true],
    [`/item/get?t=${token.replaceAll("-", "%2D")}`, true],
    ["/item/get?secret=s3cret%21", true],
    ["/item/get?x=%E0%A4%A", false],
    ["/item/get?cursor=access-sandbox", false],
    ["/item/get", false],
  ])("%s: %s", (url, carries) => {
    expect(urlCarriesSecret(url, ["s3cret!", ""])).toBe(carries);
  });
});
