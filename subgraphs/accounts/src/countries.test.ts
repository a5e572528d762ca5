import { countryCodes, currencyOfCountry, isCountry } from "./countries.js";

describe("countries", () => {
  test("are the 249 of ISO 3166-1, each once", () => {
    expect(countryCodes).toHaveLength(249);
    expect(new Set(countryCodes).size).toBe(249);
  });

  test.each([
    ["US", "USD"],
    ["KE", "KES"],
    ["DE", "EUR"],
    ["JP", "JPY"],
    ["KW", "KWD"],
    ["CH", "CHF"],
  ])("%s uses %s", (country, currency) => {
    expect(currencyOfCountry(country)).toBe(currency);
  });

  test.each(["AQ", "PS", "GS"])("%s has no currency of its own", (country) => {
    expect(isCountry(country)).toBe(true);
    expect(currencyOfCountry(country)).toBeUndefined();
  });

  test.each(["XX", "us", "USA", "", "EU"])("%j is no country", (code) => expect(isCountry(code)).toBe(false));
});
