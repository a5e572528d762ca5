import { cachedArea, createFetchFilter, type CachedArea } from "../../src/response-cache/cacheable-fetch.js";

const mayKeep = createFetchFilter();
const entities = (type: string) =>
  `query($representations:[_Any!]!){_entities(representations:$representations){...on ${type}{id}}}`;

test.each<[CachedArea, string]>([
  ["accounts", "{linkedAccounts{edges{node{id}}}}"],
  ["accounts", "query Mine__accounts__0($id:ID){virtualAccount(id:$id){items{id}}}"],
  ["accounts", "{a:linkedAccount(id:1){id} linkedItem(id:1){id}}"],
  ["accounts", entities("LinkedAccount")],
  ["portfolio", "{investments{holdings{quantity}} liabilities{credit{isOverdue}}}"],
  ["portfolio", entities("LinkedAccount")],
])("kept: %s %s", (area, query) => {
  expect(mayKeep(area, query)).toBe(true);
});

test.each<[CachedArea, string]>([
  ["accounts", "{me{id}}"],
  ["accounts", "{linkedAccounts{totalCount} accounts{totalCount}}"],
  ["accounts", "{linkedAccounts:accounts{totalCount}}"],
  ["accounts", "mutation{linkedAccount{id}}"],
  ["accounts", "{...F} fragment F on Query{linkedAccounts{totalCount}}"],
  ["accounts", "{...on Query{linkedAccounts{totalCount}}}"],
  ["accounts", entities("Account")],
  ["accounts", entities("LinkedAccount").replace("{id}}", "{id}...on Account{id}}")],
  ["accounts", "{_entities(representations:[]){__typename}}"],
  ["accounts", "{investments{holdings{quantity}}}"],
  ["accounts", "query A{linkedAccounts{totalCount}} query B{me{id}}"],
  ["portfolio", "{netWorth{total{amount}}}"],
  ["portfolio", "{investments{holdings{quantity}} netWorth{total{amount}}}"],
  ["portfolio", `{cashFlow(from:"2026-01-01",to:"2026-02-01",interval:DAY){in{amount}}}`],
])("never kept: %s %s", (area, query) => {
  expect(mayKeep(area, query)).toBe(false);
});

test.each(["ledger", "events", "payments"])("nothing of %s is kept", (subgraph) => {
  expect(cachedArea(subgraph)).toBeUndefined();
});
