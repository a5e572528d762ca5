import { armFaultPoints, disarmFaultPoints } from "@florin/resilience";
import {
  createTestDatabase,
  COMMIT_COMPLETE,
  eventually,
  startTcpProxy,
  type TcpProxy,
  type TestDatabase,
} from "@florin/testkit";
import {
  codesOf,
  dataOf,
  password,
  registerMutation,
  registerPerson,
  startPlatform,
  type Platform,
} from "./accounts-platform.js";

/** Two processes of the area on one database, each with a bus of its own; the second reaches PostgreSQL through a proxy. */
let testDatabase: TestDatabase;
let proxy: TcpProxy;
let one: Platform;
let other: Platform;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const { hostname, port } = new URL(testDatabase.url);
  proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
  const viaProxy = { url: proxy.url(testDatabase.url), drop: () => Promise.resolve() };
  // At the same moment: both find no signing key.
  [one, other] = await Promise.all([
    startPlatform({ onDatabase: testDatabase }),
    startPlatform({ onDatabase: viaProxy }),
  ]);
});

afterAll(async () => {
  await one.stop();
  await other.stop();
  await proxy.stop();
  await testDatabase.drop();
});

const loginMutation = "mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }";
const refreshMutation =
  "mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { accessToken refreshToken } }";
const openMutation = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id status } } }";
const meQuery = "query { me { id } }";

describe("two processes on one database", () => {
  test("sign with one key, and each accepts the other's tokens", async () => {
    const [active] = await one.database.sql<{ n: string }[]>`
      select count(*)::text as n from accounts.signing_key where state = 'ACTIVE'`;
    expect(active?.n).toBe("1");
    const person = await registerPerson(one);
    expect(dataOf(await other.call(meQuery, {}, { token: person.token }))).toEqual({ me: { id: person.id } });
  });

  test("load the demo data at the same moment, once", async () => {
    const [first, second] = await Promise.all([one.area.seedDemo(), other.area.seedDemo()]);
    expect(second).toEqual(first);
    const doubled = await one.database.sql`
      select email from accounts.app_user group by email having count(*) > 1`;
    expect(doubled).toHaveLength(0);
    expect(first.identities.map(({ accountIds }) => accountIds.length)).toEqual([1, 1, 1, 1, 1, 0, 0]);
  });

  test("count guesses together: ten in all, then the right password is refused by both", async () => {
    const { email } = await registerPerson(one);
    const guess = (platform: Platform, attempt: string) =>
      platform.call(loginMutation, { input: { identifier: email, password: attempt } });
    const guesses = await Promise.all(
      Array.from({ length: 20 }, (_, index) => guess(index % 2 === 0 ? one : other, `a wrong guess ${index}`)),
    );
    const codes = guesses.flatMap(codesOf);
    expect(codes.filter((code) => code === "RATE_LIMITED")).toHaveLength(10);
    expect(codesOf(await guess(one, password))).toEqual(["RATE_LIMITED"]);
    expect(codesOf(await guess(other, password))).toEqual(["RATE_LIMITED"]);
  });

  test("make one person and one account of equal calls to both", async () => {
    const input = { email: "both@example.test", password, fullName: "Both", country: "US", idempotencyKey: "both" };
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? one : other).call(registerMutation, { input })),
    );
    const people = answers.map((answer) => dataOf<{ register: { user: { id: string } } }>(answer).register.user.id);
    expect(new Set(people).size).toBe(1);

    const { token } = await registerPerson(one);
    const opening = { productId: "wallet", currency: "EUR", idempotencyKey: "open-both" };
    const opened = await Promise.all(
      [one, other, one, other].map((platform) => platform.call(openMutation, { input: opening }, { token })),
    );
    const accounts = opened.map(
      (answer) => dataOf<{ openAccount: { account: { id: string; status: string } } }>(answer).openAccount.account,
    );
    expect(new Set(accounts.map(({ id }) => id)).size).toBe(1);
    expect(accounts.every(({ status }) => status === "OPEN")).toBe(true);
  });

  test("give one successor for a refresh token that is spent at both at once", async () => {
    const { refreshToken } = await registerPerson(one);
    const answers = await Promise.all(
      [one, other, one, other].map((platform) => platform.call(refreshMutation, { input: { refreshToken } })),
    );
    const successors = answers.map(
      (answer) => dataOf<{ refreshSession: { refreshToken: string } }>(answer).refreshSession.refreshToken,
    );
    expect(new Set(successors).size).toBe(1);
  });

  test("refuse a session that was ended at the other", async () => {
    const person = await registerPerson(one);
    expect(dataOf(await one.call("mutation { logout }", {}, { token: person.token }))).toEqual({ logout: true });
    await eventually(
      async () => codesOf(await other.call(meQuery, {}, { token: person.token })).includes("UNAUTHENTICATED"),
      20_000,
    );
  });
});

/** Runs `work` while a COMMIT of the second process is done and not heard of. */
type LoseCommit = <T>(work: () => Promise<T>) => Promise<T>;

/** On the wire, on whichever of its connections comes first: now and then that is the relay's. */
const cutOnTheWire: LoseCommit = async (work) => {
  const cut = proxy.cutAfter(COMMIT_COMPLETE);
  const result = await work();
  expect(cut.hasFired).toBe(true);
  return result;
};

/** In the process, and surely the command's own. */
const failAfterCommit: LoseCommit = async (work) => {
  armFaultPoints({ faults: "accounts.command.after-commit:1:throw" });
  try {
    return await work();
  } finally {
    disarmFaultPoints();
  }
};

describe.each([
  ["on the wire", cutOnTheWire],
  ["in the process", failAfterCommit],
])("a COMMIT whose answer is lost %s", (where, loseCommit) => {
  test("makes a person and a wallet all the same, and says that it is no repetition", async () => {
    const name = `lost-${where.replaceAll(" ", "-")}`;
    const email = `${name}@example.test`;
    const input = { email, password, fullName: "Lost", country: "US", idempotencyKey: name };
    const answer = await loseCommit(() => other.call(registerMutation, { input }));
    const { register } = dataOf<{ register: { user: { id: string; accounts: { totalCount: number } } } }>(answer);
    expect(register.user.accounts.totalCount).toBe(1);
    expect(answer.extensions?.florin?.idempotencyReplayed).not.toBe(true);
    const again = await other.call(registerMutation, { input });
    expect(dataOf<{ register: { user: { id: string } } }>(again).register.user.id).toBe(register.user.id);
    expect(again.extensions?.florin?.idempotencyReplayed).toBe(true);
  });

  test("opens one account, and says so", async () => {
    const { token, id } = await registerPerson(other);
    const input = { productId: "wallet", currency: "KES", idempotencyKey: "lost-opening" };
    const answer = await loseCommit(() => other.call(openMutation, { input }, { token }));
    expect(dataOf(answer)).toMatchObject({ openAccount: { account: { status: "OPEN" } } });
    expect(answer.extensions?.florin?.idempotencyReplayed).not.toBe(true);
    const [owned] = await one.database.sql<{ n: string }[]>`
      select count(*)::text as n from accounts.account a join accounts.account_owner o using (account_id)
      where o.principal = ${id} and a.currency = 'KES'`;
    expect(owned?.n).toBe("1");
  });

  test("spends a refresh token once, and hands out the successor", async () => {
    const { refreshToken } = await registerPerson(other);
    const answer = await loseCommit(() => other.call(refreshMutation, { input: { refreshToken } }));
    const { refreshSession } = dataOf<{ refreshSession: { refreshToken: string } }>(answer);
    const again = await one.call(refreshMutation, { input: { refreshToken } });
    expect(dataOf(again)).toMatchObject({ refreshSession: { refreshToken: refreshSession.refreshToken } });
  });

  test("signs in and out", async () => {
    const { email } = await registerPerson(other);
    const input = { identifier: email, password };
    const { login } = dataOf<{ login: { accessToken: string } }>(
      await loseCommit(() => other.call(loginMutation, { input })),
    );
    const ended = await loseCommit(() => other.call("mutation { logout }", {}, { token: login.accessToken }));
    expect(dataOf(ended)).toEqual({ logout: true });
  });
});
