import {
  createHistory,
  createTestDatabase,
  type History,
  type ListOperation,
  type ListTransaction,
} from "@florin/testkit";
import postgres from "postgres";
import { createSeededRandom, type SeededRandom } from "./seeded-random.js";

/**
 * What list-append looks like without a ledger: lists in a plain table, read, changed by the client and written back, at READ COMMITTED
 * (or another level, to see that a checker can also be content). The control of list-append.ts.
 */
const LISTS = 4;
const CLIENTS = 16;

export async function runPlainLists(options: {
  readonly transactions: number;
  readonly seed: number;
  readonly isolation?: "read committed" | "serializable";
}): Promise<History<ListTransaction>> {
  const database = await createTestDatabase();
  const sql = postgres(database.url, { max: CLIENTS, onnotice: () => undefined });
  const history = createHistory<ListTransaction>();
  try {
    await sql`create table list (name text primary key, elements text[] not null)`;
    const names = Array.from({ length: LISTS }, (_, index) => `list-${index}`);
    await sql`insert into list select name, '{}' from unnest(${names}::text[]) name`;
    let left = options.transactions;
    let elements = 0;
    const client = async (random: SeededRandom): Promise<void> => {
      let process = history.newProcess();
      while (left-- > 0) {
        // In the order of names, so that nobody waits in a circle.
        const asked = random
          .some(names, 1 + random.below(3))
          .sort()
          .map((name): ListOperation =>
            random.below(2) === 0 ? ["r", name, null] : ["append", name, `e${++elements}`],
          );
        const invocation = history.invoke(process, "txn", asked);
        try {
          invocation.ok(
            await sql.begin(`isolation level ${options.isolation ?? "read committed"}`, (tx) => perform(tx, asked)),
          );
        } catch (error) {
          const isRefused = error instanceof postgres.PostgresError; // rolled back: it did not happen
          if (isRefused) invocation.fail();
          else invocation.info();
          if (!isRefused) process = history.newProcess();
        }
      }
    };
    const seeds = Array.from({ length: CLIENTS }, (_, at) => createSeededRandom(options.seed * 1_000 + at));
    await Promise.all(seeds.map(client));
    const whole = names.map((name): ListOperation => ["r", name, null]);
    history.invoke(history.newProcess(), "txn", whole).ok(await sql.begin((tx) => perform(tx, whole)));
    return history;
  } finally {
    await sql.end({ timeout: 5 });
    await database.drop();
  }
}

async function perform(tx: postgres.TransactionSql, asked: ListTransaction): Promise<ListTransaction> {
  const done: ListOperation[] = [];
  for (const op of asked) {
    const [row] = await tx<{ elements: string[] }[]>`select elements from list where name = ${op[1]}`;
    const elements = row?.elements ?? [];
    if (op[0] === "r") done.push(["r", op[1], { from: 1, elements }]);
    else {
      await tx`update list set elements = ${[...elements, op[2]]} where name = ${op[1]}`;
      done.push(op);
    }
  }
  return done;
}
