import type * as plaid from "plaid";
import type { Wire } from "./wire.js";
import type { SimulatorWorld } from "./world.js";

/** What goes in and comes out of every endpoint, in Plaid's own types. */
interface Contract {
  "/link/token/create": [plaid.LinkTokenCreateRequest, plaid.LinkTokenCreateResponse];
  "/link/token/get": [plaid.LinkTokenGetRequest, plaid.LinkTokenGetResponse];
  "/item/public_token/exchange": [plaid.ItemPublicTokenExchangeRequest, plaid.ItemPublicTokenExchangeResponse];
  "/item/get": [plaid.ItemGetRequest, plaid.ItemGetResponse];
  "/item/remove": [plaid.ItemRemoveRequest, plaid.ItemRemoveResponse];
  "/item/webhook/update": [plaid.ItemWebhookUpdateRequest, plaid.ItemWebhookUpdateResponse];
  "/item/access_token/invalidate": [plaid.ItemAccessTokenInvalidateRequest, plaid.ItemAccessTokenInvalidateResponse];
  "/accounts/get": [plaid.AccountsGetRequest, plaid.AccountsGetResponse];
  "/accounts/balance/get": [plaid.AccountsBalanceGetRequest, plaid.AccountsGetResponse];
  "/transactions/sync": [plaid.TransactionsSyncRequest, plaid.TransactionsSyncResponse];
  "/transactions/refresh": [plaid.TransactionsRefreshRequest, plaid.TransactionsRefreshResponse];
  "/liabilities/get": [plaid.LiabilitiesGetRequest, plaid.LiabilitiesGetResponse];
  "/investments/holdings/get": [plaid.InvestmentsHoldingsGetRequest, plaid.InvestmentsHoldingsGetResponse];
  "/investments/transactions/get": [plaid.InvestmentsTransactionsGetRequest, plaid.InvestmentsTransactionsGetResponse];
  "/institutions/get_by_id": [plaid.InstitutionsGetByIdRequest, plaid.InstitutionsGetByIdResponse];
  "/webhook_verification_key/get": [plaid.WebhookVerificationKeyGetRequest, plaid.WebhookVerificationKeyGetResponse];
  "/sandbox/public_token/create": [plaid.SandboxPublicTokenCreateRequest, plaid.SandboxPublicTokenCreateResponse];
  "/sandbox/item/fire_webhook": [plaid.SandboxItemFireWebhookRequest, plaid.SandboxItemFireWebhookResponse];
  "/sandbox/item/reset_login": [plaid.SandboxItemResetLoginRequest, plaid.SandboxItemResetLoginResponse];
  "/sandbox/transactions/create": [plaid.SandboxTransactionsCreateRequest, plaid.SandboxTransactionsCreateResponse];
}

/** Every endpoint there is. */
export type Endpoint = keyof Contract;

export type RequestOf<Path extends Endpoint> = Wire<Contract[Path][0]>;
/** Without request_id: the server adds it to every answer. */
export type ResponseOf<Path extends Endpoint> = Omit<Wire<Contract[Path][1]>, "request_id">;

/** Answers one endpoint from the world, or throws PlaidRefusal. */
export type Handler<Path extends Endpoint> = (request: RequestOf<Path>, world: SimulatorWorld) => ResponseOf<Path>;
export type Handlers = { readonly [Path in Endpoint]: Handler<Path> };
