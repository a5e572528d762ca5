import { asUuid, type Uuid } from "@florin/kernel";
import { gatherReads, type GatheredReadsOptions } from "./gathered-reads.js";

const id = (number: number): Uuid => asUuid(`01900000-0000-7000-8000-${number.toString().padStart(12, "0")}`);
type Row = { readonly id: Uuid };

/** Statements that are answered when the test says so. */
function gathered(options: Partial<GatheredReadsOptions<Row>> = {}) {
  const statements: { readonly ids: readonly Uuid[]; answer(): void; fail(error: Error): void }[] = [];
  const list = (ids: readonly Uuid[]) =>
    new Promise<readonly Row[]>((resolve, reject) =>
      statements.push({ ids, answer: () => resolve(ids.map((one) => ({ id: one }))), fail: reject }),
    );
  const bounds = { maxInFlight: 2, maxIds: 4, maxWaiting: 10, maxWaitMs: 60_000 };
  return { statements, reads: gatherReads({ ...bounds, list, idOf: (row) => row.id, ...options }) };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what is asked for in one turn is one statement, each id once", async () => {
  const { statements, reads } = gathered();
  const answers = [reads.load([id(1), id(2)]), reads.load([id(2)]), reads.load([id(1)])];
  await turn();
  expect(statements.map(({ ids }) => ids)).toEqual([[id(1), id(2)]]);
  statements[0]!.answer();
  for (const rows of await Promise.all(answers)) expect([...rows.keys()]).toEqual([id(1), id(2)]);
});

test("a question is never divided, and only so many statements are under way", async () => {
  const { statements, reads } = gathered();
  const answers = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11], [12], [13]].map((ids) => reads.load(ids.map(id)));
  await turn();
  expect(statements.map(({ ids }) => ids.length)).toEqual([3, 2]);
  statements[1]!.answer();
  await answers[1];
  await turn();
  expect(statements.map(({ ids }) => ids.length)).toEqual([3, 2, 6]); // larger than the bound, and whole
  statements[0]!.answer();
  await answers[0];
  await turn();
  expect(statements.map(({ ids }) => ids.length)).toEqual([3, 2, 6, 2]);
  for (const { answer } of statements) answer();
  expect((await Promise.all(answers)).map((rows) => rows.size)).toEqual([3, 2, 6, 2, 2]);
});

test("a statement that fails is told to its questions alone", async () => {
  const { statements, reads } = gathered({ maxIds: 1 });
  const [first, second] = [reads.load([id(1)]), reads.load([id(2)])];
  await turn();
  const told = expect(first).rejects.toThrow("cut");
  statements[0]!.fail(new Error("cut"));
  await told;
  statements[1]!.answer();
  expect((await second).has(id(2))).toBe(true);
});

test("beyond the bound of what may wait, and of how long, the question is refused", async () => {
  const { statements, reads } = gathered({ maxInFlight: 1, maxIds: 1, maxWaiting: 2, maxWaitMs: 0 });
  const first = reads.load([id(1)]);
  const late = reads.load([id(2)]);
  await expect(reads.load([id(3)])).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
  await expect(Promise.race([first, late])).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
  await Promise.allSettled([first, late]);
  expect(statements).toEqual([]);
});
