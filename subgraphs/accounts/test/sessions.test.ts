import {
  codesOf,
  dataOf,
  masterKey,
  password,
  registerPerson,
  startPlatform,
  type Person,
  type Platform,
} from "./accounts-platform.js";
import { hash } from "@node-rs/argon2";
import { deriveKey, openSecret } from "../src/secret-box.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const loginMutation =
  "mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken expiresIn user { id } } }";
const refreshMutation =
  "mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { accessToken refreshToken user { id } } }";
const me = "{ me { id email } }";

const login = (identifier: string, secret = password, address?: string) =>
  platform.call(loginMutation, { input: { identifier, password: secret } }, address === undefined ? {} : { address });
const refresh = (refreshToken: string) => platform.call(refreshMutation, { input: { refreshToken } });

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}
async function tokensFrom(response: ReturnType<typeof login>): Promise<Tokens> {
  return Object.values(dataOf<Record<string, Tokens>>(await response))[0]!;
}

async function sessionOf(person: Person): Promise<{ revoked_at: unknown; revoke_reason: string | null }[]> {
  return platform.database.sql`
    select s.revoked_at, s.revoke_reason from accounts.session s join accounts.app_user u using (user_id)
    where u.email = ${person.email}`;
}

describe("login", () => {
  test("gives a session for the right password, whatever the case of the email", async () => {
    const person = await registerPerson(platform);
    const { accessToken } = await tokensFrom(login(person.email.toUpperCase()));
    const response = await platform.call(me, {}, { token: accessToken });
    expect(dataOf(response)).toEqual({ me: { id: person.id, email: person.email } });
  });

  test("says the same of a wrong password, of nobody and of nonsense", async () => {
    const person = await registerPerson(platform);
    const answers = [
      await login(person.email, "a wrong password"),
      await login("nobody@example.test"),
      await login("+254700000000"),
      await login("nonsense"),
      await login(""),
      await login("x".repeat(100_000)),
      await login(person.email, "p".repeat(100_000)),
    ];
    const told = answers.map((answer) => JSON.stringify(answer.errors));
    expect(new Set(told).size).toBe(1);
    expect(codesOf(answers[0]!)).toEqual(["UNAUTHENTICATED"]);
  });

  test("spends as much time on nobody as on a wrong password", async () => {
    const person = await registerPerson(platform);
    const time = async (identifier: string) => {
      const begun = performance.now();
      await login(identifier, "a wrong password");
      return performance.now() - begun;
    };
    const known: number[] = [];
    const unknown: number[] = [];
    for (let i = 0; i < 7; i++) {
      known.push(await time(person.email));
      unknown.push(await time(`nobody-${i}@example.test`));
    }
    const median = (times: number[]) => times.sort((a, b) => a - b)[3]!;
    // A hash costs some 20 ms; without the stranger's hash the ratio would be ten and more.
    expect(median(unknown) / median(known)).toBeGreaterThan(0.4);
    expect(median(unknown) / median(known)).toBeLessThan(2.5);
  });

  test("looks at no more than ten of sixty parallel guesses, then refuses the right password too", async () => {
    const person = await registerPerson(platform);
    const guesses: Promise<readonly unknown[]>[] = [];
    // Sixty fit the queue of the hashing; the rest would be told to come again.
    for (let i = 0; i < 60; i++) guesses.push(login(person.email, `guess number ${i}`).then(codesOf));
    const codes = (await Promise.all(guesses)).flat();
    expect(codes.filter((code) => code === "UNAUTHENTICATED")).toHaveLength(10);
    expect(codes.filter((code) => code === "RATE_LIMITED")).toHaveLength(50);
    const refused = await login(person.email);
    expect(codesOf(refused)).toEqual(["RATE_LIMITED"]);
    const retryAfterMs = refused.errors?.[0]?.extensions?.["retryAfterMs"];
    expect(retryAfterMs).toBeGreaterThan(29 * 60_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30 * 60_000);
  });

  test("locks in the database, so another process is locked too, and for half an hour", async () => {
    const own = await startPlatform();
    try {
      const person = await registerPerson(own);
      for (let i = 0; i < 10; i++)
        await own.call(loginMutation, { input: { identifier: person.email, password: `guess number ${i}` } });
      const [row] = await own.database.sql<{ attempts: number }[]>`select attempts from accounts.login_attempt`;
      expect(row?.attempts).toBe(10);
      const again = () => own.call(loginMutation, { input: { identifier: person.email, password } });
      expect(codesOf(await again())).toEqual(["RATE_LIMITED"]);
      own.clock.pass(30 * 60 + 1);
      expect(codesOf(await again())).toEqual([]);
      expect(await own.database.sql`select from accounts.login_attempt`).toHaveLength(0);
    } finally {
      await own.stop();
    }
  });

  test("counts nobody's identifier too, and keeps no copy of what was typed", async () => {
    for (let i = 0; i < 10; i++) expect(codesOf(await login("ghost@example.test"))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await login("ghost@example.test"))).toEqual(["RATE_LIMITED"]);
    const rows = await platform.database.sql<{ subject: string }[]>`select subject from accounts.login_attempt`;
    expect(rows.some((row) => row.subject.includes("ghost"))).toBe(false);
  });

  test("forgets the count after a right password", async () => {
    const person = await registerPerson(platform);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 6; i++) await login(person.email, "a wrong password");
      expect(codesOf(await login(person.email))).toEqual([]);
    }
  });

  test("makes a hash of cheaper parameters anew", async () => {
    const person = await registerPerson(platform);
    const secret = Buffer.from(deriveKey(masterKey, "password-pepper"));
    const cheap = await hash(password, { memoryCost: 8_192, timeCost: 1, parallelism: 1, secret });
    const { sql } = platform.database;
    await sql`update accounts.app_user set password_hash = ${cheap} where email = ${person.email}`;
    expect(codesOf(await login(person.email))).toEqual([]);
    const [row] = await sql<{ password_hash: string }[]>`
      select password_hash from accounts.app_user where email = ${person.email}`;
    expect(row!.password_hash).toContain("m=19456,t=2,p=1");
    expect(codesOf(await login(person.email))).toEqual([]);
  });

  test("is refused to who is suspended, and so is a refresh", async () => {
    const person = await registerPerson(platform);
    await platform.database.sql`update accounts.app_user set status = 'SUSPENDED' where email = ${person.email}`;
    expect(codesOf(await login(person.email))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await refresh(person.refreshToken))).toEqual(["UNAUTHENTICATED"]);
  });

  test("lets many log in as one person at once", async () => {
    const person = await registerPerson(platform);
    const codes = await Promise.all(Array.from({ length: 40 }, () => login(person.email).then(codesOf)));
    expect(codes.flat()).toEqual([]);
  });

  test("slows one address down where there is no demo, and not its neighbour", async () => {
    const strict = await startPlatform({ demo: false });
    try {
      const input = { identifier: "nonsense", password: "x" };
      const from = (address: string) => strict.call(loginMutation, { input }, { address }).then(codesOf);
      const codes = (await Promise.all(Array.from({ length: 62 }, () => from("198.51.100.1")))).flat();
      expect(codes.filter((code) => code === "RATE_LIMITED").length).toBeGreaterThanOrEqual(2);
      const refused = await strict.call(loginMutation, { input }, { address: "198.51.100.1" });
      expect(refused.errors?.[0]?.extensions?.["retryAfterMs"]).toBeGreaterThan(0);
      expect(refused.errors?.[0]?.message).toContain("network");
      const neighbour = await strict.call(loginMutation, { input }, { address: "198.51.100.2" });
      expect(neighbour.errors?.[0]?.message).not.toContain("network");
    } finally {
      await strict.stop();
    }
  });
});

describe("refreshSession", () => {
  test("spends a token for the next pair", async () => {
    const person = await registerPerson(platform);
    const next = await tokensFrom(refresh(person.refreshToken));
    expect(next.refreshToken).not.toBe(person.refreshToken);
    expect((await platform.area.verifyViewer(next.accessToken)).principal).toBe(person.id);
    expect((await tokensFrom(refresh(next.refreshToken))).refreshToken).not.toBe(next.refreshToken);
  });

  test("gives the same successor for a spent token within 30 s, also to many at once", async () => {
    const person = await registerPerson(platform);
    const together = await Promise.all(Array.from({ length: 10 }, () => tokensFrom(refresh(person.refreshToken))));
    platform.clock.pass(20);
    const later = await tokensFrom(refresh(person.refreshToken));
    expect(new Set([...together, later].map((tokens) => tokens.refreshToken)).size).toBe(1);
    expect(await sessionOf(person)).toEqual([{ revoked_at: null, revoke_reason: null }]);
  });

  test("ends the whole session when a spent token comes back later, and tells the world", async () => {
    const person = await registerPerson(platform);
    const next = await tokensFrom(refresh(person.refreshToken));
    platform.clock.pass(31);
    expect(codesOf(await refresh(person.refreshToken))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await refresh(next.refreshToken))).toEqual(["UNAUTHENTICATED"]);
    await expect(platform.area.verifyViewer(next.accessToken)).rejects.toMatchObject({ reason: "REVOKED" });
    expect(await sessionOf(person)).toMatchObject([{ revoke_reason: "REFRESH_TOKEN_REUSED" }]);
    const events = await platform.database.sql`
      select payload from accounts.outbox where type = 'session.revoked' and ${person.id} = any(audience)`;
    expect(events).toHaveLength(1);
  });

  test("leaves other sessions of the person alone", async () => {
    const person = await registerPerson(platform);
    const other = await tokensFrom(login(person.email));
    await refresh(person.refreshToken);
    platform.clock.pass(31);
    await refresh(person.refreshToken);
    expect(codesOf(await refresh(other.refreshToken))).toEqual([]);
  });

  test("refuses a token that is unknown, malformed or past its 30 days", async () => {
    const person = await registerPerson(platform);
    for (const token of ["", "nonsense", `florin_rt_${"a".repeat(43)}`, `${person.refreshToken}x`, person.token])
      expect(codesOf(await refresh(token))).toEqual(["UNAUTHENTICATED"]);
    platform.clock.pass(30 * 24 * 3_600 + 1);
    expect(codesOf(await refresh(person.refreshToken))).toEqual(["UNAUTHENTICATED"]);
  });

  test("ends a session after 180 days, however often it was refreshed", async () => {
    const person = await registerPerson(platform);
    let tokens = await tokensFrom(refresh(person.refreshToken));
    for (let days = 0; days < 174; days += 29) {
      platform.clock.pass(29 * 24 * 3_600);
      tokens = await tokensFrom(refresh(tokens.refreshToken));
    }
    platform.clock.pass(7 * 24 * 3_600);
    expect(codesOf(await refresh(tokens.refreshToken))).toEqual(["UNAUTHENTICATED"]);
  });

  test("stores what the database and the server's key together cannot turn into a token", async () => {
    const person = await registerPerson(platform);
    const next = await tokensFrom(refresh(person.refreshToken));
    const rows = await platform.database.sql<{ sealed: Uint8Array }[]>`
      select successor_sealed as sealed from accounts.refresh_token where successor_sealed is not null
      order by used_at desc limit 1`;
    const sealed = rows[0]!.sealed;
    expect(Buffer.from(sealed).includes(next.refreshToken)).toBe(false);
    const secret = deriveKey(masterKey, "refresh-successor");
    expect(openSecret(secret, sealed, "refresh_token")).toBeUndefined();
    expect(openSecret(masterKey, sealed, "refresh_token")).toBeUndefined();
  });
});

describe("logout", () => {
  test("makes the session's tokens void at once", async () => {
    const person = await registerPerson(platform);
    const other = await tokensFrom(login(person.email));
    const out = await platform.call("mutation { logout }", {}, { token: person.token });
    expect(dataOf(out)).toEqual({ logout: true });
    expect(codesOf(await platform.call(me, {}, { token: person.token }))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await refresh(person.refreshToken))).toEqual(["UNAUTHENTICATED"]);
    expect(codesOf(await platform.call(me, {}, { token: other.accessToken }))).toEqual([]);
  });

  test("is remembered by a process that starts afterwards", async () => {
    const person = await registerPerson(platform);
    const tokens = await tokensFrom(login(person.email));
    await platform.call("mutation { logout }", {}, { token: tokens.accessToken });
    const testDatabase = { url: platform.url, drop: () => Promise.resolve() };
    const second = await startPlatform({ onDatabase: testDatabase, clock: platform.clock });
    try {
      await expect(second.area.verifyViewer(tokens.accessToken)).rejects.toMatchObject({ reason: "REVOKED" });
      expect((await second.area.verifyViewer(person.token)).principal).toBe(person.id);
    } finally {
      await second.stop();
    }
  });

  test("needs a viewer", async () => {
    expect(codesOf(await platform.call("mutation { logout }"))).toEqual(["UNAUTHENTICATED"]);
  });
});
