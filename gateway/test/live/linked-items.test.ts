import { follow, startLive, until, type Followed, type LiveWorld } from "./live-client.js";
import { itemId } from "./memory-stream.js";

const query = `subscription Items($id: ID) { linkedItemUpdated(virtualAccountId: $id) { id status } }`;
const [first, second, third] = [itemId(1), itemId(2), itemId(3)] as const;

let live: LiveWorld;
beforeEach(async () => {
  live = await startLive();
  live.world.items.set(first, { owner: "usr_ada", status: "HEALTHY" });
  live.world.items.set(second, { owner: "usr_ada", status: "LOGIN_REQUIRED" });
  live.world.items.set(third, { owner: "usr_bo", status: "HEALTHY" });
});
afterEach(async () => {
  await live.stop();
  expect(live.live.counts()).toEqual({ sockets: 0, subscriptions: 0, groups: 0, feeds: 0 });
  expect(live.accounts.taps.size).toBe(0);
  expect(live.logged).toEqual([]);
});

const subscribe = (token: string, variables: Record<string, unknown> = {}) =>
  follow(live.client(token), query, variables);
const seen = (followed: Followed) =>
  followed.data.map(({ linkedItemUpdated: item }) => [item?.["id"], item?.["status"]]);
const emissions = (followed: Followed, count: number) =>
  until(`${count} emissions`, () => followed.data.length >= count);

/** As accounts does it: the state first, then its event. */
function change(id: string, status: string, isHidden = false): void {
  const owner = live.world.items.get(id)?.owner ?? "";
  live.world.items.set(id, { owner, status, isHidden });
  const payload = { itemId: id, status, reason: null };
  live.accounts.publish("linked_item.updated", id, [owner, "role:staff", "role:auditor"], payload);
}

test("every item as it is comes first, then each one when it changes", async () => {
  const followed = subscribe("usr_ada");
  await emissions(followed, 2);
  change(second, "HEALTHY");
  await emissions(followed, 3);
  change(first, "EXPIRING");
  await emissions(followed, 4);
  expect(seen(followed)).toEqual([
    [first, "HEALTHY"],
    [second, "LOGIN_REQUIRED"],
    [second, "HEALTHY"],
    [first, "EXPIRING"],
  ]);
});

test("an item that is linked later appears, with and without naming the virtual account", async () => {
  const both = [subscribe("usr_ada"), subscribe("usr_ada", { id: "vac_ada" })];
  await Promise.all(both.map((followed) => emissions(followed, 2)));
  live.world.items.set(itemId(4), { owner: "usr_ada", status: "HEALTHY" });
  change(itemId(4), "HEALTHY");
  await Promise.all(both.map((followed) => emissions(followed, 3)));
  for (const followed of both) expect(seen(followed)[2]).toEqual([itemId(4), "HEALTHY"]);
});

test("a removed item is shown once more, though the list names it no longer, and the subscription goes on", async () => {
  const both = [subscribe("usr_ada"), subscribe("usr_ada", { id: "vac_ada" })];
  await Promise.all(both.map((followed) => emissions(followed, 2)));
  change(first, "REMOVED", true);
  change(second, "HEALTHY");
  await Promise.all(both.map((followed) => emissions(followed, 4)));
  for (const followed of both) {
    expect(seen(followed).slice(2)).toEqual([
      [first, "REMOVED"],
      [second, "HEALTHY"],
    ]);
    expect(followed.end).toBeUndefined();
  }
});

test("somebody who has linked nothing sees nothing, until the first item", async () => {
  const followed = subscribe("usr_carla");
  await until("the subscription", () => live.live.counts().subscriptions === 1);
  live.world.items.set(itemId(5), { owner: "usr_carla", status: "HEALTHY" });
  change(first, "EXPIRING");
  change(itemId(5), "HEALTHY");
  await emissions(followed, 1);
  expect(seen(followed)).toEqual([[itemId(5), "HEALTHY"]]);
});

test("another person's virtual account is not there", async () => {
  const followed = subscribe("usr_bo", { id: "vac_ada" });
  await until("the refusal", () => followed.end !== undefined);
  expect(followed.end).toMatchObject([{ extensions: { code: "NOT_FOUND" } }]);
  expect(followed.data).toEqual([]);
});

test("staff follow the virtual account they name and nobody else's; without a name they follow nobody", async () => {
  const named = subscribe("usr_staff;STAFF", { id: "vac_ada" });
  const unnamed = subscribe("usr_staff;STAFF");
  await until("both subscriptions", () => live.live.counts().subscriptions === 2);
  await emissions(named, 2);
  change(third, "EXPIRING");
  change(first, "EXPIRING");
  await emissions(named, 3);
  expect(seen(named)[2]).toEqual([first, "EXPIRING"]);
  expect(seen(unnamed)).toEqual([]);
});

test("each state is read from what has reached its event, whatever a replica lags", async () => {
  live.accounts.publish("session.revoked", "ses_1", [], { sessionId: "ses_1" });
  const followed = subscribe("usr_ada");
  await emissions(followed, 2);
  change(first, "EXPIRING");
  await emissions(followed, 3);
  expect(live.consistencies).toEqual(["accounts=1", "accounts=1", "accounts=1", "accounts=2"]);
});

test("of a virtual account whose last item was removed nothing is lost when something is linked again", async () => {
  const followed = subscribe("usr_staff;STAFF", { id: "vac_ada" });
  await emissions(followed, 2);
  change(first, "REMOVED", true);
  change(second, "REMOVED", true);
  change(third, "EXPIRING"); // somebody else's: looked up, and Ada's is not there
  live.world.items.set(itemId(6), { owner: "usr_ada", status: "HEALTHY" });
  change(itemId(6), "HEALTHY");
  await emissions(followed, 5);
  expect(seen(followed).at(-1)).toEqual([itemId(6), "HEALTHY"]);
  expect(followed.errors).toEqual([]);
});

test("events of other kinds, and payloads that nobody promised, show nothing", async () => {
  const followed = subscribe("usr_ada");
  await emissions(followed, 2);
  live.accounts.publish("linked_item.snapshot", first, ["usr_ada"], { itemId: first });
  live.accounts.publish("linked_item.updated", first, ["usr_ada"], { item: first });
  live.accounts.publish("linked_item.updated", first, ["usr_ada"], null);
  change(first, "EXPIRING");
  await emissions(followed, 3);
  expect(seen(followed)[2]).toEqual([first, "EXPIRING"]);
});

test("an event that the bus lost is read from the log with the next one", async () => {
  const followed = subscribe("usr_ada");
  await emissions(followed, 2);
  live.world.items.set(second, { owner: "usr_ada", status: "EXPIRING" });
  live.accounts.append("linked_item.updated", second, ["usr_ada"], { itemId: second });
  change(first, "EXPIRING");
  await emissions(followed, 4);
  expect(seen(followed).slice(2)).toEqual([
    [second, "EXPIRING"],
    [first, "EXPIRING"],
  ]);
});
