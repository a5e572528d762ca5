import fc from "fast-check";
import { createTestDatabase } from "@florin/testkit";
import { connectDatabase } from "@florin/db";
import { plainArray, textArray } from "../src/array-literal.js";

test("an array literal gives PostgreSQL back the very texts that went in", async () => {
  const testDatabase = await createTestDatabase();
  const database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  try {
    const awkward = fc.constantFrom("", "null", "NULL", '"', "\\", "{}", ",", " a ", "é", "\u2028", "a\nb", "it's");
    const text = fc.oneof(awkward, fc.string({ unit: "grapheme" })).filter((value) => !value.includes("\u0000"));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text, { nil: undefined })), async (values) => {
        const rows = await database.sql<{ value: string | null }[]>`
          select value from unnest(${textArray(values, (value) => value)}::text[]) with ordinality t (value, place) order by place`;
        expect(rows.map((row) => row.value ?? undefined)).toEqual(values);
      }),
      { numRuns: 200 },
    );
    const [sum] = await database.sql`
      select sum(n)::text as sum from unnest(${plainArray([1n, undefined, 2n], (n) => n)}::bigint[]) t (n)`;
    expect(sum).toEqual({ sum: "3" });
  } finally {
    await database.stop();
    await testDatabase.drop();
  }
});
