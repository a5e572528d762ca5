import { appendOutbox, type Transaction } from "@florin/db";
import { lockItem, purgeItem } from "@florin/db/portfolio";
import type { EventHandler } from "@florin/events";
import { removalPayload } from "@florin/linked-data";
import type { z } from "zod";
import { portfolioUpdated } from "../portfolio-events.js";
import type { ConsumerParts } from "../services.js";
import { idOf } from "../snapshot-rows.js";

const PRODUCTS = ["ACCOUNTS", "TRANSACTIONS", "LIABILITIES", "HOLDINGS", "INVESTMENT_TRANSACTIONS"] as const;

/** `linked_item.removed`: everything of the item goes, history too; what is counted stays. Pages that come later are dropped. */
export function removeItem(parts: ConsumerParts): EventHandler<Transaction, z.infer<typeof removalPayload>> {
  return {
    parse: (json) => removalPayload.parse(json),
    apply: async (tx, event, { itemId, userId }) => {
      const item = idOf("linkedItem", itemId);
      const { isRemoved } = await lockItem(tx, item);
      if (isRemoved) return;
      await purgeItem(tx, { itemId: item, userId: idOf("user", userId), removedAt: parts.clock.now() });
      await appendOutbox(tx, "portfolio", [portfolioUpdated(parts, { userId, itemId, products: PRODUCTS }, event)]);
      return () => parts.wakeRelay();
    },
  };
}
