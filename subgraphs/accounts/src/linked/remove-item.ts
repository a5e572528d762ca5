import { findRemoval, purgeItem, saveRemoteOutcome, type RemoteOutcome } from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { KeyError, PlaidCallError, VaultError } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { openItemToken, type LinkParts } from "./link-parts.js";

/**
 * After the tombstone: the institution, then the purge. Each step is written down before the next begins, and each may be done twice:
 * "gone" from the institution is success, a purge of nothing changes nothing. Rejects when it is to be tried again.
 */
export async function removeItem(parts: LinkParts, itemId: Uuid): Promise<void> {
  const { sql } = parts.database;
  const removal = await findRemoval(sql, itemId);
  if (removal === undefined) throw new Error(`item ${itemId} has no request to be removed; ask for one first`);
  if (removal.purgedAt !== null) return;
  if (removal.remoteOutcome === null) {
    faultPoint("accounts.remove.before-call");
    const { outcome, requestId } = await removeAtPlaid(parts, itemId);
    faultPoint("accounts.remove.after-call");
    await saveRemoteOutcome(sql, itemId, outcome, requestId, parts.clock.now());
  }
  faultPoint("accounts.remove.before-purge");
  await parts.transact((tx) => purgeItem(tx, itemId, parts.clock.now()));
  faultPoint("accounts.remove.after-purge");
}

interface Removed {
  readonly outcome: RemoteOutcome;
  readonly requestId: string | undefined;
}

async function removeAtPlaid(parts: LinkParts, itemId: Uuid): Promise<Removed> {
  const accessToken = await openItemToken(parts, itemId).catch((error: unknown) => {
    if (!(error instanceof VaultError || error instanceof KeyError)) throw error;
    parts.logger.error(
      { err: error, itemId },
      "A removed item's token does not open; ask Plaid's support to remove it.",
    );
    return undefined;
  });
  if (accessToken === undefined) return { outcome: "NO_TOKEN", requestId: undefined };
  try {
    const { requestId } = await parts.plaid.removeItem({ accessToken, itemKey: itemId });
    return { outcome: "REMOVED", requestId };
  } catch (error) {
    if (error instanceof PlaidCallError && error.class === "GONE")
      return { outcome: "GONE", requestId: error.requestId };
    throw error;
  }
}
