import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { instantFromMillis } from "@florin/kernel";
import {
  accountData,
  holdingData,
  investmentTransactionData,
  liabilityData,
  securityData,
  transactionData,
} from "@florin/linked-data";
import { startPlaidSimulator, type PlaidSimulator } from "@florin/plaid-simulator";
import { z } from "zod";
import {
  PlaidCallError,
  createPlaidPort,
  createWebhookVerifier,
  type ExchangedItem,
  type PlaidPort,
  type ItemCall,
  type TransactionsPage,
} from "../src/index.js";

/** The port against the conforming simulator, through the unmodified client and real HTTP. */
const SECRET = "florin-demo";
let sim: PlaidSimulator;
let port: PlaidPort;
const shown: string[] = [];

beforeAll(async () => {
  sim = await startPlaidSimulator({
    seed: "adapter",
    clock: "virtual",
    startAt: "2026-11-21T12:00:00Z",
    limitsScale: Infinity,
    onProblem: (problem) => shown.push(`PROBLEM ${inspect(problem)}`),
  });
  port = createPlaidPort({
    environment: "simulator",
    simulatorUrl: sim.url,
    clientId: "florin-demo",
    secret: SECRET,
    link: {
      clientName: "Florin",
      language: "en",
      countryCodes: ["US"],
      products: { required: ["transactions"], requiredIfSupported: [], optional: ["liabilities", "investments"] },
      daysRequested: 90,
    },
    limiter: undefined,
    clock: { now: () => instantFromMillis(Date.parse(sim.control.now().now)) },
    random: () => 0,
    onCall: (call) => shown.push(JSON.stringify(call)),
  });
});
afterAll(async () => {
  await port.close();
  await sim.stop();
  expect(shown.filter((line) => line.startsWith("PROBLEM"))).toEqual([]);
});

type Attack = NonNullable<Parameters<PlaidSimulator["control"]["items"]["sendWebhook"]>[1]["attack"]>;
type Linked = ItemCall & Pick<ExchangedItem, "plaidItemId">;

async function link(userName: string, webhook?: string): Promise<Linked> {
  const response = await fetch(`${sim.url}/sandbox/public_token/create`, {
    method: "POST",
    headers: { "content-type": "application/json", "plaid-client-id": "florin-demo", "plaid-secret": SECRET },
    body: JSON.stringify({
      institution_id: "ins_109508",
      initial_products: ["transactions"],
      options: {
        override_username: userName,
        override_password: "pass_good",
        ...(webhook === undefined ? {} : { webhook }),
      },
    }),
  });
  const { public_token } = z.object({ public_token: z.string() }).parse(await response.json());
  const { accessToken, plaidItemId } = await port.exchangePublicToken(public_token);
  return { accessToken, plaidItemId, itemKey: `lit_${plaidItemId}`, institutionId: "ins_109508" };
}

async function failureOf(work: Promise<unknown>): Promise<PlaidCallError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PlaidCallError)) throw new Error(`no PlaidCallError but ${inspect(error)}`);
  return error;
}

async function syncAll(item: ItemCall): Promise<TransactionsPage[]> {
  const pages: TransactionsPage[] = [];
  let cursor: string | undefined;
  for (let tries = 0; tries < 20; tries++) {
    const page = await port.syncTransactionsPage(item, { cursor });
    if (page.status === "NOT_READY") {
      await sim.control.clock({ advanceMs: 600_000 });
      continue;
    }
    pages.push(page);
    cursor = page.nextCursor === "" ? undefined : page.nextCursor;
    if (!page.hasMore) return pages;
  }
  throw new Error("no end of pages");
}

describe("everything an institution says comes as linked data", () => {
  it.each(["user_good", "user_hostile", "user_loans", "user_investment_only"])("%s", async (userName) => {
    const item = await link(userName);
    const { accounts, plaidItemId } = await port.getAccounts(item);
    expect(plaidItemId).toBe(item.plaidItemId);
    expect(z.array(accountData).min(1).parse(accounts)).toEqual(accounts);
    const pages = await syncAll(item);
    const transactions = pages.flatMap((page) => page.added);
    expect(z.array(transactionData).parse(transactions)).toEqual(transactions);
    const balances = await port.getBalances(item);
    expect(balances.accounts.map((one) => one.accountId)).toEqual(accounts.map((one) => one.accountId));
    const answers = [
      port.getLiabilities(item).then(({ liabilities }) => z.array(liabilityData).parse(liabilities)),
      port.getHoldings(item).then(({ holdings, securities }) => {
        z.array(holdingData).parse(holdings);
        return z.array(securityData).parse(securities);
      }),
      port
        .getInvestmentTransactionsPage(item, { from: "2025-11-21", to: "2026-11-21", offset: 0 })
        .then(({ transactions: rows }) => z.array(investmentTransactionData).parse(rows)),
    ];
    for (const answer of await Promise.allSettled(answers))
      if (answer.status === "rejected") expect(answer.reason).toMatchObject({ class: "NOT_APPLICABLE" });
  });

  it("with the decimals that were written, and no more of a number than its last four digits", async () => {
    const item = await link("user_good");
    const { accounts } = await port.getAccounts(item);
    expect(accounts.map((one) => one.balance.current)).toContain("23631.9805");
    expect(accounts.every((one) => one.balance.currency.isoCode === "USD")).toBe(true);
    const { liabilities } = await port.getLiabilities(item);
    expect(new Set(liabilities.map((one) => one.kind))).toEqual(new Set(["CREDIT", "MORTGAGE", "STUDENT"]));
    const numbers = liabilities.flatMap((one) => ("accountNumberMasked" in one ? [one.accountNumberMasked] : []));
    for (const number of numbers) expect(number).toMatch(/^••\w{4}$/);
    const { holdings, securities } = await port.getHoldings(item);
    const known = new Set(securities.map((one) => one.securityId));
    expect(holdings.length).toBeGreaterThan(0);
    expect(holdings.every((one) => known.has(one.securityId))).toBe(true);
  });

  it("of a hostile bank: nulls, unofficial currencies, members nobody knows and numbers with an exponent", async () => {
    const item = await link("user_hostile");
    const { accounts } = await port.getAccounts(item);
    expect(accounts.some((one) => one.mask === null)).toBe(true);
    expect(accounts.some((one) => one.balance.currency.unofficialCode !== null)).toBe(true);
    const everything = JSON.stringify([accounts, await syncAll(item), await port.getHoldings(item).catch(() => [])]);
    expect(everything).toContain('"0.0000001"');
    expect(everything).not.toMatch(/"-?\d+(\.\d+)?e[+-]?\d+"/);
    expect(everything).not.toContain('"null"');
  });

  it("pages of investment transactions add up to their total", async () => {
    const item = await link("user_investment_only");
    const window = { from: "2024-11-22", to: "2026-11-21" };
    const ids = new Set<string>();
    let total = Infinity;
    for (let offset = 0; offset < total; offset += 2) {
      const page = await port.getInvestmentTransactionsPage(item, { ...window, offset, count: 2 });
      total = page.total;
      for (const row of page.transactions) ids.add(row.investmentTransactionId);
    }
    expect(ids.size).toBe(total);
    expect(total).toBeGreaterThan(2);
  });
});

describe("the life of an item", () => {
  it("link token, item, webhook, rotation, removal; what is removed is GONE", async () => {
    const token = await port.createLinkToken({ clientUserId: "0b1c", redirectUrl: "http://127.0.0.1:9/linked" });
    expect(token.hostedLinkUrl).toContain(sim.url);
    expect(await port.getLinkToken(token.linkToken)).toMatchObject({ sessions: [] });
    const item = await link("user_good");
    expect(await port.getItem(item)).toMatchObject({
      plaidItemId: item.plaidItemId,
      institutionId: "ins_109508",
      error: undefined,
    });
    await port.updateWebhook(item, "http://127.0.0.1:9/hook");
    expect((await port.getItem(item)).webhookUrl).toBe("http://127.0.0.1:9/hook");
    const { accessToken } = await port.invalidateAccessToken(item);
    expect(await failureOf(port.getAccounts(item))).toMatchObject({ class: "GONE", errorCode: "INVALID_ACCESS_TOKEN" });
    const rotated = { ...item, accessToken };
    await port.getAccounts(rotated);
    await port.removeItem(rotated);
    expect(await failureOf(port.removeItem(rotated))).toMatchObject({ class: "GONE" });
    expect(sim.control.calls({ endpoint: "/item/remove" }).filter((call) => call.status === 200)).toHaveLength(1);
  });

  it("the hosted page's result, and an exchange that works once", async () => {
    const { linkToken, hostedLinkUrl = "" } = await port.createLinkToken({ clientUserId: "0b1c" });
    const forms: readonly Record<string, string>[] = [
      { action: "institution", institution_id: "ins_109508" },
      { action: "login", username: "user_good", password: "pass_good" },
      { action: "accounts", account: "checking" },
    ];
    for (const form of forms)
      await fetch(hostedLinkUrl, { method: "POST", body: new URLSearchParams(form), headers: { origin: sim.url } });
    const { sessions } = await port.getLinkToken(linkToken);
    const added = sessions.at(-1)?.added[0];
    expect(added?.institution).toEqual({ institutionId: "ins_109508", name: "First Platypus Bank" });
    expect(added?.accounts).toMatchObject([{ mask: "0000", type: "depository", subtype: "checking" }]);
    await port.exchangePublicToken(added?.publicToken ?? "");
    expect(await failureOf(port.exchangePublicToken(added?.publicToken ?? ""))).toMatchObject({
      class: "REFUSED_INPUT",
      errorCode: "INVALID_PUBLIC_TOKEN",
      isOutcomeUnknown: false,
    });
  });

  it("needs a login: calls say so, and the item too", async () => {
    const item = await link("user_good");
    sim.control.items.setState(item.plaidItemId, { state: "LOGIN_REQUIRED" });
    expect(await failureOf(port.getAccounts(item))).toMatchObject({
      class: "RELINK",
      errorCode: "ITEM_LOGIN_REQUIRED",
    });
    expect((await port.getItem(item)).error).toMatchObject({ class: "RELINK", errorCode: "ITEM_LOGIN_REQUIRED" });
  });

  it("has no liabilities or investments: that is NOT_APPLICABLE and no empty list", async () => {
    const item = await link("user_deposit_only");
    expect(await failureOf(port.getLiabilities(item))).toMatchObject({ class: "NOT_APPLICABLE" });
    expect(await failureOf(port.getHoldings(item))).toMatchObject({ class: "NOT_APPLICABLE" });
  });

  it("the answer to an exchange is lost: the outcome is unknown and nothing was sent twice", async () => {
    sim.control.clearCalls();
    sim.control.addFault({
      match: { endpoint: "/item/public_token/exchange" },
      action: { kind: "reset", when: "after" },
      times: 1,
    });
    expect(await failureOf(link("user_good"))).toMatchObject({ errorCode: "CONNECTION_LOST", isOutcomeUnknown: true });
    expect(sim.control.calls({ endpoint: "/item/public_token/exchange" })).toHaveLength(1);
    sim.control.removeFaults();
  });

  it("institutions are asked for once a day", async () => {
    sim.control.clearCalls();
    const [one, other] = await Promise.all([port.getInstitution("ins_109508"), port.getInstitution("ins_109508")]);
    expect(one).toEqual(other);
    expect(one.name).toBe("First Platypus Bank");
    expect(sim.control.calls({ endpoint: "/institutions/get_by_id" })).toHaveLength(1);
    await sim.control.clock({ advanceMs: 86_400_000 });
    await port.getInstitution("ins_109508");
    expect(sim.control.calls({ endpoint: "/institutions/get_by_id" })).toHaveLength(2);
    expect(await failureOf(port.getInstitution("ins_nobody"))).toMatchObject({ endpoint: "/institutions/get_by_id" });
  });
});

describe("webhooks of the simulator", () => {
  let receiver: Server;
  let received: { readonly rawBody: Buffer; readonly header: string | undefined }[];
  let url: string;
  beforeAll(async () => {
    received = [];
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const header = request.headers["plaid-verification"];
        received.push({ rawBody: Buffer.concat(chunks), header: typeof header === "string" ? header : undefined });
        response.writeHead(200).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  });
  afterAll(() => new Promise((resolve) => receiver.close(resolve)));

  it("are believed, through a rotation of keys as well; every attack is refused for its own reason", async () => {
    const item = await link("user_good", url);
    const verifier = createWebhookVerifier({
      fetchKey: (keyId) => port.getWebhookVerificationKey(keyId),
      clock: { now: () => instantFromMillis(Date.parse(sim.control.now().now)) },
      environment: "sandbox",
    });
    const send = async (attack?: Attack) => {
      received.length = 0;
      sim.control.items.sendWebhook(item.plaidItemId, {
        webhook_type: "ITEM",
        webhook_code: "LOGIN_REPAIRED",
        ...(attack === undefined ? {} : { attack }),
      });
      await sim.control.webhooksSettled();
      const [webhook] = received;
      if (webhook === undefined) throw new Error("nothing came");
      const verdict = await verifier.verify(webhook);
      return verdict.outcome === "refused" ? verdict.reason : verdict.outcome;
    };
    expect(await send()).toBe("verified");
    const refusals = {
      "no-signature": "no_header",
      "bad-signature": "bad_signature",
      "alg-none": "wrong_algorithm",
      hs256: "wrong_algorithm",
      "der-signature": "bad_signature",
      "wrong-kid": "unknown_key",
      "stranger-key": "bad_signature",
      "expired-key": "expired_key",
      "stale-iat": "stale",
      "future-iat": "from_the_future",
      "altered-body": "altered_body",
      "other-body": "altered_body",
      "oversize-body": "too_large",
      "other-environment": "other_environment",
    };
    const verdicts: Record<string, string> = {};
    for (const attack of Object.keys(refusals) as Attack[]) verdicts[attack] = await send(attack);
    expect(verdicts).toEqual(refusals);
    sim.control.rotateKeys();
    expect(await send()).toBe("verified");
  });
});

it("no token and no secret stands in the ledger of calls", () => {
  const all = shown.join("\n");
  expect(all).toContain("/item/public_token/exchange");
  expect(all).not.toMatch(/access-sandbox|public-sandbox|link-sandbox/);
  expect(all).not.toContain(`"${SECRET}"`);
  expect(sim.control.calls().some((call) => call.tokenInUrl)).toBe(false);
});
