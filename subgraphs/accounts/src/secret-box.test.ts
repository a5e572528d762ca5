import { deriveKey, openSecret, sealSecret } from "./secret-box.js";

const master = new Uint8Array(32).fill(7);
const key = deriveKey(master, "test");

describe("a sealed secret", () => {
  test("opens with its key for its row", () => {
    expect(openSecret(key, sealSecret(key, "the secret", "row:1"), "row:1")).toBe("the secret");
  });

  test("never looks the same twice and never shows its content", () => {
    const [a, b] = [sealSecret(key, "canary", "row:1"), sealSecret(key, "canary", "row:1")];
    expect(Buffer.from(a).equals(b)).toBe(false);
    expect(Buffer.from(a).includes("canary")).toBe(false);
  });

  test("stays shut for another row, another purpose and another master key", () => {
    const sealed = sealSecret(key, "the secret", "row:1");
    expect(openSecret(key, sealed, "row:2")).toBeUndefined();
    expect(openSecret(deriveKey(master, "other"), sealed, "row:1")).toBeUndefined();
    expect(openSecret(deriveKey(new Uint8Array(32), "test"), sealed, "row:1")).toBeUndefined();
  });

  test("stays shut when any byte was changed or cut", () => {
    const sealed = sealSecret(key, "the secret", "row:1");
    for (let i = 0; i < sealed.length; i++) {
      const bent = Uint8Array.from(sealed);
      bent[i]! ^= 1;
      expect(openSecret(key, bent, "row:1")).toBeUndefined();
      expect(openSecret(key, sealed.subarray(0, i), "row:1")).toBeUndefined();
    }
  });
});
