import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateServiceKey } from "@florin/auth";
import { instantFromMillis, type Clock } from "@florin/kernel";
import { ensureKeys, readServiceIdentity, serviceNames } from "../src/service-keys.js";
import { readMasterKey } from "../src/secrets.js";
import { StartError } from "../src/start-error.js";

let directory: string;
let now = 1_790_000_000_000;
const clock: Clock = { now: () => instantFromMillis(now) };
const file = (name: string): string => join(directory, "service", name);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "florin-keys-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it("makes the keys once, each readable by its owner alone", async () => {
  await ensureKeys(directory);
  const first = await readMasterKey(directory);
  const files = [join(directory, "master.key"), ...serviceNames.map((name) => file(`${name}.json`))];
  for (const secret of files) expect(((await stat(secret)).mode & 0o777).toString(8)).toBe("600");
  const gateway = await readFile(file("gateway.json"), "utf8");
  await ensureKeys(directory);
  expect(await readMasterKey(directory)).toEqual(first);
  expect(await readFile(file("gateway.json"), "utf8")).toBe(gateway);
});

it("agrees on the same keys when several make them at once", async () => {
  await Promise.all(Array.from({ length: 8 }, () => ensureKeys(directory)));
  for (const name of serviceNames) await expect(readServiceIdentity(directory, name, clock)).resolves.toBeDefined();
});

it("shows no private part in the public set", async () => {
  await ensureKeys(directory);
  const { keys } = JSON.parse(await readFile(file("public.json"), "utf8")) as { keys: object[] };
  expect(keys).toHaveLength(serviceNames.length);
  for (const key of keys) expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
});

it("knows a caller by its own key, for the service that its token was made for and no other", async () => {
  await ensureKeys(directory);
  const [gateway, accounts, ledger] = await Promise.all(
    serviceNames.map((name) => readServiceIdentity(directory, name, clock)),
  );
  const token = await gateway!.tokens.tokenFor("accounts");
  await expect(accounts!.verifyCaller(token)).resolves.toBe("gateway");
  await expect(ledger!.verifyCaller(token)).rejects.toThrow();
  await expect(accounts!.verifyCaller(await ledger!.tokens.tokenFor("accounts"))).resolves.toBe("ledger");
});

it("believes a new key, and forgets a retired one, without a restart", async () => {
  await ensureKeys(directory);
  const accounts = await readServiceIdentity(directory, "accounts", clock);
  const before = await (await readServiceIdentity(directory, "gateway", clock)).tokens.tokenFor("accounts");
  await expect(accounts.verifyCaller(before)).resolves.toBe("gateway");

  const { publicJwk, privateJwk } = await generateServiceKey("gateway");
  const { keys } = JSON.parse(await readFile(file("public.json"), "utf8")) as { keys: { kid: string }[] };
  const others = keys.filter((key) => !key.kid.startsWith("gateway_"));
  await writeFile(file("gateway.json"), JSON.stringify(privateJwk));
  await writeFile(file("public.json"), JSON.stringify({ keys: [...others, publicJwk] }));
  now += 15_000;
  const after = await (await readServiceIdentity(directory, "gateway", clock)).tokens.tokenFor("accounts");
  await expect(accounts.verifyCaller(after)).resolves.toBe("gateway");
  await expect(accounts.verifyCaller(before)).rejects.toThrow();
});

it.each([
  ["there are no keys", () => Promise.resolve()],
  ["a key is not JSON", () => writeFile(file("gateway.json"), "secret-canary")],
  ["a key is not in the public set", () => writeFile(file("public.json"), JSON.stringify({ keys: [] }))],
])("says what to do when %s, and repeats nothing of a key", async (what, spoil) => {
  if (what !== "there are no keys") await ensureKeys(directory);
  await spoil();
  const error: unknown = await readServiceIdentity(directory, "gateway", clock).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(StartError);
  expect(String(error)).not.toContain("canary");
});
