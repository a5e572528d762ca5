import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "@florin/testkit";
import {
  productsOf,
  request,
  standsAs,
  startLinkedPlatform,
  storedOf,
  truthOf,
  type LinkedLogin,
  type LinkedPlatform,
} from "./linked-platform.js";

const SYNC = "/transactions/sync";
let platform: LinkedPlatform;
let login: LinkedLogin;
beforeAll(async () => {
  platform = await startLinkedPlatform({ policy: { callDeadlineMs: 2_500 } });
  login = await platform.link("user_deposit_only", ["transactions"]);
  await platform.atRest(login.itemId);
});
afterAll(() => platform.stop());

type Fault = Parameters<LinkedPlatform["simulator"]["control"]["addFault"]>[0]["action"];

const faults: readonly (readonly [string, Fault, string])[] = [
  ["500", { kind: "status", status: 500 }, "FAILING"],
  ["a page of HTML for an answer", { kind: "html" }, "FAILING UNREADABLE_ANSWER"],
  ["a page of HTML with 502", { kind: "status", status: 502 }, "FAILING"],
  ["nothing for so long", { kind: "hang" }, "FAILING TIMEOUT"],
  ["a reset after the work was done", { kind: "reset", when: "after" }, "FAILING CONNECTION_LOST"],
  ["half an answer", { kind: "truncate" }, "FAILING"],
  ["a redirect", { kind: "redirect", location: "http://127.0.0.1:9/elsewhere" }, "FAILING REDIRECT_REFUSED"],
  ["too many calls", { kind: "rate-limit", errorCode: "TRANSACTIONS_SYNC_LIMIT" }, "FAILING TRANSACTIONS_SYNC_LIMIT"],
  ["an institution that is down", { kind: "error", errorCode: "INSTITUTION_DOWN" }, "FAILING INSTITUTION_DOWN"],
];

describe("an institution that answers badly", () => {
  test.each(faults)("%s: nothing is lost, nothing is doubled, and people see it", async (name, action, shown) => {
    const { control } = platform.simulator;
    const before = await storedOf(platform, login);
    // Not at the first call: the run is in its midst.
    const { id } = control.addFault({ match: { endpoint: SYNC, itemId: login.plaidItemId, nthCall: 2 }, action });
    control.items.changeTransactions(login.plaidItemId, {
      add: Array.from({ length: 30 }, (_, at) => ({ amount: at + 0.5, name: `${name} ${at}` })),
      remove: before.slice(0, 1).map(({ plaidId }) => plaidId),
    });
    await request(platform, login, "TRANSACTIONS");
    await eventually(async () => (await productsOf(platform, login))["TRANSACTIONS"]?.startsWith(shown), 15_000);
    expect(await storedOf(platform, login)).toEqual(before);
    expect(control.faults().find((one) => one.id === id)?.struck).toBeGreaterThan(0);

    control.removeFaults(id);
    await eventually(async () => {
      await request(platform, login, "TRANSACTIONS");
      await platform.atRest(login.itemId);
      return (await productsOf(platform, login))["TRANSACTIONS"] === "READY";
    }, 15_000);
    expect(await storedOf(platform, login)).toEqual(truthOf(platform, login));
    expect(await standsAs(platform, login)).toBe("HEALTHY");
  });

  test("every call is kept without what was said, and no token stands in any line of the log", async () => {
    await eventually(async () => {
      const calls = await platform.database.sql<{ outcome: string }[]>`
        select distinct outcome from accounts.plaid_call where item_id = ${login.itemId}`;
      return calls.length >= 3;
    });
    expect(platform.logLines.filter((line) => /access-sandbox|public-sandbox/.test(line))).toEqual([]);
  });
});
