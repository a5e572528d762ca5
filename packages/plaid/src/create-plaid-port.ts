import type { Clock } from "@florin/kernel";
import type { Logger, Metrics } from "@florin/telemetry";
import type { CountryCode, LinkTokenCreateRequest, PlaidApi } from "plaid";
import type { z } from "zod";
import { revealAccessToken } from "./access-token.js";
import { accountsAnswer } from "./answers/account-answers.js";
import { holdingsAnswer, investmentTransactionsPage } from "./answers/investment-answers.js";
import {
  exchangeAnswer,
  institutionAnswer,
  invalidateAnswer,
  itemAnswer,
  linkTokenAnswer,
  linkTokenState,
  receiptAnswer,
  webhookKeyAnswer,
} from "./answers/item-answers.js";
import { liabilitiesAnswer } from "./answers/liability-answers.js";
import { transactionsPage } from "./answers/transaction-answers.js";
import { basePathOf } from "./base-path.js";
import type { BreakerTimes } from "./breakers.js";
import { createCallRunner } from "./call-runner.js";
import { endpoints, type Endpoint } from "./endpoints.js";
import { createInstitutionCache } from "./institution-cache.js";
import { toCountries, toProductLists } from "./link-choices.js";
import { createPlaidClient } from "./plaid-client.js";
import type {
  CallLimits,
  CreateLinkToken,
  ItemCall,
  LinkProducts,
  PlaidEnvironmentName,
  PlaidPort,
  ProviderCall,
} from "./plaid-port.js";
import type { RateLimiter } from "./rate-limiter.js";

/** The port around the unmodified client. Every method is one line: which endpoint, what is sent, and how the answer is read. */
export interface PlaidPortOptions {
  readonly environment: PlaidEnvironmentName;
  /** Of the simulator, and only there: `http://127.0.0.1:8700`. */
  readonly simulatorUrl?: string | undefined;
  readonly clientId: string;
  readonly secret: string;
  readonly link: LinkConfiguration;
  /** Shared by all processes that call Plaid. undefined is allowed with the simulator alone: no limits. */
  readonly limiter: RateLimiter | undefined;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads tries. */
  readonly random: () => number;
  readonly breaker?: BreakerTimes | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  /** The ledger of calls: one entry for each try, without secrets. Must not throw. */
  readonly onCall?: ((call: ProviderCall) => void) | undefined;
  /** Largest answer that is read. Default 32 MiB. */
  readonly maxAnswerBytes?: number | undefined;
}

export interface LinkConfiguration {
  /** What the person reads at the institution. */
  readonly clientName: string;
  /** `en` */
  readonly language: string;
  /** `US`, `GB` … */
  readonly countryCodes: readonly string[];
  readonly products: LinkProducts;
  /** History that is asked for, 1 to 730 days; it cannot be raised for an item later. */
  readonly daysRequested: number;
  readonly webhookUrl?: string | undefined;
}

/** Throws where the configuration names an environment, a country or a product that Plaid does not have. */
export function createPlaidPort(options: PlaidPortOptions): PlaidPort {
  if (options.limiter === undefined && options.environment !== "simulator")
    throw new Error(`Calls to Plaid's ${options.environment} need a rate limiter. Give one that all processes share.`);
  const basePath = basePathOf(options.environment, options.simulatorUrl);
  const countryCodes = toCountries(options.link.countryCodes);
  toProductLists(options.link.products);
  const client = createPlaidClient({ ...options, basePath });
  const runner = createCallRunner({
    ...options,
    onUnreadable: (endpoint, fields) =>
      options.logger?.warn({ endpoint, fields }, "An answer of Plaid was not as it should be; it was not used."),
  });
  const institutions = createInstitutionCache(options.clock);

  /** Sends with the options of this one call: its connection and its deadline. */
  type Send = (api: PlaidApi, callOptions: object) => Promise<{ status: number; data: unknown }>;
  async function run<Answer extends z.ZodType>(
    endpoint: Endpoint,
    call: Partial<Pick<ItemCall, "itemKey" | "institutionId" | "deadlineMs">>,
    answer: Answer,
    send: Send,
  ): Promise<z.output<Answer>> {
    const { itemKey, institutionId, deadlineMs } = call;
    // Before the deadline begins: nothing was sent while the client was being read from the disk.
    const api = await client.api();
    return runner.run({
      endpoint,
      itemKey,
      institutionId,
      deadlineMs,
      answer,
      send: (signal) => send(api, client.callOptions(endpoint.isRepeatable, signal)),
    });
  }
  const tokenOf = (item: ItemCall) => ({ access_token: revealAccessToken(item.accessToken) });

  return {
    environment: options.environment,
    // Async, and the request made first: a product that Plaid does not have is our mistake, not a call that failed.
    createLinkToken: async (input) => {
      const request = toLinkTokenRequest(input, options.link, countryCodes);
      const call = { itemKey: input.update?.itemKey, deadlineMs: input.deadlineMs };
      return run(endpoints.linkTokenCreate, call, linkTokenAnswer, (api, more) => api.linkTokenCreate(request, more));
    },
    getLinkToken: (linkToken, call = {}) =>
      run(endpoints.linkTokenGet, call, linkTokenState, (api, more) =>
        api.linkTokenGet({ link_token: linkToken }, more),
      ),
    exchangePublicToken: (publicToken, call = {}) =>
      run(endpoints.exchange, call, exchangeAnswer, (api, more) =>
        api.itemPublicTokenExchange({ public_token: publicToken }, more),
      ),
    getItem: (item) => run(endpoints.itemGet, item, itemAnswer, (api, more) => api.itemGet(tokenOf(item), more)),
    removeItem: (item) =>
      run(endpoints.itemRemove, item, receiptAnswer, (api, more) => api.itemRemove(tokenOf(item), more)),
    invalidateAccessToken: (item) =>
      run(endpoints.invalidate, item, invalidateAnswer, (api, more) =>
        api.itemAccessTokenInvalidate(tokenOf(item), more),
      ),
    updateWebhook: (item, webhookUrl) =>
      run(endpoints.webhookUpdate, item, receiptAnswer, (api, more) =>
        api.itemWebhookUpdate({ ...tokenOf(item), webhook: webhookUrl ?? null }, more),
      ),
    getAccounts: (item) =>
      run(endpoints.accountsGet, item, accountsAnswer, (api, more) => api.accountsGet(tokenOf(item), more)),
    getBalances: (item, { minLastUpdatedAt } = {}) =>
      run(endpoints.balanceGet, item, accountsAnswer, (api, more) => {
        const since = minLastUpdatedAt === undefined ? {} : { min_last_updated_datetime: minLastUpdatedAt };
        return api.accountsBalanceGet({ ...tokenOf(item), options: since }, more);
      }),
    syncTransactionsPage: (item, { cursor, count = 500, daysRequested }) =>
      run(endpoints.transactionsSync, item, transactionsPage, (api, more) =>
        api.transactionsSync(
          {
            ...tokenOf(item),
            count,
            ...(cursor === undefined ? {} : { cursor }),
            ...(daysRequested === undefined ? {} : { options: { days_requested: daysRequested } }),
          },
          more,
        ),
      ),
    refreshTransactions: (item) =>
      run(endpoints.transactionsRefresh, item, receiptAnswer, (api, more) =>
        api.transactionsRefresh(tokenOf(item), more),
      ),
    getLiabilities: (item) =>
      run(endpoints.liabilitiesGet, item, liabilitiesAnswer, (api, more) => api.liabilitiesGet(tokenOf(item), more)),
    getHoldings: (item) =>
      run(endpoints.holdingsGet, item, holdingsAnswer, (api, more) => api.investmentsHoldingsGet(tokenOf(item), more)),
    getInvestmentTransactionsPage: (item, { from, to, offset, count = 500, isAsynchronous = false }) =>
      run(endpoints.investmentTransactionsGet, item, investmentTransactionsPage, (api, more) =>
        api.investmentsTransactionsGet(
          {
            ...tokenOf(item),
            start_date: from,
            end_date: to,
            options: { count, offset, ...(isAsynchronous ? { async_update: true } : {}) },
          },
          more,
        ),
      ),
    getInstitution: (institutionId, call: CallLimits = {}) =>
      institutions.get(institutionId, () =>
        run(endpoints.institutionGet, call, institutionAnswer, (api, more) =>
          api.institutionsGetById(
            {
              institution_id: institutionId,
              country_codes: countryCodes,
              options: { include_optional_metadata: true },
            },
            more,
          ),
        ),
      ),
    getWebhookVerificationKey: (keyId, call = {}) =>
      run(endpoints.webhookKeyGet, call, webhookKeyAnswer, (api, more) =>
        api.webhookVerificationKeyGet({ key_id: keyId }, more),
      ),
    close: async () => {
      await runner.close();
      client.close();
      options.limiter?.close();
    },
  };
}

/** With `update` neither products nor webhook may be named (§1.2). */
function toLinkTokenRequest(
  input: CreateLinkToken,
  link: LinkConfiguration,
  countryCodes: CountryCode[],
): LinkTokenCreateRequest {
  const base = {
    client_name: link.clientName,
    language: link.language,
    country_codes: countryCodes,
    user: { client_user_id: input.clientUserId },
    hosted_link: input.redirectUrl === undefined ? {} : { completion_redirect_uri: input.redirectUrl },
  };
  if (input.update !== undefined) {
    const { accessToken, accountSelection = false } = input.update;
    const update = accountSelection ? { update: { account_selection_enabled: true } } : {};
    return { ...base, access_token: revealAccessToken(accessToken), ...update };
  }
  const webhook = input.webhookUrl ?? link.webhookUrl;
  return {
    ...base,
    ...toProductLists(input.products ?? link.products),
    ...(webhook === undefined ? {} : { webhook }),
    transactions: { days_requested: link.daysRequested },
  };
}
