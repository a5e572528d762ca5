import fc from "fast-check";
import { canonicalJson } from "./canonical-json.js";
import type { Json } from "./event.js";

test("sorts members, drops absent ones and adds no space", () => {
  expect(canonicalJson({ b: [1, "x", null], a: { d: true, c: undefined } })).toBe('{"a":{"d":true},"b":[1,"x",null]}');
});

test("the order in which an input's members stand does not matter, their values do", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (object, name) => {
      const shuffled = Object.fromEntries(Object.entries(object).toReversed());
      const text = canonicalJson(object as Json);
      expect(canonicalJson(shuffled as Json)).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(object)));
      expect(canonicalJson({ ...(object as { [key: string]: Json }), [name]: "changed by the test" })).not.toBe(text);
    }),
  );
});

test("refuses numbers that JSON does not have", () => {
  expect(() => canonicalJson({ amount: Number.NaN })).toThrow("JSON has no such number");
});
