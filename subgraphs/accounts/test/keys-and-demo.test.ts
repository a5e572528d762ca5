import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createTestDatabase, eventually } from "@florin/testkit";
import { DEMO_PARTNER_KEY, DEMO_PASSWORD } from "../src/index.js";
import {
  codesOf,
  dataOf,
  password,
  registerMutation,
  registerPerson,
  startPlatform,
  type Platform,
} from "./accounts-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const loginMutation =
  "mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken user { id accounts { edges { node { id status currency } } } } } }";
interface LoggedIn {
  readonly login: {
    readonly accessToken: string;
    readonly user: {
      readonly id: string;
      readonly accounts: {
        readonly edges: readonly { readonly node: { readonly id: string; readonly status: string } }[];
      };
    };
  };
}
async function loginAs(name: string): Promise<LoggedIn["login"]> {
  const input = { identifier: `${name}@florin.test`, password: DEMO_PASSWORD };
  return dataOf<LoggedIn>(await platform.call(loginMutation, { input })).login;
}

describe("demo data", () => {
  test("are the identities of the public API, with open wallets, once however often they are loaded", async () => {
    const first = await platform.area.seedDemo();
    const second = await platform.area.seedDemo();
    expect(second).toEqual(first);
    expect(first.identities.map(({ email, role }) => [email, role])).toEqual([
      ["ada@florin.test", "CUSTOMER"],
      ["bo@florin.test", "CUSTOMER"],
      ["shop@florin.test", "MERCHANT"],
      ["biz@florin.test", "CUSTOMER"],
      ["biz2@florin.test", "CUSTOMER"],
      ["staff@florin.test", "STAFF"],
      ["auditor@florin.test", "AUDITOR"],
    ]);
    expect(first.identities.map(({ accountIds }) => accountIds.length)).toEqual([1, 1, 1, 1, 1, 0, 0]);
    expect(first.identities[3]!.accountIds).toEqual(first.identities[4]!.accountIds);
    for (const name of ["ada", "bo", "shop", "biz", "biz2"]) {
      const { user } = await loginAs(name);
      expect(user.accounts.edges).toMatchObject([{ node: { status: "OPEN", currency: "USD" } }]);
    }
  });

  test("give staff and auditors their scopes and everybody's accounts, internal ones too", async () => {
    await platform.area.seedDemo();
    const { user } = await loginAs("ada");
    const accountId = user.accounts.edges[0]!.node.id;
    const [internal] = await platform.database.sql<{ name: string; currency: string }[]>`
      select name, currency from accounts.account where account_id = florin.internal_account_id('CASH_IN', 'USD')`;
    expect(internal).toEqual({ name: "Cash in", currency: "USD" });
    for (const [name, scopes] of [
      ["staff", ["staff", "ledger:read"]],
      ["auditor", ["auditor", "ledger:read", "audit:read"]],
    ] as const) {
      const { accessToken } = await loginAs(name);
      expect((await platform.area.verifyViewer(accessToken)).scopes).toEqual(scopes);
      const query =
        "query ($id: ID!) { account(id: $id) { id } accounts(first: 100) { totalCount edges { node { id } } } }";
      const answer = dataOf<{ accounts: { totalCount: number | null; edges: { node: { id: string } }[] } }>(
        await platform.call(query, { id: accountId }, { token: accessToken }),
      );
      expect(answer).toMatchObject({ account: { id: accountId }, accounts: { totalCount: null } });
      expect(answer.accounts.edges.map((edge) => edge.node.id)).toContain(accountId);
    }
    expect(platform.logLines.some((line) => line.includes("access decision") && line.includes(accountId))).toBe(true);
  });

  test("do not let staff close, or a checker see what is not shared", async () => {
    const staff = await loginAs("staff");
    const { user } = await loginAs("ada");
    const accountId = user.accounts.edges[0]!.node.id;
    const close = "mutation ($input: CloseAccountInput!) { closeAccount(input: $input) { account { id } } }";
    const input = { accountId, idempotencyKey: "staff-closes" };
    expect(codesOf(await platform.call(close, { input }, { token: staff.accessToken }))).toEqual(["NOT_FOUND"]);
    const checker = await loginAs("biz2");
    const query = "query ($id: ID!) { account(id: $id) { id } }";
    expect(codesOf(await platform.call(query, { id: accountId }, { token: checker.accessToken }))).toEqual([
      "NOT_FOUND",
    ]);
  });

  test("never load without demo mode", async () => {
    const strict = await startPlatform({ demo: false });
    try {
      await expect(strict.area.seedDemo()).rejects.toThrow("never in production");
      expect(await strict.database.sql`select from accounts.app_user`).toHaveLength(0);
    } finally {
      await strict.stop();
    }
  });
});

describe("a partner's key", () => {
  test("is exchanged for a token with the key's scopes, and for nothing else", async () => {
    const { partner } = await platform.area.seedDemo();
    const exchanged = await platform.area.exchangeApiKey(DEMO_PARTNER_KEY);
    expect(exchanged?.expiresIn).toBe(600);
    expect(await platform.area.verifyViewer(exchanged!.token)).toMatchObject({
      principal: partner.partnerId,
      roles: ["PARTNER"],
      scopes: ["posting:write", "ledger:read", "cash:in", "cash:out"],
      sessionId: undefined,
    });
    const caller = { token: exchanged!.token };
    expect(dataOf(await platform.call("{ me { id } accounts { edges { node { id } } } }", {}, caller))).toEqual({
      me: null,
      accounts: { edges: [] },
    });
    const input = { productId: "wallet", currency: "USD", idempotencyKey: "partner-opens" };
    const open = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
    expect(codesOf(await platform.call(open, { input }, caller))).toEqual(["FORBIDDEN"]);
    expect(dataOf(await platform.call("mutation { logout }", {}, caller))).toEqual({ logout: false });
  });

  test.each(["", "florin_sk_", `florin_sk_${"x".repeat(43)}`, `${DEMO_PARTNER_KEY}0`])(
    "%j opens nothing",
    async (key) => {
      expect(await platform.area.exchangeApiKey(key)).toBeUndefined();
    },
  );

  test("opens nothing once it is revoked or its partner suspended", async () => {
    await platform.area.seedDemo();
    const { sql } = platform.database;
    await sql`update accounts.partner set status = 'SUSPENDED'`;
    expect(await platform.area.exchangeApiKey(DEMO_PARTNER_KEY)).toBeUndefined();
    await sql`update accounts.partner set status = 'ACTIVE'`;
    await sql`update accounts.api_key set revoked_at = now()`;
    expect(await platform.area.exchangeApiKey(DEMO_PARTNER_KEY)).toBeUndefined();
    await sql`update accounts.api_key set revoked_at = null`;
  });
});

describe("signing keys", () => {
  test("are one at the first start, and the same for a second process and after a restart", async () => {
    const { keys } = await platform.area.jwks();
    expect(keys).toHaveLength(1);
    const testDatabase = { url: platform.url, drop: () => Promise.resolve() };
    const [second, third] = await Promise.all([
      startPlatform({ onDatabase: testDatabase, clock: platform.clock }),
      startPlatform({ onDatabase: testDatabase, clock: platform.clock }),
    ]);
    try {
      expect(await second.area.jwks()).toEqual({ keys });
      expect(await third.area.jwks()).toEqual({ keys });
      const person = await registerPerson(platform);
      expect((await second.area.verifyViewer(person.token)).principal).toBe(person.id);
    } finally {
      await Promise.all([second.stop(), third.stop()]);
    }
  });

  test("stay shut for another master key, and the start says what to do", async () => {
    const testDatabase = { url: platform.url, drop: () => Promise.resolve() };
    await expect(startPlatform({ onDatabase: testDatabase, masterKey: new Uint8Array(32) })).rejects.toThrow(
      "Start with the master key that this database was made with",
    );
  });

  test("rest sealed", async () => {
    const rows = await platform.database.sql<{ text: string }[]>`
      select encode(private_jwk_sealed, 'escape') || public_jwk::text as text from accounts.signing_key`;
    expect(rows.every((row) => !row.text.includes('"d"'))).toBe(true);
  });
});

describe("secrets", () => {
  test("are in no log line, no event, no error and, but for hashes, in no table", async () => {
    const canary = "canary-password-7431";
    const input = {
      email: "canary@example.test",
      password: canary,
      fullName: "Canary",
      country: "US",
      idempotencyKey: "c1",
    };
    const registered = await platform.call(registerMutation, { input });
    const { register } = dataOf<{ register: { accessToken: string; refreshToken: string } }>(registered);
    const refused = [
      await platform.call(registerMutation, { input: { ...input, idempotencyKey: "c2" } }),
      await platform.call(registerMutation, { input: { ...input, password: [canary] } }),
      await platform.call(registerMutation, { input: { ...input, idempotencyKey: "c3", country: canary } }),
      await platform.call(loginMutation, { input: { identifier: "canary@example.test", password: `${canary}x` } }),
      await platform.call("mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { accessToken } }", {
        input: { refreshToken: register.refreshToken + canary },
      }),
      await platform.call("{ me { id } }", {}, { token: register.accessToken + canary }),
    ];
    expect(refused.every((response) => response.errors !== undefined)).toBe(true);
    expect(JSON.stringify(refused)).not.toContain(canary);

    const secrets = [canary, password, DEMO_PASSWORD, register.accessToken, register.refreshToken];
    const log = platform.logLines.join("");
    const [stored] = await platform.database.sql<{ text: string }[]>`
      select concat((select string_agg(t::text, '') from accounts.outbox t), (select string_agg(t::text, '') from accounts.app_user t),
        (select string_agg(t::text, '') from accounts.refresh_token t), (select string_agg(t::text, '') from accounts.idempotency_key t),
        (select string_agg(t::text, '') from accounts.login_attempt t), (select string_agg(t::text, '') from accounts.session t)) as text`;
    expect(stored!.text).toContain("canary@example.test");
    for (const secret of secrets) {
      expect(log).not.toContain(secret);
      expect(stored!.text).not.toContain(secret);
    }
    const [events] = await platform.database.sql<{ text: string }[]>`
      select string_agg(t::text, '') as text from accounts.outbox t`;
    for (const personal of ["canary@example.test", "Canary"]) expect(events!.text).not.toContain(personal);
  });
});

describe("the role of the area", () => {
  test.each([
    "select from ledger.account",
    "delete from accounts.app_user",
    "update accounts.app_user set roles = '{STAFF}'",
    "update accounts.account_owner set principal = principal",
    "update accounts.account set currency = 'EUR'",
    "delete from accounts.account",
    "update accounts.api_key set scopes = '{staff}'",
    "truncate accounts.session",
  ])("may not: %s", async (statement) => {
    await expect(
      platform.database.transaction(async (tx) => {
        await tx.unsafe("set local role florin_accounts");
        await tx.unsafe(statement);
      }),
    ).rejects.toMatchObject({ code: "42501" });
  });
});

describe("the outbox", () => {
  test("is published without gaps, and can be read behind the bus", async () => {
    await registerPerson(platform);
    await eventually(async () => {
      const rows = await platform.database.sql`select from accounts.outbox where position is null`;
      return rows.length === 0;
    });
    const head = await platform.area.stream.head();
    const events = await platform.area.stream.range(0n, 1_000);
    expect(events.map((event) => event.position)).toEqual(events.map((_, i) => BigInt(i + 1)));
    expect(events.at(-1)!.position).toBe(head);
    expect(new Set(events.map((event) => event.type))).toEqual(new Set(["user.registered", "account.open"]));
    for (const event of events) expect(event.audience).toEqual(expect.arrayContaining(["role:staff", "role:auditor"]));
  });
});

test("the area is healthy, and says so when its database is gone", async () => {
  expect((await platform.area.health()).ready).toBe(true);
  const testDatabase = await createTestDatabase();
  const doomed = await startPlatform({ onDatabase: testDatabase });
  try {
    await testDatabase.drop();
    const health = await doomed.area.health();
    expect(health.ready).toBe(false);
    expect(health.detail).toContain("does not answer");
  } finally {
    await doomed.stop();
  }
});

test("a connection that dies under a request makes it TEMPORARILY_UNAVAILABLE, and the next one works", async () => {
  const person = await registerPerson(platform);
  const { sql } = platform.database;
  const kill = () =>
    sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'florin-accounts'`;
  const query = "{ me { accounts { edges { node { id } } } } }";
  const codes = new Set<unknown>();
  for (let round = 0; round < 10; round++) {
    const asked = Array.from({ length: 10 }, () => platform.call(query, {}, { token: person.token }).then(codesOf));
    const opened = Array.from({ length: 5 }, (_, i) =>
      platform
        .call(
          "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }",
          { input: { productId: "wallet", currency: "USD", idempotencyKey: `kill-${round}-${i}`, waitMs: 0 } },
          { token: person.token },
        )
        .then(codesOf),
    );
    await kill();
    for (const code of (await Promise.all([...asked, ...opened])).flat()) codes.add(code);
  }
  codes.delete("TEMPORARILY_UNAVAILABLE");
  expect([...codes]).toEqual([]);
  await eventually(async () => codesOf(await platform.call(query, {}, { token: person.token })).length === 0);
});

test("the schema is the one that the supergraph is composed of", async () => {
  const sdl = await readFile(fileURLToPath(new URL("../schema.graphql", import.meta.url)), "utf8");
  const { _service } = dataOf<{ _service: { sdl: string } }>(await platform.call("{ _service { sdl } }"));
  for (const name of ["type Account", "openAccount", "refreshSession", "@authenticated"]) {
    expect(sdl).toContain(name);
    expect(_service.sdl).toContain(name);
  }
});
