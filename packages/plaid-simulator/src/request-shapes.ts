/**
 * What each endpoint accepts. Strict at every depth: a member that Plaid does not know is refused (UNKNOWN_FIELDS), a missing
 * one too (MISSING_FIELDS), and a wrong type (INVALID_FIELD). Members of Plaid's that the simulator has no use for are
 * accepted by name, so that a caller who is right is not refused.
 */
import { z } from "zod";
import type { Endpoint, RequestOf } from "./endpoint.js";
import { knownError, PlaidRefusal } from "./plaid-error.js";

const text = z.string();
const longText = z.string().max(2_000);
const token = z.string().min(1).max(500);
const id = z.string().min(1).max(200);
const anything = z.unknown();

/** Credentials may stand in the body or in headers; the server has looked at them before. */
const credentials = { client_id: text.optional(), secret: text.optional() };
const withToken = { ...credentials, access_token: token };

// prettier-ignore
const PRODUCTS = [
  "assets", "auth", "balance", "balance_plus", "beacon", "identity", "identity_match", "investments", "investments_auth",
  "liabilities", "payment_initiation", "identity_verification", "transactions", "credit_details", "income",
  "income_verification", "standing_orders", "transfer", "employment", "recurring_transactions", "transactions_refresh",
  "signal", "statements", "processor_payments", "processor_identity", "profile", "cra_base_report", "cra_income_insights",
  "cra_partner_insights", "cra_network_insights", "cra_cashflow_insights", "cra_monitoring", "cra_lend_score",
  "cra_plaid_credit_score", "cra_qualify", "cra_home_lending", "layer", "pay_by_bank", "protect_linked_bank",
  "protect_transactions",
] as const;
// prettier-ignore
const COUNTRIES = [
  "US", "GB", "ES", "NL", "FR", "IE", "CA", "DE", "IT", "PL", "DK", "NO", "SE", "EE", "LT", "LV", "PT", "BE", "AT", "FI",
] as const;

const products = z.array(z.enum(PRODUCTS));
const countries = z.array(z.enum(COUNTRIES)).min(1);
const daysRequested = z.number().int().min(1).max(730);
const webhook = z.string().max(2_000);
const subtypes = z.strictObject({ account_subtypes: z.array(text) });
const accountIds = z.array(id);
const date = z.string().regex(/^\d{4}-\d{2}-\d{2}$/);

const linkTokenCreate = z.strictObject({
  ...credentials,
  client_name: z.string().min(1).max(30),
  language: z.string().min(2),
  country_codes: countries,
  user: z
    .strictObject({
      client_user_id: id,
      legal_name: longText.optional(),
      phone_number: longText.optional(),
      phone_number_verified_time: longText.nullish(),
      email_address: longText.optional(),
      email_address_verified_time: longText.nullish(),
      date_of_birth: longText.nullish(),
      ssn: longText.optional(),
      name: anything.optional(),
      address: anything.optional(),
      id_number: anything.optional(),
    })
    .optional(),
  user_id: text.optional(),
  products: products.nullish(),
  required_if_supported_products: products.nullish(),
  optional_products: products.nullish(),
  additional_consented_products: products.nullish(),
  webhook: webhook.optional(),
  access_token: token.nullish(),
  link_customization_name: text.optional(),
  redirect_uri: webhook.optional(),
  android_package_name: text.optional(),
  institution_id: id.optional(),
  institution_data: z.strictObject({ routing_number: text.optional() }).optional(),
  account_filters: z
    .strictObject({
      depository: subtypes.optional(),
      credit: subtypes.optional(),
      loan: subtypes.optional(),
      investment: subtypes.optional(),
      other: subtypes.optional(),
    })
    .optional(),
  update: z
    .strictObject({
      account_selection_enabled: z.boolean().optional(),
      reauthorization_enabled: z.boolean().optional(),
      user: z.boolean().optional(),
      item_ids: z.array(id).nullish(),
    })
    .optional(),
  transactions: z.strictObject({ days_requested: daysRequested.optional() }).optional(),
  hosted_link: z
    .strictObject({
      delivery_method: z.enum(["sms", "email"]).optional(),
      completion_redirect_uri: webhook.optional(),
      url_lifetime_seconds: z.number().int().min(1).optional(),
      is_mobile_app: z.boolean().optional(),
    })
    .optional(),
  enable_multi_item_link: z.boolean().optional(),
  user_token: text.optional(),
});

const transactionsSync = z.strictObject({
  ...withToken,
  cursor: z.string().max(256).optional(),
  count: z.number().int().min(1).max(500).optional(),
  options: z
    .strictObject({
      include_original_description: z.boolean().nullish(),
      include_personal_finance_category: z.boolean().optional(),
      include_logo_and_counterparty_beta: z.boolean().optional(),
      personal_finance_category_version: z.enum(["v1", "v2"]).optional(),
      days_requested: daysRequested.optional(),
      account_id: id.optional(),
    })
    .optional(),
});

const accountsOption = z.strictObject({ account_ids: accountIds.optional() }).optional();

/** By path. An endpoint that is not here does not exist. */
export const REQUEST_SHAPES = {
  "/link/token/create": linkTokenCreate,
  "/link/token/get": z.strictObject({ ...credentials, link_token: token }),
  "/item/public_token/exchange": z.strictObject({ ...credentials, public_token: token }),
  "/item/get": z.strictObject(withToken),
  "/item/remove": z.strictObject({
    ...withToken,
    reason_code: text.nullish(),
    reason_note: z.string().max(512).nullish(),
  }),
  "/item/webhook/update": z.strictObject({ ...withToken, webhook: webhook.nullish() }),
  "/item/access_token/invalidate": z.strictObject(withToken),
  "/accounts/get": z.strictObject({ ...withToken, options: accountsOption }),
  "/accounts/balance/get": z.strictObject({
    ...withToken,
    options: z
      .strictObject({
        account_ids: accountIds.optional(),
        min_last_updated_datetime: z.iso.datetime({ offset: true }).optional(),
      })
      .optional(),
    payment_details: anything.optional(),
  }),
  "/transactions/sync": transactionsSync,
  "/transactions/refresh": z.strictObject(withToken),
  "/liabilities/get": z.strictObject({ ...withToken, options: accountsOption }),
  "/investments/holdings/get": z.strictObject({ ...withToken, options: accountsOption }),
  "/investments/transactions/get": z.strictObject({
    ...withToken,
    start_date: date,
    end_date: date,
    options: z
      .strictObject({
        account_ids: accountIds.optional(),
        count: z.number().int().min(1).max(500).optional(),
        offset: z.number().int().min(0).optional(),
        async_update: z.boolean().optional(),
      })
      .optional(),
  }),
  "/institutions/get_by_id": z.strictObject({
    ...credentials,
    institution_id: id,
    country_codes: countries,
    options: z
      .strictObject({
        include_optional_metadata: z.boolean().nullish(),
        include_status: z.boolean().nullish(),
        include_auth_metadata: z.boolean().nullish(),
        include_payment_initiation_metadata: z.boolean().nullish(),
      })
      .optional(),
  }),
  "/webhook_verification_key/get": z.strictObject({ ...credentials, key_id: id }),
  "/sandbox/public_token/create": z.strictObject({
    ...credentials,
    institution_id: id,
    initial_products: products.min(1),
    options: z
      .strictObject({
        webhook: webhook.optional(),
        override_username: text.nullish(),
        override_password: text.nullish(),
        transactions: z
          .strictObject({
            days_requested: daysRequested.optional(),
            start_date: date.optional(),
            end_date: date.optional(),
          })
          .nullish(),
      })
      .optional(),
    user_token: text.optional(),
    user_id: text.optional(),
  }),
  "/sandbox/item/fire_webhook": z.strictObject({
    ...withToken,
    webhook_type: z
      .enum(["AUTH", "HOLDINGS", "INVESTMENTS_TRANSACTIONS", "ITEM", "LIABILITIES", "TRANSACTIONS", "ASSETS"])
      .optional(),
    webhook_code: z.enum([
      "DEFAULT_UPDATE",
      "NEW_ACCOUNTS_AVAILABLE",
      "SMS_MICRODEPOSITS_VERIFICATION",
      "AUTHORIZATION_GRANTED",
      "USER_PERMISSION_REVOKED",
      "USER_ACCOUNT_REVOKED",
      "PENDING_DISCONNECT",
      "RECURRING_TRANSACTIONS_UPDATE",
      "LOGIN_REPAIRED",
      "SYNC_UPDATES_AVAILABLE",
      "PRODUCT_READY",
      "ERROR",
    ]),
  }),
  "/sandbox/item/reset_login": z.strictObject(withToken),
  "/sandbox/transactions/create": z.strictObject({
    ...withToken,
    transactions: z
      .array(
        z.strictObject({
          date_transacted: date,
          date_posted: date,
          amount: z.number(),
          description: z.string().min(1),
          iso_currency_code: z.string().length(3).optional(),
        }),
      )
      .min(1)
      .max(10),
  }),
} as const satisfies Record<Endpoint, z.ZodType>;

export function isEndpoint(path: string): path is Endpoint {
  return Object.hasOwn(REQUEST_SHAPES, path);
}

/** @throws PlaidRefusal with UNKNOWN_FIELDS, MISSING_FIELDS or INVALID_FIELD, in this order of precedence. */
export function parseRequest<Path extends Endpoint>(path: Path, body: unknown): RequestOf<Path> {
  const parsed = REQUEST_SHAPES[path].safeParse(body);
  const data: unknown = parsed.data;
  if (parsed.success) return data as RequestOf<Path>;
  throw new PlaidRefusal(explain(parsed.error.issues, body));
}

function explain(issues: readonly z.core.$ZodIssue[], body: unknown) {
  const unknown = issues.flatMap((it) =>
    it.code === "unrecognized_keys" ? it.keys.map((key) => [...it.path, key].join(".")) : [],
  );
  if (unknown.length > 0) {
    return knownError(
      "UNKNOWN_FIELDS",
      `the following fields are not recognized by this endpoint: ${unknown.join(", ")}`,
    );
  }
  const missing = issues.filter((it) => valueAt(body, it.path) === undefined).map((it) => it.path.join("."));
  if (missing.length > 0) {
    return knownError("MISSING_FIELDS", `the following required fields are missing: ${missing.join(", ")}`);
  }
  const [first] = issues;
  return knownError("INVALID_FIELD", `${first?.path.join(".") || "body"}: ${first?.message ?? "invalid"}`);
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value = body;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
