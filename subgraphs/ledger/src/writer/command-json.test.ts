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

test.each<[string, LedgerCommand]>([
  ["a posting", posting],
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
])("is no command: %s", (_what, change) => {
  const stored = JSON.parse(JSON.stringify(commandToJson(posting))) as { [name: string]: Json };
  expect(() => commandFromJson(change(stored))).toThrow();
});
