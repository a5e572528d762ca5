import { connectDatabase } from "@florin/db";
import { createTestDatabase } from "@florin/testkit";

test("two test databases are migrated and know nothing of each other", async () => {
  const [first, second] = [await createTestDatabase(), await createTestDatabase()];
  const one = connectDatabase({ url: first.url, applicationName: "test", maxConnections: 1 });
  const two = connectDatabase({ url: second.url, applicationName: "test", maxConnections: 1 });
  try {
    await one.sql`create table only_here (id int)`;
    const [here] = await one.sql<{ found: boolean }[]>`select to_regclass('only_here') is not null as found`;
    const [there] = await two.sql<{ found: boolean }[]>`select to_regclass('only_here') is not null as found`;
    const [digits] = await two.sql<
      { minor_digits: number }[]
    >`select minor_digits from florin.currency where code = 'JPY'`;
    expect([here?.found, there?.found, digits?.minor_digits]).toEqual([true, false, 0]);
  } finally {
    await Promise.all([one.stop(), two.stop()]);
    await Promise.all([first.drop(), second.drop()]);
  }
});
