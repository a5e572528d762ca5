import type { AccountStatus } from "@florin/db/accounts";
import { instantFromMicros } from "@florin/kernel";
import { planAccountChange, type LedgerAnswer } from "./account-lifecycle.js";

const rejection = { code: "PRODUCT_UNKNOWN", message: "No such product." };
const at = instantFromMicros(1n);
const answers: Record<string, LedgerAnswer> = {
  opened: { kind: "opened", productId: "prod_1", productVersionId: "prdv_1", parameters: {}, openedAt: at },
  rejected: { kind: "rejected", rejection },
  closed: { kind: "closed", closedAt: at },
  closeRejected: { kind: "close-rejected", rejection },
};
const statuses: AccountStatus[] = ["PENDING", "OPEN", "PENDING_CLOSURE", "CLOSED", "REJECTED", "MIGRATING"];
const moves: Record<string, Partial<Record<AccountStatus, AccountStatus>>> = {
  opened: { PENDING: "OPEN" },
  rejected: { PENDING: "REJECTED" },
  closed: { OPEN: "CLOSED", PENDING_CLOSURE: "CLOSED" },
  closeRejected: { PENDING_CLOSURE: "OPEN" },
};
const table = Object.keys(answers).flatMap((name) =>
  statuses.map((status) => [name, status, moves[name]?.[status] ?? status] as const),
);

describe("an answer of the ledger", () => {
  test.each(table)("%s makes of %s: %s", (name, status, next) => {
    expect(planAccountChange({ status, ledgerPosition: 4n }, answers[name]!, 5n)).toMatchObject({
      status: next,
      ledgerPosition: 5n,
    });
  });

  test.each(table)("%s on %s changes nothing when it is not newer", (name, status) => {
    expect(planAccountChange({ status, ledgerPosition: 5n }, answers[name]!, 5n)).toBeUndefined();
    expect(planAccountChange({ status, ledgerPosition: 5n }, answers[name]!, 4n)).toBeUndefined();
  });
});
