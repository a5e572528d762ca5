import {
  codesOf,
  dataOf,
  faultsOf,
  password,
  registerMutation,
  startPlatform,
  type Platform,
  type Registered,
} from "./accounts-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const valid = { email: "new@example.test", password, fullName: "New Person", country: "US", idempotencyKey: "key-1" };
const register = (input: Record<string, unknown>) => platform.call(registerMutation, { input });

async function countOf(table: string): Promise<number> {
  const [row] = await platform.database.sql<{ n: number }[]>`
    select count(*)::integer as n from ${platform.database.sql(table)}`;
  return row!.n;
}

describe("register", () => {
  test("gives a person, a session and an open wallet in the country's currency", async () => {
    const response = await register({ ...valid, email: " Ada@Example.Test", country: "ke", idempotencyKey: "ada" });
    const { register: registered } = dataOf<{ register: Registered }>(response);
    expect(registered).toMatchObject({
      expiresIn: 600,
      user: {
        id: expect.stringMatching(/^usr_/) as string,
        email: "ada@example.test",
        phone: null,
        accounts: { totalCount: 1, edges: [{ node: { status: "OPEN", currency: "KES", productId: "prod_wallet" } }] },
      },
    });
    const viewer = await platform.area.verifyViewer(registered.accessToken);
    expect(viewer).toMatchObject({ principal: registered.user.id, roles: ["CUSTOMER"], scopes: [] });
    expect(response.extensions?.florin).toMatchObject({
      written: { accounts: expect.stringMatching(/^\d+$/) as string },
    });
  });

  test("takes a phone number, written as its country writes it", async () => {
    const response = await register({
      ...valid,
      email: undefined,
      phone: "0712 345 678",
      country: "KE",
      idempotencyKey: "phone",
    });
    expect(dataOf<{ register: Registered }>(response).register.user.phone).toBe("+254712345678");
  });

  test("replays with the right password: the same person, new tokens, marked as replayed", async () => {
    const input = { ...valid, email: "replay@example.test", idempotencyKey: "replay" };
    const first = dataOf<{ register: Registered }>(await register(input)).register;
    const response = await register({ ...input, email: "REPLAY@example.test" });
    const second = dataOf<{ register: Registered }>(response).register;
    expect(second.user.id).toBe(first.user.id);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(response.extensions?.florin).toEqual({ idempotencyReplayed: true });
  });

  test("does not replay with a wrong password, and counts it as a guess", async () => {
    const input = { ...valid, email: "guess@example.test", idempotencyKey: "guess" };
    dataOf(await register(input));
    for (let i = 0; i < 10; i++)
      expect(codesOf(await register({ ...input, password: `wrong password ${i}` }))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await register(input))).toEqual(["RATE_LIMITED"]);
  });

  test("refuses the same key with another input", async () => {
    const input = { ...valid, email: "reuse@example.test", idempotencyKey: "reuse" };
    dataOf(await register(input));
    expect(codesOf(await register({ ...input, fullName: "Somebody Else" }))).toEqual(["IDEMPOTENCY_KEY_REUSED"]);
  });

  test("refuses an identifier that is taken, under another key, and changes nothing", async () => {
    const input = { ...valid, email: "taken@example.test", idempotencyKey: "taken-1" };
    dataOf(await register(input));
    const before = await countOf("accounts.app_user");
    const response = await register({ ...input, idempotencyKey: "taken-2" });
    expect(codesOf(response)).toEqual(["BAD_USER_INPUT"]);
    expect(faultsOf(response)).toEqual(["input.email IDENTIFIER_TAKEN"]);
    expect(await countOf("accounts.app_user")).toBe(before);
    const kept = await platform.database.sql`
      select from accounts.idempotency_key where idempotency_key = 'taken-2'`;
    expect(kept).toHaveLength(0);
  });

  test("makes one person of twenty equal calls at once", async () => {
    const input = { ...valid, email: "twenty@example.test", idempotencyKey: "twenty" };
    const responses = await Promise.all(Array.from({ length: 20 }, () => register(input)));
    const ids = new Set(responses.map((one) => dataOf<{ register: Registered }>(one).register.user.id));
    expect(ids.size).toBe(1);
    expect(responses.filter((one) => one.extensions?.florin?.idempotencyReplayed === true)).toHaveLength(19);
    const [id] = ids;
    const accounts = await platform.database.sql`select from accounts.account_owner where principal = ${id!}`;
    expect(accounts).toHaveLength(1);
    const opens = await platform.database.sql`
      select from accounts.outbox where type = 'account.open' and payload->'owners' ? ${id!}`;
    expect(opens).toHaveLength(1);
  });

  test("makes one person of calls with different keys at once", async () => {
    const input = { ...valid, email: "race@example.test" };
    const responses = await Promise.all(
      Array.from({ length: 8 }, (_, i) => register({ ...input, idempotencyKey: `race-${i}` })),
    );
    expect(responses.filter((one) => one.errors === undefined)).toHaveLength(1);
    expect(responses.flatMap(faultsOf)).toEqual(Array<string>(7).fill("input.email IDENTIFIER_TAKEN"));
  });

  test("answers with a pending wallet when the ledger is silent", async () => {
    platform.ledger.isSilent = true;
    const input = { ...valid, email: "silent@example.test", idempotencyKey: "silent" };
    const { register: registered } = dataOf<{ register: Registered }>(await register(input));
    platform.ledger.isSilent = false;
    expect(registered.user.accounts.edges[0]!.node.status).toBe("PENDING");
  });

  test.each([
    [{ email: undefined }, ["input.email FIELD_REQUIRED"]],
    [{ email: "", phone: " " }, ["input.email FIELD_REQUIRED"]],
    [{ email: "not an email" }, ["input.email EMAIL_INVALID"]],
    [{ phone: "12" }, ["input.phone PHONE_INVALID"]],
    [{ password: "short" }, ["input.password PASSWORD_WEAK"]],
    [{ password: "new@example.test" }, ["input.password PASSWORD_WEAK"]],
    [{ password: "x".repeat(129) }, ["input.password PASSWORD_WEAK"]],
    [{ fullName: "  " }, ["input.fullName FIELD_REQUIRED"]],
    [{ fullName: "n".repeat(201) }, ["input.fullName NAME_TOO_LONG"]],
    [{ fullName: "a\nb" }, ["input.fullName NAME_INVALID"]],
    [{ country: "XX" }, ["input.country COUNTRY_UNKNOWN"]],
    [{ country: "USA" }, ["input.country COUNTRY_UNKNOWN"]],
    [{ country: "AQ" }, ["input.currency FIELD_REQUIRED"]],
    [{ currency: "ZZZ" }, ["input.currency CURRENCY_UNKNOWN"]],
    [{ idempotencyKey: "" }, ["input.idempotencyKey KEY_INVALID"]],
    [{ idempotencyKey: "k".repeat(256) }, ["input.idempotencyKey KEY_INVALID"]],
    [{ idempotencyKey: "with space" }, ["input.idempotencyKey KEY_INVALID"]],
    [
      { email: "x", password: "y", fullName: "", country: "?", currency: "QQQ", idempotencyKey: "" },
      [
        "input.email EMAIL_INVALID",
        "input.password PASSWORD_WEAK",
        "input.fullName FIELD_REQUIRED",
        "input.country COUNTRY_UNKNOWN",
        "input.currency CURRENCY_UNKNOWN",
        "input.idempotencyKey KEY_INVALID",
      ],
    ],
  ])("refuses %j and names every fault", async (change, faults) => {
    const before = await countOf("accounts.app_user");
    const response = await register({ ...valid, idempotencyKey: "bad", ...change });
    expect(codesOf(response)).toEqual(["BAD_USER_INPUT"]);
    expect(faultsOf(response)).toEqual(faults);
    expect(await countOf("accounts.app_user")).toBe(before);
  });
});
