import { z } from "zod";
import { AccessToken } from "../access-token.js";
import { classifyPlaidError } from "../classify-error.js";
import { plaidErrorBody } from "../call-failure.js";
import type {
  ExchangedItem,
  InstitutionAnswer,
  ItemError,
  ItemState,
  LinkSession,
  LinkToken,
  LinkTokenState,
  Receipt,
  WebhookVerificationKey,
} from "../plaid-port.js";
import { id, receipt, textOrAbsent } from "./answer-fields.js";

const MAX_DISPLAY = 500;
const names = z.array(z.string());

/** An error that Plaid keeps with an item, a session or a webhook. */
export const itemError = plaidErrorBody.transform((error): ItemError => ({
  errorType: error.error_type,
  errorCode: error.error_code,
  displayMessage: error.display_message?.slice(0, MAX_DISPLAY),
  class: classifyPlaidError(error.error_type, error.error_code),
}));
const itemErrorOrAbsent = itemError.nullish().transform((error) => error ?? undefined);

export const receiptAnswer = receipt.transform((answer): Receipt => ({ requestId: answer.request_id }));

export const linkTokenAnswer = receipt
  .extend({ link_token: id, expiration: z.string(), hosted_link_url: textOrAbsent })
  .transform((answer): LinkToken => ({
    linkToken: answer.link_token,
    hostedLinkUrl: answer.hosted_link_url,
    expiresAt: answer.expiration,
    requestId: answer.request_id,
  }));

const linkedInSession = z
  .object({
    public_token: id,
    institution: z.object({ institution_id: textOrAbsent, name: textOrAbsent }).nullish(),
    accounts: z.array(
      z.object({ id: textOrAbsent, name: textOrAbsent, mask: textOrAbsent, type: textOrAbsent, subtype: textOrAbsent }),
    ),
  })
  .transform(({ public_token: publicToken, institution, accounts }) => ({
    publicToken,
    institution: institution ? { institutionId: institution.institution_id, name: institution.name } : undefined,
    accounts: accounts.map(({ id: accountId, ...account }) => ({ accountId, ...account })),
  }));

const linkSession = z
  .object({
    link_session_id: id,
    finished_at: textOrAbsent,
    results: z.object({ item_add_results: z.array(linkedInSession) }).nullish(),
    exit: z
      .object({
        error: itemErrorOrAbsent,
        metadata: z
          .object({ status: textOrAbsent, institution: z.object({ institution_id: textOrAbsent }).nullish() })
          .nullish(),
      })
      .nullish(),
  })
  .transform((session): LinkSession => ({
    linkSessionId: session.link_session_id,
    finishedAt: session.finished_at,
    added: session.results?.item_add_results ?? [],
    exit: session.exit
      ? {
          status: session.exit.metadata?.status,
          institutionId: session.exit.metadata?.institution?.institution_id,
          error: session.exit.error,
        }
      : undefined,
  }));

/** `link_sessions` is absent until a session ends (§1.2). */
export const linkTokenState = receipt
  .extend({ expiration: textOrAbsent, link_sessions: z.array(linkSession).nullish() })
  .transform((answer): LinkTokenState => ({
    expiresAt: answer.expiration,
    sessions: answer.link_sessions ?? [],
    requestId: answer.request_id,
  }));

export const exchangeAnswer = receipt.extend({ access_token: id, item_id: id }).transform((answer): ExchangedItem => ({
  accessToken: new AccessToken(answer.access_token),
  plaidItemId: answer.item_id,
  requestId: answer.request_id,
}));

export const invalidateAnswer = receipt.extend({ new_access_token: id }).transform((answer) => ({
  accessToken: new AccessToken(answer.new_access_token),
  requestId: answer.request_id,
}));

const productUpdates = z
  .object({ last_successful_update: textOrAbsent, last_failed_update: textOrAbsent })
  .nullish()
  .transform((updates) =>
    updates
      ? { lastSuccessfulAt: updates.last_successful_update, lastFailedAt: updates.last_failed_update }
      : undefined,
  );

export const itemAnswer = receipt
  .extend({
    item: z.object({
      item_id: id,
      institution_id: textOrAbsent,
      institution_name: textOrAbsent,
      webhook: textOrAbsent,
      error: itemErrorOrAbsent,
      available_products: names,
      billed_products: names,
      products: names.nullish(),
      consent_expiration_time: textOrAbsent,
    }),
    status: z
      .object({
        transactions: productUpdates,
        investments: productUpdates,
        last_webhook: z.object({ sent_at: textOrAbsent, code_sent: textOrAbsent }).nullish(),
      })
      .nullish(),
  })
  .transform(({ item, status, request_id: requestId }): ItemState => ({
    plaidItemId: item.item_id,
    institutionId: item.institution_id,
    institutionName: item.institution_name,
    webhookUrl: item.webhook,
    error: item.error,
    availableProducts: item.available_products,
    billedProducts: item.billed_products,
    products: item.products ?? [],
    consentExpiresAt: item.consent_expiration_time,
    transactions: status?.transactions,
    investments: status?.investments,
    lastWebhook: status?.last_webhook
      ? { sentAt: status.last_webhook.sent_at, code: status.last_webhook.code_sent }
      : undefined,
    requestId,
  }));

export const institutionAnswer = receipt
  .extend({
    institution: z.object({
      institution_id: id,
      name: z.string(),
      url: textOrAbsent,
      primary_color: textOrAbsent,
      logo: textOrAbsent,
      oauth: z.boolean(),
    }),
  })
  .transform(({ institution }): InstitutionAnswer => ({
    institutionId: institution.institution_id,
    name: institution.name,
    url: institution.url,
    primaryColor: institution.primary_color,
    logo: institution.logo,
    isOauth: institution.oauth,
  }));

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const webhookKeyAnswer = receipt
  .extend({
    key: z.object({
      alg: z.string(),
      crv: z.string(),
      kid: z.string(),
      kty: z.string(),
      x: coordinate,
      y: coordinate,
      expired_at: z.number().nullish(),
    }),
  })
  .transform(({ key }): WebhookVerificationKey => ({
    keyId: key.kid,
    algorithm: key.alg,
    curve: key.crv,
    keyType: key.kty,
    x: key.x,
    y: key.y,
    expiredAtSeconds: key.expired_at ?? undefined,
  }));
