import type { Clock, EventEnvelope, IdSource, NewEvent } from "@florin/kernel";

export interface EventSource {
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** Ids at the border: `usr_…`, `lit_…`. */
export interface PortfolioUpdate {
  readonly userId: string;
  readonly itemId: string;
  /** Of the linked data: ACCOUNTS, TRANSACTIONS, LIABILITIES, HOLDINGS, INVESTMENT_TRANSACTIONS. */
  readonly products: readonly string[];
}

/** `portfolio.updated`: what this area shows of an item is another than before. No figures: whoever hears it reads again. */
export function portfolioUpdated(source: EventSource, update: PortfolioUpdate, cause: EventEnvelope): NewEvent {
  const { userId, itemId, products } = update;
  return {
    eventId: source.ids.next(),
    key: itemId,
    type: "portfolio.updated",
    schemaVersion: 1,
    occurredAt: source.clock.now(),
    correlationId: cause.correlationId,
    causationId: cause.eventId,
    audience: [userId, "role:staff", "role:auditor"],
    payload: { userId, itemId, products },
  };
}
