import { asUuid, instantFromMicros, type Amount, type CurrencyCode, type Json } from "@florin/kernel";
import { commandFromJson, commandToJson } from "./command-json.js";
import type { LedgerCommand } from "./command.js";

const base = {
  commandId: asUuid("018f3a5c-7b2e-7d41-9c3f-0a1b2c3d4e5f"),
  principal: "usr_ada",
  idempotencyKey: "key",
  fingerprint: "f".repeat(64),
  correlationId: "correlation",
  createdAt: instantFromMicros(1_769_850_000_123_456n),
};
const money = { amount: 123_450_001n as Amount, currency: "USD" as CurrencyCode };
const accountId = asUuid("018f3a5c-7b2e-7d41-9c3f-0a1b2c3d4e60");
const posting: LedgerCommand = {
  ...base,
  kind: "posting",
  type: "DEPOSIT",
  valueAt: instantFromMicros(1_769_850_000_000_001n),
  details: { reference: "rent", nested: [1, null, { deep: true }] },
  instructions: [
    {
      type: "INBOUND_HARD_SETTLEMENT",
      target: { accountId },
      counterparty: { internalCode: "CASH_IN" },
      money,
      clientTransactionId: "order-1",
      advice: true,
      details: { channel: "atm" },
    },
  ],
  account: accountId,
  amount: money,
};

const usd = "USD" as CurrencyCode;
const target = { accountId };
const counterparty = { internalCode: "CARD_SETTLEMENT" };
const everyType: LedgerCommand = {
  ...base,
  kind: "posting",
  type: "OTHER",
  clientId: "ptr_other",
  origin: "CLIENT",
  permissions: ["posting.address"],
  emittedBy: { accountId, cascadeDepth: 2 },
  reversal: { id: accountId, mode: "AT_ORIGINAL_VALUE" },
  instructions: [
    { type: "OUTBOUND_HARD_SETTLEMENT", target, counterparty, money, relatedClientTransactionId: "late" },
    { type: "TRANSFER", target, counterparty: target, money, overrideRestrictions: ["PREVENT_DEBITS"] },
    { type: "INBOUND_AUTHORISATION", target, counterparty, money, clientTransactionId: "in", paymentDevice: "card-1" },
    {
      type: "OUTBOUND_AUTHORISATION",
      target,
      counterparty,
      money,
      expiresAfterMicros: 604_800_000_001n,
      onExpired: "CONVERT_TO_HARD_SETTLEMENT",
      allowOverSettlement: false,
    },
    { type: "AUTHORISATION_ADJUSTMENT", clientTransactionId: "in", delta: "-1.50" },
    { type: "AUTHORISATION_ADJUSTMENT", clientTransactionId: "in", replaceTo: "0" },
    { type: "SETTLEMENT", clientTransactionId: "in", amount: "2.00", final: true, target },
    { type: "RELEASE", clientTransactionId: "in" },
    {
      type: "CUSTOM_INSTRUCTION",
      legs: [
        { account: target, address: "POT", phase: "COMMITTED", side: "DEBIT", money: { ...money, currency: usd } },
      ],
      fx: { rate: "1.08", rateSource: "ECB", rateTimestamp: "2026-01-31T00:00:00Z" },
      truesUp: [accountId],
    },
  ],
};

test.each<[string, LedgerCommand]>([
  ["a posting", posting],
  ["a posting of every type", everyType],
  [
    "an opening",
    {
      ...base,
      kind: "account.open",
      accountId,
      owners: ["usr_ada"],
      product: "wallet",
      currency: "USD",
      parameters: {},
      changeId: "acct_x",
    },
  ],
  ["a closing", { ...base, kind: "account.close", accountId, causationId: "evt_x" }],
])("%s reads back from the text that PostgreSQL keeps, to the last digit", (_what, command) => {
  const stored = JSON.parse(JSON.stringify(commandToJson(command))) as Json;
  expect(commandFromJson(stored)).toEqual(command);
});

test.each<[string, (json: { [name: string]: Json }) => Json]>([
  ["an unknown kind", (json) => ({ ...json, kind: "posting.v2" })],
  ["money as a number", (json) => ({ ...json, amount: { amount: 12.5, currency: "USD" } })],
  ["an unknown currency", (json) => ({ ...json, amount: { amount: "1.00", currency: "XXX" } })],
  ["a time that is none", (json) => ({ ...json, createdAt: "yesterday" })],
  ["an id that is none", (json) => ({ ...json, commandId: "op_1" })],
  ["an instruction of a type that nobody knows", (json) => withInstruction(json, { type: "WISH" })],
  [
    "a member that nobody knows",
    (json) => withInstruction(json, { type: "RELEASE", clientTransactionId: "x", sum: "1" }),
  ],
  ["a follow-up of nothing", (json) => withInstruction(json, { type: "RELEASE" })],
  [
    "an adjustment by and to",
    (json) =>
      withInstruction(json, { type: "AUTHORISATION_ADJUSTMENT", clientTransactionId: "x", delta: "1", replaceTo: "1" }),
  ],
])("is no command: %s", (_what, change) => {
  const stored = JSON.parse(JSON.stringify(commandToJson(posting))) as { [name: string]: Json };
  expect(() => commandFromJson(change(stored))).toThrow();
});

function withInstruction(json: { [name: string]: Json }, instruction: Json): Json {
  return { ...json, instructions: [instruction] };
}
