// Derives JSON Schemas (draft-07) from the types that the `plaid` package publishes, and writes them to the file named.
// A program of its own because the generator brings the whole TypeScript compiler along: plaid-schemas.ts runs it when it has no
// result of these very types yet.
//
//   node generate-plaid-schemas.mjs <api.d.ts> <out.json>
import { renameSync, writeFileSync } from "node:fs";
import { createGenerator } from "ts-json-schema-generator";

const REQUESTS_AND_RESPONSES = [
  "LinkTokenCreate",
  "LinkTokenGet",
  "ItemPublicTokenExchange",
  "AccountsGet",
  "TransactionsSync",
  "TransactionsRefresh",
  "LiabilitiesGet",
  "InvestmentsHoldingsGet",
  "InvestmentsTransactionsGet",
  "InvestmentsRefresh",
  "ItemGet",
  "ItemRemove",
  "ItemWebhookUpdate",
  "ItemAccessTokenInvalidate",
  "WebhookVerificationKeyGet",
  "InstitutionsGetById",
  "SandboxPublicTokenCreate",
  "SandboxItemFireWebhook",
  "SandboxItemResetLogin",
  "SandboxTransactionsCreate",
];
const OTHERS = ["AccountsBalanceGetRequest", "PlaidError"];
const WEBHOOKS = [
  "SyncUpdatesAvailable",
  "InitialUpdate",
  "HistoricalUpdate",
  "DefaultUpdate",
  "TransactionsRemoved",
  "RecurringTransactionsUpdate",
  "LiabilitiesDefaultUpdate",
  "HoldingsDefaultUpdate",
  "InvestmentsDefaultUpdate",
  "InvestmentsHistoricalUpdate",
  "ItemError",
  "ItemLoginRepaired",
  "ItemProductReady",
  "PendingExpiration",
  "PendingDisconnect",
  "NewAccountsAvailable",
  "UserPermissionRevoked",
  "UserAccountRevoked",
  "WebhookUpdateAcknowledged",
  "LinkSessionFinished",
  "ItemAddResult",
];

const DATE = "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$";
const DATE_TIME = "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$";
// Nullable in Plaid's specification, not in the types: the generator of the types lost it.
const LOST_NULLS = [
  ["StudentLoanStatus", "type"],
  ["StudentRepaymentPlan", "type"],
  ["LinkTokenCreateRequestUser", "name"],
  ["LinkTokenCreateRequestUser", "address"],
  ["LinkTokenCreateRequestUser", "id_number"],
];

const [types, out] = process.argv.slice(2);
const generator = createGenerator({
  path: types,
  skipTypeCheck: true,
  additionalProperties: true,
  topRef: true,
  expose: "export",
  jsDoc: "none",
});

const roots = [
  ...REQUESTS_AND_RESPONSES.flatMap((name) => [`${name}Request`, `${name}Response`]),
  ...OTHERS,
  ...WEBHOOKS.map((name) => `${name}Webhook`),
];
const definitions = Object.assign({}, ...roots.map((name) => generator.createSchema(name).definitions));

// The types say `string` where the specification says date: told by the names.
for (const definition of Object.values(definitions)) {
  for (const [name, property] of Object.entries(definition.properties ?? {})) {
    const pattern = patternOf(name);
    if (pattern === undefined) continue;
    if (isPlainString(property)) property.pattern = pattern;
    for (const either of property.anyOf ?? []) {
      if (either.items !== undefined && isPlainString(either.items)) either.items.pattern = pattern;
    }
  }
  // A nullable enum gained the text "null" as a member.
  if (Array.isArray(definition.enum)) definition.enum = definition.enum.filter((member) => member !== "null");
}
for (const [name, property] of LOST_NULLS) {
  const { properties } = definitions[name];
  if (properties[property] === undefined) throw new Error(`${name}.${property} is gone: look at LOST_NULLS again`);
  properties[property] = { anyOf: [properties[property], { type: "null" }] };
}

const whole = JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", definitions });
// In one step: another test run may be reading.
writeFileSync(`${out}.${process.pid}`, whole);
renameSync(`${out}.${process.pid}`, out);

function patternOf(name) {
  if (/(^|_)dates?$|_as_of$/.test(name)) return DATE;
  if (/(datetime|_at|_time|_update|^expiration)$/.test(name) && !/verified/.test(name)) return DATE_TIME;
  return undefined;
}

function isPlainString({ type, enum: members }) {
  return members === undefined && (type === "string" || (Array.isArray(type) && type.includes("string")));
}
