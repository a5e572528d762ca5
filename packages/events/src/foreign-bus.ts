import type { Area } from "@florin/kernel";

/**
 * The bus carries another database's events under our positions: what is published would pass for repetitions, and what was delivered
 * there would count as delivered here.
 */
export class ForeignBus extends Error {
  override readonly name = "ForeignBus";

  constructor(stream: Area, sign: string) {
    super(
      `The bus holds events of ${stream} that the outbox does not have (${sign}): it belongs to another database, or this one was set ` +
        "back. Give each database a bus (or key prefix) of its own, or empty the bus; the outbox fills it again.",
    );
  }
}
