import type { Area } from "@florin/kernel";

/**
 * Groups that must be there before a stream is delivered: an event published to nobody would count as delivered. By name, so that a process
 * of one area loads no other; a test holds them against the areas' own.
 */
export const expectedGroups: Readonly<Record<Area, readonly string[]>> = {
  accounts: ["ledger.account-commands", "portfolio.linked"],
  ledger: ["accounts", "portfolio.balances"],
  portfolio: [],
};
