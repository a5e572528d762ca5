/**
 * What we rely on, said once and run against two: the simulator, at every test run, and Plaid's live sandbox, for who has keys
 * (contract.test.ts). A case may lean only on what both can do: the sandbox has no virtual clock and no control plane,
 * and its data are its own, so nothing here counts rows or compares amounts.
 */
import { INSTITUTION, listOf, must, objectOf, textOf, type ContractConversation } from "./contract-conversation.js";

export interface ContractCase {
  readonly says: string;
  readonly run: (plaid: ContractConversation) => Promise<void>;
}

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const unknownToken = "access-sandbox-00000000-0000-4000-8000-000000000000";

export const CONTRACT: readonly ContractCase[] = [
  {
    says: "credentials nobody knows are refused as INVALID_API_KEYS",
    run: async (plaid) => {
      const nobody = { clientId: "000000000000000000000000", secret: "000000000000000000000000000000" };
      await plaid.refused("/item/get", ["INVALID_API_KEYS"], { access_token: unknownToken }, nobody);
    },
  },
  {
    says: "a path that is none is 404",
    run: async (plaid) => must((await plaid.post("/no/such/endpoint", {})).status === 404, "an unknown path is 404"),
  },
  {
    says: "a member that Plaid does not have is refused as UNKNOWN_FIELDS",
    run: async (plaid) => {
      await plaid.refused("/item/get", ["UNKNOWN_FIELDS"], { access_token: unknownToken, colour: "red" });
    },
  },
  {
    says: "a member that is missing is refused as MISSING_FIELDS",
    run: async (plaid) => void (await plaid.refused("/item/get", ["MISSING_FIELDS"], {})),
  },
  {
    says: "an access token nobody knows is refused as INVALID_ACCESS_TOKEN",
    run: async (plaid) => {
      await plaid.refused("/accounts/get", ["INVALID_ACCESS_TOKEN"], { access_token: unknownToken });
    },
  },
  {
    says: "tokens and ids have their shapes",
    run: async (plaid) => {
      const publicToken = await plaid.newPublicToken();
      must(new RegExp(`^public-sandbox-${UUID}$`).test(publicToken), "a public token is public-sandbox-<uuid>");
      const { accessToken, itemId } = await plaid.newItem();
      must(new RegExp(`^access-sandbox-${UUID}$`).test(accessToken), "an access token is access-sandbox-<uuid>");
      must(/^[A-Za-z0-9]{30,40}$/.test(itemId), "an item id is some 37 letters and digits");
    },
  },
  {
    says: "a public token nobody gave out is refused as INVALID_PUBLIC_TOKEN",
    run: async (plaid) => {
      const public_token = "public-sandbox-00000000-0000-4000-8000-000000000000";
      await plaid.refused("/item/public_token/exchange", ["INVALID_PUBLIC_TOKEN"], { public_token });
    },
  },
  {
    says: "an Item tells its institution and that nothing is wrong",
    run: async (plaid) => {
      const { accessToken, itemId } = await plaid.newItem();
      const item = objectOf(await plaid.ask("/item/get", "ItemGetResponse", { access_token: accessToken }), "item");
      must(item["item_id"] === itemId, "the Item asked for is the one answered");
      must(item["institution_id"] === INSTITUTION && item["error"] === null, "institution and error");
    },
  },
  {
    says: "the well-known user has a checking account 0000 and a savings account 1111",
    run: async (plaid) => {
      const { accessToken } = await plaid.newItem();
      const accounts = listOf(
        await plaid.ask("/accounts/get", "AccountsGetResponse", { access_token: accessToken }),
        "accounts",
      );
      const seen = accounts.map(({ mask, subtype }) => `${String(subtype)} ${String(mask)}`);
      must(seen.includes("checking 0000") && seen.includes("savings 1111"), "the two accounts");
      for (const account of accounts) {
        const { iso_currency_code: iso, unofficial_currency_code: unofficial } = objectOf(account, "balances");
        must((iso === null) !== (unofficial === null), "exactly one of the two currency codes is set");
      }
    },
  },
  {
    says: "a real-time balance has the shape of a cached one",
    run: async (plaid) => {
      const { accessToken } = await plaid.newItem();
      await plaid.ask("/accounts/balance/get", "AccountsGetResponse", { access_token: accessToken });
    },
  },
  {
    says: "transactions that are not ready are no error: no rows, no cursor, nothing more",
    run: async (plaid) => {
      const { accessToken } = await plaid.newItem();
      const first = await plaid.ask("/transactions/sync", "TransactionsSyncResponse", { access_token: accessToken });
      if (first["transactions_update_status"] !== "NOT_READY") return;
      must(first["next_cursor"] === "" && first["has_more"] === false, "an empty cursor and has_more: false");
      must(listOf(first, "added").length === 0, "no rows");
    },
  },
  {
    says: "the same cursor gives the same page",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const hasCursor = (body: Record<string, unknown>) => body["next_cursor"] !== "";
      const page = { access_token, count: 5 };
      const first = await plaid.askUntil("/transactions/sync", "TransactionsSyncResponse", page, hasCursor);
      const cursor = textOf(first, "next_cursor");
      must(cursor.length <= 256, "a cursor has at most 256 characters");
      const read = async () => plaid.ask("/transactions/sync", "TransactionsSyncResponse", { ...page, cursor });
      const ids = (body: Record<string, unknown>) => listOf(body, "added").map((row) => row["transaction_id"]);
      must(JSON.stringify(ids(await read())) === JSON.stringify(ids(await read())), "twice the same rows");
    },
  },
  {
    says: "a cursor that Plaid did not make is refused as INVALID_FIELD",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const isReady = (body: Record<string, unknown>) => body["next_cursor"] !== "";
      await plaid.askUntil("/transactions/sync", "TransactionsSyncResponse", { access_token }, isReady);
      await plaid.refused("/transactions/sync", ["INVALID_FIELD"], { access_token, cursor: "bm90IGEgY3Vyc29y" });
    },
  },
  {
    says: "liabilities have their three kinds, each a list or null",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const answer = await plaid.askUntil("/liabilities/get", "LiabilitiesGetResponse", { access_token });
      const kinds = objectOf(answer, "liabilities");
      for (const kind of ["credit", "mortgage", "student"]) must(kind in kinds, `${kind} is there`);
    },
  },
  {
    says: "holdings name accounts and securities of the same answer",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const answer = await plaid.askUntil("/investments/holdings/get", "InvestmentsHoldingsGetResponse", {
        access_token,
      });
      const accounts = new Set(listOf(answer, "accounts").map((it) => it["account_id"]));
      const securities = new Set(listOf(answer, "securities").map((it) => it["security_id"]));
      for (const holding of listOf(answer, "holdings")) {
        must(accounts.has(holding["account_id"]) && securities.has(holding["security_id"]), "both are known");
      }
    },
  },
  {
    says: "investment transactions are paged by offset, with a stable total and an empty page past the end",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const today = new Date();
      const day = (back: number) => new Date(today.getTime() - back * 86_400_000).toISOString().slice(0, 10);
      const window = { access_token, start_date: day(700), end_date: day(0) };
      const page = async (offset: number) =>
        plaid.askUntil("/investments/transactions/get", "InvestmentsTransactionsGetResponse", {
          ...window,
          options: { count: 2, offset },
        });
      const first = await page(0);
      const total = first["total_investment_transactions"];
      must(typeof total === "number", "a total");
      const past = await page(total);
      must(past["total_investment_transactions"] === total, "the total does not move");
      must(listOf(past, "investment_transactions").length === 0, "past the end there is nothing");
    },
  },
  {
    says: "after a login was reset products are refused, and the Item says why",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      await plaid.ask("/sandbox/item/reset_login", "SandboxItemResetLoginResponse", { access_token });
      await plaid.refused("/accounts/balance/get", ["ITEM_LOGIN_REQUIRED"], { access_token });
      const item = objectOf(await plaid.ask("/item/get", "ItemGetResponse", { access_token }), "item");
      must(objectOf(item, "error")["error_code"] === "ITEM_LOGIN_REQUIRED", "item.error");
    },
  },
  {
    says: "a token that was replaced is dead at once, the new one lives",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const path = "/item/access_token/invalidate";
      const made = await plaid.ask(path, "ItemAccessTokenInvalidateResponse", { access_token });
      const newToken = textOf(made, "new_access_token");
      plaid.replaced(access_token, newToken);
      await plaid.refused("/accounts/get", ["INVALID_ACCESS_TOKEN"], { access_token });
      await plaid.ask("/accounts/get", "AccountsGetResponse", { access_token: newToken });
    },
  },
  {
    says: "a removed Item is gone: the answer has a request id alone, the next call is refused",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const removed = await plaid.ask("/item/remove", "ItemRemoveResponse", { access_token });
      must(Object.keys(removed).join() === "request_id", "nothing but request_id");
      await plaid.refused("/item/get", ["ITEM_NOT_FOUND", "INVALID_ACCESS_TOKEN"], { access_token });
    },
  },
  {
    says: "a webhook's address may be changed and taken away",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const without = { access_token, webhook: null };
      const answer = await plaid.ask("/item/webhook/update", "ItemWebhookUpdateResponse", without);
      must([null, ""].includes(objectOf(answer, "item")["webhook"] as string | null), "there is none");
    },
  },
  {
    says: "a webhook cannot be fired at an Item without an address",
    run: async (plaid) => {
      const { accessToken: access_token } = await plaid.newItem();
      const fire = { access_token, webhook_code: "NEW_ACCOUNTS_AVAILABLE", webhook_type: "ITEM" };
      await plaid.refused("/sandbox/item/fire_webhook", ["SANDBOX_WEBHOOK_INVALID"], fire);
    },
  },
  {
    says: "a verification key nobody made is refused as INVALID_WEBHOOK_VERIFICATION_KEY_ID",
    run: async (plaid) => {
      const key_id = "00000000-0000-4000-8000-000000000000";
      await plaid.refused("/webhook_verification_key/get", ["INVALID_WEBHOOK_VERIFICATION_KEY_ID"], { key_id });
    },
  },
  {
    says: "a hosted link token has a page and no sessions yet",
    run: async (plaid) => {
      const request = {
        client_name: "Contract",
        language: "en",
        country_codes: ["US"],
        products: ["transactions"],
        user: { client_user_id: "contract" },
        hosted_link: {},
      };
      const made = await plaid.ask("/link/token/create", "LinkTokenCreateResponse", request);
      const link_token = textOf(made, "link_token");
      must(new RegExp(`^link-sandbox-${UUID}$`).test(link_token), "a link token is link-sandbox-<uuid>");
      must(URL.canParse(textOf(made, "hosted_link_url")), "hosted_link_url is a URL");
      const read = await plaid.ask("/link/token/get", "LinkTokenGetResponse", { link_token });
      must(!("link_sessions" in read), "link_sessions is absent until a session ended");
    },
  },
  {
    says: "an institution has a name",
    run: async (plaid) => {
      const asked = { institution_id: INSTITUTION, country_codes: ["US"] };
      const answer = await plaid.ask("/institutions/get_by_id", "InstitutionsGetByIdResponse", asked);
      must(textOf(objectOf(answer, "institution"), "name") !== "", "a name");
    },
  },
];
