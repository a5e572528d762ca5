import type { Handlers } from "../endpoint.js";
import { getAccounts, getBalances, getLiabilities } from "./accounts.js";
import { getHoldings, getInvestmentTransactions } from "./investments.js";
import {
  exchange,
  getInstitution,
  getItem,
  getVerificationKey,
  invalidateAccessToken,
  removeItemHandler,
  updateWebhook,
} from "./items.js";
import { createLinkToken, getLinkToken } from "./link-token.js";
import { createPublicToken, createTransactions, fireWebhook, resetLogin } from "./sandbox.js";
import { refreshTransactions, syncTransactions } from "./transactions.js";

/** Every endpoint there is. */
export const HANDLERS: Handlers = {
  "/link/token/create": createLinkToken,
  "/link/token/get": getLinkToken,
  "/item/public_token/exchange": exchange,
  "/item/get": getItem,
  "/item/remove": removeItemHandler,
  "/item/webhook/update": updateWebhook,
  "/item/access_token/invalidate": invalidateAccessToken,
  "/accounts/get": getAccounts,
  "/accounts/balance/get": getBalances,
  "/transactions/sync": syncTransactions,
  "/transactions/refresh": refreshTransactions,
  "/liabilities/get": getLiabilities,
  "/investments/holdings/get": getHoldings,
  "/investments/transactions/get": getInvestmentTransactions,
  "/institutions/get_by_id": getInstitution,
  "/webhook_verification_key/get": getVerificationKey,
  "/sandbox/public_token/create": createPublicToken,
  "/sandbox/item/fire_webhook": fireWebhook,
  "/sandbox/item/reset_login": resetLogin,
  "/sandbox/transactions/create": createTransactions,
};
