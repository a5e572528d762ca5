import fc from "fast-check";
import { exactToJson, jsonToExact, type Exact } from "./exact-json.js";

/** Executions are written down and run again over what was written (HOOK-4), so all that a hook can be given comes back as it went. */
test("HOOK-4: whole numbers are written so that no stranger's object passes for one", () => {
  expect(exactToJson({ amount: 12n, none: undefined, list: [1n, "1", null] })).toEqual({
    amount: { $bigint: "12" },
    list: [{ $bigint: "1" }, "1", null],
  });
  expect(exactToJson({ $bigint: "12", $: 1, a$: 2 })).toEqual({ $$bigint: "12", $$: 1, a$: 2 });
  expect(Object.keys(exactToJson({ none: undefined, some: 1 }) as object)).toEqual(["some"]);
  expect(exactToJson([undefined, 1])).toEqual([null, 1]);
  expect(exactToJson(undefined)).toBeNull();
});

test("HOOK-4: what is read is what was written", () => {
  expect(jsonToExact({ $bigint: "-7" })).toBe(-7n);
  expect(jsonToExact({ $$bigint: "-7", a$: 1 })).toEqual({ $bigint: "-7", a$: 1 });
  expect(Object.keys(jsonToExact({ none: undefined, some: 1 }) as object)).toEqual(["some"]);
  const keys = fc.oneof(
    fc.string(),
    fc.constantFrom("$bigint", "$", "$$", "$$bigint", "__proto__"),
    fc.string().map((s) => `$${s}`),
  );
  const { exact } = fc.letrec<{ exact: Exact }>((tie) => ({
    exact: fc.oneof(
      { depthSize: "small" },
      fc.bigInt(),
      fc.string(),
      fc.boolean(),
      fc.integer(),
      fc.constant(null),
      fc.array(tie("exact"), { maxLength: 3 }),
      fc.array(fc.tuple(keys, tie("exact")), { maxLength: 3 }).map((members) => Object.fromEntries(members)),
    ),
  }));
  fc.assert(
    fc.property(exact, (value) => {
      const text = JSON.stringify(exactToJson(value));
      expect(jsonToExact(JSON.parse(text))).toEqual(value);
    }),
  );
});

test("HOOK-4: a stranger's __proto__ is a member like any other, written and read", () => {
  const sent = JSON.parse('{"__proto__":{"limit":"9"},"note":"x"}') as Exact;
  const text = JSON.stringify(exactToJson(sent));
  expect(text).toBe('{"__proto__":{"limit":"9"},"note":"x"}');
  expect(Object.keys(jsonToExact(JSON.parse(text)) as object)).toEqual(["__proto__", "note"]);
});
