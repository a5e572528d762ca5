import { readFileSync } from "node:fs";

// What linked accounts were accepted by, each line with the tests that would notice. A test that is renamed or lost is missed here.

const sync = "subgraphs/accounts/test/linked-sync.test.ts";
const products = "subgraphs/accounts/test/linked-products.test.ts";
const webhooks = "subgraphs/accounts/test/linked-webhooks.test.ts";
const linking = "subgraphs/accounts/test/linked-linking.test.ts";
const custody = "subgraphs/accounts/test/linked-custody.test.ts";
const graph = "subgraphs/accounts/test/linked-graph.test.ts";
const adapter = "packages/plaid/test/adapter-faults.test.ts";
const limits = "packages/plaid/test/shared-limits.test.ts";

const accepted: Readonly<Record<string, readonly (readonly [file: string, name: string])[]>> = {
  "link → exchange → first sync NOT_READY → webhook → backfill equal to the simulator's log": [
    [sync, "waits for the webhook when nothing is ready, and then has everything that the institution has"],
  ],
  "mutation at every page boundary": [
    [sync, "meets a real change between its pages and has it too"],
    [sync, "begins again when the data moved before page %i, and nothing is lost or doubled"],
  ],
  "kill -9 between fetch and commit": [
    [
      "subgraphs/accounts/test/linked-deaths.test.ts",
      "a worker that is killed between fetch and commit leaves everything as it was, and the next one has everything",
    ],
    ["test/linked-many-processes.test.ts", "is killed, and a storm of webhooks doubles nothing"],
  ],
  "two workers and a webhook storm on one item: one cursor line, no lost update": [
    [sync, "keep one line of cursors: every change once, in order, and fewer runs than webhooks"],
  ],
  "pending → posted keeps the person's category": [
    [sync, "keeps what the person made of it"],
    [sync, "keeps it also when the institution does not say which it was, and there is one candidate"],
  ],
  "reset_login → state and banner → hosted update mode → LOGIN_REPAIRED also clears": [
    [
      webhooks,
      "a login that broke asks for a repair and stops the calls; the repair brings everything that was missed",
    ],
    [linking, "makes an item healthy, exchanges nothing, and takes away accounts that are no longer shared"],
    [
      "test/browser/linked-accounts.test.ts",
      "a login that the bank no longer takes is shown at once, and repaired in the browser",
    ],
  ],
  "PENDING_DISCONNECT still syncs": [
    [webhooks, "an item that will be disconnected still syncs, and says when it ends"],
  ],
  "NO_LIABILITY does not disturb holdings": [
    [products, "are each by themselves: one that does not apply disturbs no other"],
    [products, "a refusal of liabilities leaves holdings as they are and as fresh as they can be"],
  ],
  "a transient error never deletes holdings": [
    [
      products,
      "an error is no empty list: no failure of the institution hands over holdings, and the next success does",
    ],
  ],
  "a removed account is soft-deleted": [
    [products, "loses an account that is gone, softly, and its transactions with it; what comes back is there again"],
  ],
  "a duplicate link is refused before the exchange": [
    [linking, "is refused before the exchange, while another login at the same institution is not"],
  ],
  "a lost exchange response leaves no silent orphan": [
    [linking, "leaves no silent orphan: the attempt says LOST, the person what to do, the log what was made"],
  ],
  "item/remove with GONE codes succeeds": [[custody, "of an item that is gone at the institution's side succeeds"]],
  "key rotation in the midst of a stream": [
    [webhooks, "signed by a new key, and by another in the midst of a stream, is understood"],
  ],
  "all attack webhooks are 401 and no job": [[webhooks, "is refused, and moves nothing: every forgery there is"]],
  "replay of a valid webhook makes no second job": [
    [webhooks, "is answered and set to work once, however often the same delivery comes"],
  ],
  "five replicas stay inside one limit": [
    [limits, "stay together inside the limit of one item: Plaid never has to say so"],
    ["packages/plaid/test/redis-rate-limiter.test.ts", "stay inside it together, to the last call"],
  ],
  "the hostile user renders with nulls": [
    [sync, "takes everything that a hostile institution may send"],
    [
      "subgraphs/portfolio/test/liabilities.test.ts",
      "what an institution leaves out is null, what it invents is kept as it came, and all of it is shown",
    ],
  ],
  "canary tokens are absent from every log, text column, answer and payload": [
    [
      "test/linked-canaries.test.ts",
      "no token, secret or account number in any log, table, event or answer, whatever goes wrong",
    ],
    [graph, "answers its token to nobody: no row, no event, no line of the log and no answer has one"],
  ],
  "a redirect never leaks the secret": [[adapter, "never follows a redirect with the secret in hand: %d"]],
  "a misconfigured environment refuses to start": [
    [adapter, "refuses to start with %s"],
    ["apps/service/test/environment.test.ts", "refuses to start with %j"],
  ],
  "20 000 transactions and 40 accounts without loss, memory bounded": [
    [
      "subgraphs/accounts/test/linked-large.test.ts",
      "twenty thousand transactions in forty accounts come without loss, a page in memory at a time",
    ],
  ],
  "faults: nothing lost, nothing doubled, status shown": [
    ["subgraphs/accounts/test/linked-faults.test.ts", "%s: nothing is lost, nothing is doubled, and people see it"],
  ],
  "the breaker opens after five failures and decides in under 50 ms": [
    [adapter, "opens after five failures in a row, and refuses in less than 50 ms without a request"],
  ],
  "linked in a real browser, seen in the graph, changed by a webhook, pushed": [
    [
      "test/browser/linked-accounts.test.ts",
      "shows accounts, transactions, liabilities and holdings a moment after the page is done",
    ],
    [
      "test/browser/linked-accounts.test.ts",
      "a transaction at the bank arrives by webhook and is pushed to the subscription",
    ],
  ],
};

it.each(Object.entries(accepted))("%s", (_what, tests) => {
  for (const [file, name] of tests) {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
    expect([file, name, text.includes(name)]).toEqual([file, name, true]);
  }
});
