import { parseEmail, parseIdentifier, parsePhone } from "./identifiers.js";

describe("an identifier", () => {
  test.each([
    ["ada@florin.test", "ada@florin.test"],
    ["  Ada@Florin.Test ", "ada@florin.test"],
    ["a.b+tag@sub.example.co", "a.b+tag@sub.example.co"],
  ])("reads the email %j as %j", (text, email) => expect(parseEmail(text)).toBe(email));

  test.each([
    "",
    "ada",
    "ada@",
    "@florin.test",
    "ada@florin",
    "a b@florin.test",
    "ada@florin..test",
    "ada@-florin.test",
    "ada@florin.test\u0000",
    `${"a".repeat(65)}@florin.test`,
    `a@${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(60)}.test`,
  ])("refuses the email %j", (text) => expect(parseEmail(text)).toBeUndefined());

  test.each([
    ["+254 712 345 678", undefined, "+254712345678"],
    ["0712 345678", "KE", "+254712345678"],
    ["(202) 555-0123", "US", "+12025550123"],
  ])("reads the phone %j in %j as %j", (text, country, phone) => expect(parsePhone(text, country)).toBe(phone));

  test.each(["0712345678", "+1555", "phone +254712345678", "+254712345678;ext=1", "9".repeat(40)])(
    "refuses the phone %j",
    (text) => expect(parsePhone(text)).toBeUndefined(),
  );

  test("is told apart by the @", () => {
    expect(parseIdentifier("Bo@Florin.test")).toBe("bo@florin.test");
    expect(parseIdentifier("+254 712 345 678")).toBe("+254712345678");
    expect(parseIdentifier("bo")).toBeUndefined();
  });
});
