import fc from "fast-check";
import { asUuid, formatId, isUuid, parseId, uuidV7, uuidV8 } from "./ids.js";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test("the border form reads back, sorts as the UUID sorts, and is of its kind only", () => {
  fc.assert(
    fc.property(bytes(16), bytes(16), (left, right) => {
      const [a, b] = [uuidV8(left), uuidV8(right)];
      expect(parseId("account", formatId("account", a))).toBe(a);
      expect(parseId("operation", formatId("account", a))).toBeUndefined();
      expect(formatId("user", a) < formatId("user", b)).toBe(a < b);
    }),
  );
});

test("a known vector", () => {
  const uuid = asUuid("018f3a5c-7b2e-7d41-9c3f-0a1b2c3d4e5f");
  expect(formatId("account", uuid)).toBe("acct_01hwx5rysefn0srfra3cp3tkjz");
});

test("version 7 begins with the milliseconds; both versions set version and variant and keep the other bits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 47 }), bytes(16), (millis, random) => {
      const seven = uuidV7(millis, random);
      expect(seven).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(parseInt(seven.replaceAll("-", "").slice(0, 12), 16)).toBe(millis);
      const eight = uuidV8(random);
      expect(isUuid(eight) && eight[14]).toBe("8");
      const plain = Buffer.from(random).toString("hex");
      expect(eight.replaceAll("-", "").slice(0, 12)).toBe(plain.slice(0, 12));
      expect(eight.slice(-12)).toBe(plain.slice(-12));
    }),
  );
});

test.each([
  "",
  "acct_",
  "acct_81hwx5rysefn0srfra3cp3tkjz",
  "acct_01HWX5RYSEFN0SRFRA3CP3TKJZ",
  "usr_01hwx5rysefn0srfra3cp3tkjz",
])("is no account's id: %j", (text) => expect(parseId("account", text)).toBeUndefined());

test("refuses to make an id from too few bytes", () => {
  expect(() => uuidV7(1, new Uint8Array(9))).toThrow("needs 10 bytes");
});

test.each([
  "x018f3a5c-7b2e-7d41-9c3f-0a1b2c3d4e5f",
  "018f3a5c-7b2e-7d41-9c3f-0a1b2c3d4e5fx",
  "018F3A5C-7B2E-7D41-9C3F-0A1B2C3D4E5F",
  "",
])("is no UUID of ours: %j", (text) => {
  expect(isUuid(text)).toBe(false);
  expect(() => asUuid(text)).toThrow(/not a UUID/);
});

test.each([
  "acct_x01hwx5rysefn0srfra3cp3tkjz",
  "acct_01hwx5rysefn0srfra3cp3tkjzx",
  "01hwx5rysefn0srfra3cp3tkjz",
  "usr__01hwx5rysefn0srfra3cp3tkjz",
])("nothing before and nothing after an id: %j", (text) => expect(parseId("account", text)).toBeUndefined());
