import type { Viewer } from "@florin/auth";
import type { Transaction } from "@florin/db";
import { requestJobs, takeBudget, type LinkedItemRecord, type LinkedJobKind } from "@florin/db/accounts";
import { RequestError } from "@florin/kernel";
import type { RequestFacts, Services } from "../services.js";
import { changeOwnItem, type ItemInput, type ItemOutcome } from "./linked-command.js";

/** In a day and for one person: requests that cost calls at the institution (linked-accounts.md §5.8). */
const REFRESHES_PER_DAY = 200;
const RETRY_AFTER_MS = 3_600_000;

/** Everything that is free to read. Balances of the institution itself are paid for, and have a mutation of their own. */
const everything = ["ITEM", "ACCOUNTS", "TRANSACTIONS", "LIABILITIES", "HOLDINGS", "INVESTMENT_TRANSACTIONS"] as const;

export async function refreshLinkedItem(
  services: Services,
  viewer: Viewer,
  input: ItemInput,
  facts: RequestFacts,
): Promise<ItemOutcome> {
  const outcome = await changeOwnItem(services, viewer, input, "refreshLinkedItem", (tx, item) =>
    request(services, tx, item, everything, facts),
  );
  return { ...outcome, position: undefined };
}

/** The worker asks for them within its budget, and not at all what is fresh. */
export async function refreshLinkedBalances(
  services: Services,
  viewer: Viewer,
  input: ItemInput,
  facts: RequestFacts,
): Promise<ItemOutcome> {
  const outcome = await changeOwnItem(services, viewer, input, "refreshLinkedBalances", (tx, item) =>
    request(services, tx, item, ["BALANCES"], facts),
  );
  return { ...outcome, position: undefined };
}

async function request(
  services: Services,
  tx: Transaction,
  item: LinkedItemRecord,
  kinds: readonly LinkedJobKind[],
  { correlationId }: RequestFacts,
): Promise<void> {
  if (item.removedAt !== null) return;
  const at = services.clock.now();
  const scope = `refresh:${item.userId}`;
  if ((await takeBudget(tx, at, [{ scope, limit: REFRESHES_PER_DAY }])) !== undefined)
    throw new RequestError("RATE_LIMITED", "Refreshed too often today. What was read last is shown.", {
      retryAfterMs: RETRY_AFTER_MS,
    });
  await requestJobs(tx, item.itemId, kinds, { at, correlationId });
}
