import { ACCOUNTS_CONSUMER } from "@florin/subgraph-accounts";
import { PORTFOLIO_BALANCES_CONSUMER, PORTFOLIO_LINKED_CONSUMER } from "@florin/subgraph-portfolio";
import { expectedGroups } from "../src/expected-groups.js";

test("names the areas' own consumers, so that nothing is published to nobody", () => {
  expect(expectedGroups.ledger).toEqual([ACCOUNTS_CONSUMER, PORTFOLIO_BALANCES_CONSUMER]);
  expect(expectedGroups.accounts).toContain(PORTFOLIO_LINKED_CONSUMER);
});
