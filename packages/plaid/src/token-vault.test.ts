import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { AccessToken, revealAccessToken } from "./access-token.js";
import { createDerivedKeyProvider } from "./derived-key-provider.js";
import { addKek, createKeyFileProvider } from "./key-file-provider.js";
import { createTokenVault, type SealedSecret, type SecretOwner } from "./token-vault.js";

const CANARY = "access-sandbox-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const owner: SecretOwner = { tenant: "florin", user: "usr_1", itemRowId: "lit_1" };
const masterKey = new Uint8Array(32).fill(7);
const keys = createDerivedKeyProvider({ masterKey });
const vault = createTokenVault({ keys, environment: "sandbox" });

describe("the vault", () => {
  it("gives back what was sealed, and never the same bytes twice", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 300 }), async (text) => {
        const well = Buffer.from(text, "utf8").toString("utf8");
        const [one, other] = [
          await vault.sealText(well, owner, "account_number"),
          await vault.sealText(well, owner, "account_number"),
        ];
        expect(await vault.openText(one, owner, "account_number")).toBe(well);
        expect(Buffer.from(one.nonce)).not.toEqual(Buffer.from(other.nonce));
        expect(Buffer.from(one.wrappedDek)).not.toEqual(Buffer.from(other.wrappedDek));
      }),
      { numRuns: 60 },
    );
  });

  it("opens nothing of which a single bit was changed", async () => {
    const sealed = await vault.sealToken(new AccessToken(CANARY), owner);
    const fields = ["ciphertext", "nonce", "wrappedDek"] as const;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), fc.nat(), fc.nat({ max: 7 }), async (field, at, bit) => {
        const bytes = Uint8Array.from(sealed[field]);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
        await expect(vault.openToken({ ...sealed, [field]: bytes }, owner)).rejects.toMatchObject({
          code: "NOT_OPENED",
        });
      }),
      { numRuns: 200 },
    );
    for (const field of fields)
      await expect(vault.openToken({ ...sealed, [field]: new Uint8Array() }, owner)).rejects.toMatchObject({
        code: "NOT_OPENED",
      });
  });

  it("opens nothing in another row, for another person, tenant, purpose or environment", async () => {
    const sealed = await vault.sealToken(new AccessToken(CANARY), owner);
    const elsewhere = [
      { ...owner, tenant: "other" },
      { ...owner, user: "usr_2" },
      { ...owner, itemRowId: "lit_2" },
    ];
    for (const other of elsewhere)
      await expect(vault.openToken(sealed, other)).rejects.toMatchObject({ code: "NOT_OPENED" });
    await expect(vault.openText(sealed, owner, "account_number")).rejects.toMatchObject({ code: "NOT_OPENED" });
    const simulator = createTokenVault({ keys, environment: "simulator" });
    await expect(simulator.openToken(sealed, owner)).rejects.toMatchObject({ code: "NOT_OPENED" });
    await expect(vault.openText(sealed, owner, "access_token")).rejects.toThrow("never as text");
    await expect(vault.openToken({ ...sealed, algVersion: 2 }, owner)).rejects.toMatchObject({
      code: "UNKNOWN_ALGORITHM",
    });
  });

  it("refuses an owner whose name could spell another's", async () => {
    await expect(vault.sealText("x", { ...owner, user: "usr_1|lit_1" }, "account_number")).rejects.toThrow("named by");
  });

  it("finds a token by its hash, with the key alone", () => {
    const token = new AccessToken(CANARY);
    const hash = vault.lookupHash(token, masterKey);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(vault.lookupHash(new AccessToken(CANARY), masterKey)).toBe(hash);
    expect(vault.lookupHash(token, new Uint8Array(32))).not.toBe(hash);
  });

  it("refuses development keys for production before anything is sealed", () => {
    expect(() => createTokenVault({ keys, environment: "production" })).toThrow("not sealed with development keys");
    const fit = createKeyFileProvider({ path: "/nowhere", isProductionGrade: true });
    expect(() => createTokenVault({ keys: fit, environment: "production" })).not.toThrow();
  });

  it("opens with a previous master key and wraps anew with the current one", async () => {
    const sealed = await vault.sealToken(new AccessToken(CANARY), owner);
    const turned = createTokenVault({
      keys: createDerivedKeyProvider({ masterKey: new Uint8Array(32).fill(8), previousMasterKeys: [masterKey] }),
      environment: "sandbox",
    });
    const rewrapped = (await turned.rewrap(sealed, owner)) as SealedSecret;
    expect(rewrapped.kekId).toBe(await turned.currentKekId());
    expect(rewrapped.ciphertext).toBe(sealed.ciphertext);
    expect(revealAccessToken(await turned.openToken(rewrapped, owner))).toBe(CANARY);
    expect(await turned.rewrap(rewrapped, owner)).toBeUndefined();
    await expect(vault.openToken(rewrapped, owner)).rejects.toMatchObject({ code: "UNKNOWN_KEK" });
    await expect(turned.rewrap(sealed, { ...owner, user: "usr_2" })).rejects.toMatchObject({ code: "NOT_OPENED" });
  });
});

describe("a file of keys", () => {
  let directory: string;
  let path: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "florin-keys-"));
    path = join(directory, "keyring.json");
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("takes a new key without a restart, and what the old one wrapped still opens", async () => {
    await addKek(path, "kek-1");
    const [writer, reader] = [0, 1].map(() =>
      createTokenVault({ keys: createKeyFileProvider({ path }), environment: "sandbox" }),
    );
    if (writer === undefined || reader === undefined) throw new Error("two vaults");
    const before = await writer.sealToken(new AccessToken(CANARY), owner);
    expect(revealAccessToken(await reader.openToken(before, owner))).toBe(CANARY);
    await addKek(path, "kek-2");
    const after = await writer.sealToken(new AccessToken(CANARY), owner);
    expect([before.kekId, after.kekId]).toEqual(["kek-1", "kek-2"]);
    expect(revealAccessToken(await reader.openToken(after, owner))).toBe(CANARY);
    expect((await reader.rewrap(before, owner))?.kekId).toBe("kek-2");
    await expect(addKek(path, "kek-2")).rejects.toMatchObject({ code: "BAD_KEY_FILE" });
    await expect(reader.openToken({ ...before, kekId: "kek-9" }, owner)).rejects.toMatchObject({ code: "UNKNOWN_KEK" });
    await addKek(path, "kek-3");
  });

  it("refuses a file that others may read, a link, and one that is damaged, without quoting it", async () => {
    const text = await readFile(path, "utf8");
    const attempt = (file: string) => createKeyFileProvider({ path: file }).currentKekId();
    await chmod(path, 0o640);
    await expect(attempt(path)).rejects.toThrow("chmod 600");
    await chmod(path, 0o600);
    await symlink(path, join(directory, "link.json"));
    await expect(attempt(join(directory, "link.json"))).rejects.toThrow("no link");
    const damaged = join(directory, "damaged.json");
    const wrong = [
      text.slice(0, -20),
      "{}",
      text.replace('"current": "kek-3"', '"current": "kek-7"'),
      '{"current":"a","keys":{"a":"c2hvcnQ="}}',
    ];
    for (const body of wrong) {
      await writeFile(damaged, body, { mode: 0o600 });
      const failure = await attempt(damaged).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "BAD_KEY_FILE" });
      expect(inspect(failure)).not.toContain("c2hvcnQ=");
      expect(inspect(failure)).not.toContain(text.slice(40, 60));
    }
  });
});
