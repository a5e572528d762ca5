import { hash } from "@node-rs/argon2";
import { createBulkhead } from "@florin/resilience";
import type { FieldFault } from "@florin/kernel";
import { checkPassword, createPasswordHasher, isOutdated } from "./passwords.js";

const bulkhead = createBulkhead({ concurrency: 2, queue: 64, waitMs: 5_000 });
const hasher = createPasswordHasher(new Uint8Array(32).fill(1), bulkhead);
const noCount = async () => {};

describe("a password", () => {
  test("is Argon2id with 19 MiB, two passes, one lane, and matches itself only", async () => {
    const stored = await hasher.hash("correct horse battery");
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await hasher.verify(stored, "correct horse battery", noCount)).isRight).toBe(true);
    expect((await hasher.verify(stored, "correct horse batterz", noCount)).isRight).toBe(false);
  });

  test("is worth nothing without the pepper", async () => {
    const other = createPasswordHasher(new Uint8Array(32).fill(2), bulkhead);
    const stored = await hasher.hash("correct horse battery");
    expect((await other.verify(stored, "correct horse battery", noCount)).isRight).toBe(false);
  });

  test("matches from a keyboard that composes letters in another way", async () => {
    const stored = await hasher.hash("caf\u00e9 au lait 1");
    expect((await hasher.verify(stored, "cafe\u0301 au lait 1", noCount)).isRight).toBe(true);
  });

  test("of nobody is never right, not even the one that strangers are compared with", async () => {
    expect((await hasher.verify(undefined, "nobody has this password", noCount)).isRight).toBe(false);
  });

  test("is not looked at when the count refuses", async () => {
    const stored = await hasher.hash("correct horse battery");
    const refuse = async () => Promise.reject(new Error("too many"));
    await expect(hasher.verify(stored, "correct horse battery", refuse)).rejects.toThrow("too many");
  });

  test("of cheaper parameters is outdated", async () => {
    expect(isOutdated(await hash("x", { memoryCost: 8_192, timeCost: 2, parallelism: 1 }))).toBe(true);
    expect(isOutdated(await hasher.hash("correct horse battery"))).toBe(false);
  });

  test.each([
    ["short", "at least 10"],
    ["a".repeat(129), "at most 128"],
    ["ada.lovelace@florin.test", "something else"],
    ["Ada.Lovelace", "something else"],
    ["+254712345678", "something else"],
    ["aaaaaaaaaaaa", "different characters"],
  ])("%j is weak: %s", (password, reason) => {
    const faults: FieldFault[] = [];
    checkPassword(password, ["ada.lovelace@florin.test", "+254712345678"], faults);
    expect(faults).toEqual([
      { path: "input.password", code: "PASSWORD_WEAK", message: expect.stringContaining(reason) as string },
    ]);
  });

  test.each(["a long enough secret", "florin-demo-1", "пароль-пароль", "0123456789"])("%j will do", (password) => {
    const faults: FieldFault[] = [];
    checkPassword(password, ["ada@florin.test", null], faults);
    expect(faults).toEqual([]);
  });
});
