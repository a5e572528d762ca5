import { parseTarget } from "../webhook-target.js";
import type { Handler } from "../endpoint.js";
import { findInstitution, toPlaidInstitution } from "../institutions.js";
import { exchangePublicToken, removeItem, rotateAccessToken } from "../item-lifecycle.js";
import { toPlaidItem } from "../item-view.js";
import { refuse } from "../plaid-error.js";
import { notify, webhookUpdateAcknowledged } from "../webhook-bodies.js";

export const exchange: Handler<"/item/public_token/exchange"> = (request, world) => {
  const item = exchangePublicToken(world, request.public_token);
  return { access_token: item.accessToken, item_id: item.itemId };
};

/** Answers in error states too, and shows the error: this is how a client heals from lost webhooks. */
export const getItem: Handler<"/item/get"> = (request, world) => {
  const item = world.itemOf(request.access_token);
  const updates = { last_failed_update: item.lastFailedUpdate, last_successful_update: item.lastSuccessfulUpdate };
  return {
    item: { ...toPlaidItem(item), created_at: item.createdAt, consented_products: [...item.products] },
    status: {
      investments: item.products.includes("investments") ? { ...updates } : null,
      last_webhook: item.lastWebhook && { ...item.lastWebhook },
      transactions: item.products.includes("transactions") ? { ...updates } : null,
    },
  };
};

export const removeItemHandler: Handler<"/item/remove"> = (request, world) => {
  removeItem(world.itemOf(request.access_token));
  return {};
};

export const updateWebhook: Handler<"/item/webhook/update"> = (request, world) => {
  const item = world.itemOf(request.access_token);
  item.webhook = webhookAddress(request.webhook);
  if (item.webhook !== null) notify(world, item, webhookUpdateAcknowledged(world, item, item.webhook));
  return { item: toPlaidItem(item) };
};

export const invalidateAccessToken: Handler<"/item/access_token/invalidate"> = (request, world) => ({
  new_access_token: rotateAccessToken(world, world.itemOf(request.access_token)),
});

export const getInstitution: Handler<"/institutions/get_by_id"> = (request) => {
  const institution = findInstitution(request.institution_id);
  if (!institution?.countryCodes.some((it) => request.country_codes.includes(it))) refuse("INVALID_INSTITUTION");
  return { institution: toPlaidInstitution(institution, request.options?.include_optional_metadata ?? false) };
};

export const getVerificationKey: Handler<"/webhook_verification_key/get"> = (request, world) => ({
  key: world.findVerificationKey(request.key_id) ?? refuse("INVALID_WEBHOOK_VERIFICATION_KEY_ID"),
});

/** The simulator posts to loopback only; anything else is refused as a bad address would be. "" and null: no webhook. */
export function webhookAddress(webhook: string | null | undefined): string | null {
  if (webhook === undefined || webhook === null || webhook === "") return null;
  try {
    parseTarget(webhook);
  } catch (error) {
    refuse("INVALID_FIELD", `webhook: ${error instanceof Error ? error.message : "is no URL"}`);
  }
  return webhook;
}
