import type { LinkTokenGetSessionsResponse } from "plaid";
import type { Handler, RequestOf } from "../endpoint.js";
import { isWebAddress } from "../link-redirect.js";
import { PlaidRefusal, refuse } from "../plaid-error.js";
import type { Wire } from "../wire.js";
import { errorOfState, type LinkSession, type LinkToken, type SimulatorWorld } from "../world.js";
import { webhookAddress } from "./items.js";

type CreateRequest = RequestOf<"/link/token/create">;

const HOUR_MS = 3_600_000;
const LIFETIME_OF_NEW_MS = 4 * HOUR_MS;
const LIFETIME_OF_UPDATE_MS = HOUR_MS / 2;
const DEFAULT_DAYS = 90;

export const createLinkToken: Handler<"/link/token/create"> = (request, world) => {
  const update = updateOf(request, world);
  const products = update ? [] : productsOf(request);
  const now = world.clock.now();
  const hosted = request.hosted_link;
  const lifetimeMs = hosted?.url_lifetime_seconds
    ? hosted.url_lifetime_seconds * 1000
    : update
      ? LIFETIME_OF_UPDATE_MS
      : LIFETIME_OF_NEW_MS;
  const link: LinkToken = {
    token: `link-${world.settings.environment}-${world.ids.nextUuid("link-token")}`,
    hostedId: hosted ? world.ids.next("hosted-link") : null,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + lifetimeMs).toISOString(),
    clientName: request.client_name,
    clientUserId: request.user?.client_user_id ?? null,
    language: request.language,
    countryCodes: request.country_codes,
    products,
    optionalProducts: [...(request.required_if_supported_products ?? []), ...(request.optional_products ?? [])],
    daysRequested: request.transactions?.days_requested ?? DEFAULT_DAYS,
    webhook: webhookAddress(request.webhook),
    redirectUri: webAddress("redirect_uri", request.redirect_uri),
    completionRedirectUri: webAddress("completion_redirect_uri", hosted?.completion_redirect_uri),
    institutionId: request.institution_id ?? null,
    accountFilters: request.account_filters ?? null,
    update,
    sessions: [],
  };
  world.forgetDeadTokens();
  world.linkTokens.set(link.token, link);
  return {
    link_token: link.token,
    expiration: link.expiresAt,
    ...(link.hostedId ? { hosted_link_url: `${world.url}/link/${link.hostedId}` } : {}),
  };
};

function updateOf(request: CreateRequest, world: SimulatorWorld): LinkToken["update"] {
  if (!request.access_token) {
    if (request.update) refuse("INVALID_FIELD", "update: needs an access_token");
    return null;
  }
  const item = world.itemOf(request.access_token);
  if (request.products?.length) refuse("INVALID_FIELD", "products: must not be set in update mode");
  const error = errorOfState(item.state);
  if (error && item.state === "REVOKED") throw new PlaidRefusal(error);
  return {
    itemId: item.itemId,
    isAccountSelectionEnabled: request.update?.account_selection_enabled ?? false,
  };
}

function productsOf(request: CreateRequest) {
  const required = request.products ?? [];
  if (required.length === 0) refuse("MISSING_FIELDS", "the following required fields are missing: products");
  if (!request.user && !request.user_id) {
    refuse("MISSING_FIELDS", "the following required fields are missing: user");
  }
  const all = [...required, ...(request.required_if_supported_products ?? []), ...(request.optional_products ?? [])];
  if (new Set(all).size !== all.length) {
    refuse("INVALID_FIELD", "products: a product may stand in one of the product lists only");
  }
  if (required.includes("balance"))
    refuse("INVALID_PRODUCT", 'products: "balance" is available without being asked for');
  return required;
}

function webAddress(field: string, address: string | undefined): string | null {
  if (address === undefined) return null;
  if (!isWebAddress(address)) refuse("INVALID_FIELD", `${field}: must be an https or loopback URL without a fragment`);
  return address;
}

/** `link_sessions` is absent until a session has ended. */
export const getLinkToken: Handler<"/link/token/get"> = (request, world) => {
  const link = world.linkTokens.get(request.link_token);
  if (!link) refuse("INVALID_LINK_TOKEN");
  const finished = link.sessions.filter((it) => it.finishedAt !== null);
  return {
    link_token: link.token,
    created_at: link.createdAt,
    expiration: link.expiresAt,
    ...(finished.length > 0 ? { link_sessions: finished.map(toPlaidSession) } : {}),
    metadata: {
      client_name: link.clientName,
      country_codes: link.countryCodes,
      initial_products: link.products,
      language: link.language,
      redirect_uri: link.redirectUri,
      webhook: link.webhook,
    },
  };
};

function toPlaidSession(session: LinkSession): Wire<LinkTokenGetSessionsResponse> {
  const institution = session.result?.institution ?? null;
  return {
    link_session_id: session.sessionId,
    started_at: session.startedAt,
    finished_at: session.finishedAt,
    results: session.result && {
      item_add_results: [session.result],
      cra_item_add_results: [],
      cra_update_results: [],
      bank_income_results: [],
      payroll_income_results: [],
      document_income_results: null,
    },
    exit: session.exit && {
      error: session.exit.error,
      metadata: { institution, link_session_id: session.sessionId, status: session.exit.status },
    },
  };
}
