import type { Instant } from "@florin/kernel";
import type { ItemStanding, LinkedItemStatus } from "./item-status.js";

/** A row's standing. The table's check allows these words alone. */
export function standingOf(item: {
  readonly status: string;
  readonly statusReason: string | null;
  readonly expiresAt: Instant | null;
  readonly hasNewAccounts: boolean;
}): ItemStanding {
  return {
    status: item.status as LinkedItemStatus,
    reason: item.statusReason ?? undefined,
    expiresAt: item.expiresAt ?? undefined,
    hasNewAccounts: item.hasNewAccounts,
  };
}
