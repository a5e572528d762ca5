import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createSealer } from "./sealer.js";

const secret = new Uint8Array(32).fill(7);
const other = new Uint8Array(32).fill(8);

describe("a seal", () => {
  const sealer = createSealer(secret);

  test("opens to what was sealed, for any payload", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (payload) => {
        const text = sealer.seal("cursor", payload);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(sealer.open("cursor", text)).toBe(payload);
      }),
    );
  });

  test("does not open when any one bit of it is changed", () => {
    const bytes = Buffer.from(sealer.seal("cursor", "ledger=123"), "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(sealer.open("cursor", changed.toString("base64url"))).toBeUndefined();
    }
  });

  test("does not open as another kind, nor when kind and payload are cut elsewhere", () => {
    const text = sealer.seal("cursor", "x");
    for (const kind of ["cursors", "curso", "consistency"]) expect(sealer.open(kind, text)).toBeUndefined();
    expect(() => sealer.seal("cursor\0x", "y")).toThrow(/no kind of seal/);
    expect(() => sealer.seal("", "y")).toThrow(/no kind of seal/);
  });

  test("does not open with another secret, but does with one that was used before", () => {
    const text = createSealer(other).seal("cursor", "x");
    expect(sealer.open("cursor", text)).toBeUndefined();
    const rotated = createSealer(secret, [other]);
    expect(rotated.open("cursor", text)).toBe("x");
    expect(createSealer(other).open("cursor", rotated.seal("cursor", "x"))).toBeUndefined();
  });

  test("has one spelling only", () => {
    const text = sealer.seal("cursor", "12");
    for (const same of [`${text}=`, `${text}==`, ` ${text}`, `${text}\n`, `${text.slice(0, 4)}.${text.slice(4)}`])
      expect(sealer.open("cursor", same)).toBeUndefined();
  });

  test("any other text opens to nothing, quickly and without throwing", () => {
    for (const text of ["", "a", "not sealed", "A".repeat(22), "💥", "A".repeat(10_000_000)])
      expect(sealer.open("cursor", text)).toBeUndefined();
    fc.assert(fc.property(fc.string(), (text) => sealer.open("cursor", text) === undefined));
  });
});

test("what could not be opened again is not sealed", () => {
  const sealer = createSealer(secret);
  const longest = "x".repeat(3_056); // with the tag 3072 bytes, 4096 characters
  expect(sealer.open("cursor", sealer.seal("cursor", longest))).toBe(longest);
  expect(() => sealer.seal("cursor", `${longest}x`)).toThrow(/at most 4096/);
});

test("a secret that is too short is refused, and the sealer keeps its own copy", () => {
  expect(() => createSealer(new Uint8Array(31))).toThrow(/at least 32/);
  expect(() => createSealer(secret, [new Uint8Array(5)])).toThrow(/at least 32/);
  const mine = new Uint8Array(32).fill(1);
  const sealer = createSealer(mine);
  const text = sealer.seal("cursor", "x");
  mine.fill(0);
  expect(sealer.open("cursor", text)).toBe("x");
  expect(sealer.open("cursor", sealer.seal("cursor", "y"))).toBe("y");
});
