import { temporarilyUnavailable, type Uuid } from "@florin/kernel";

/**
 * Reads that are gathered across requests: what was asked for in one turn of the event loop becomes one statement, and while the statements
 * that may be under way are, the questions that come in meanwhile wait and share the next one. So load makes statements larger and not
 * more: a few connections carry any number of requests.
 *
 * A question is never divided: all of its ids are in one statement, and so in one snapshot.
 */
export interface GatheredReads<Row> {
  /** Rows by id; ids that are not there are left out. The map holds other questions' rows, too. */
  load(ids: readonly Uuid[]): Promise<ReadonlyMap<Uuid, Row>>;
}

export interface GatheredReadsOptions<Row> {
  readonly list: (ids: readonly Uuid[]) => Promise<readonly Row[]>;
  readonly idOf: (row: Row) => Uuid;
  /** Statements under way at once. */
  readonly maxInFlight: number;
  /** Ids of one statement, beyond which no further question joins. */
  readonly maxIds: number;
  /** Questions that may wait; one more is TEMPORARILY_UNAVAILABLE. */
  readonly maxWaiting: number;
  /** One that has waited longer is TEMPORARILY_UNAVAILABLE instead of being asked; a statement has the database's own deadline. */
  readonly maxWaitMs: number;
}

interface Question<Row> {
  readonly ids: readonly Uuid[];
  readonly askedAt: number;
  readonly answer: (rows: ReadonlyMap<Uuid, Row>) => void;
  readonly fail: (error: unknown) => void;
}

const RETRY_AFTER_MS = 100;

export function gatherReads<Row>(options: GatheredReadsOptions<Row>): GatheredReads<Row> {
  const { list, idOf, maxInFlight, maxIds, maxWaiting, maxWaitMs } = options;
  let waiting: Question<Row>[] = [];
  let inFlight = 0;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || inFlight >= maxInFlight) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      dropLateQuestions();
      while (waiting.length > 0 && inFlight < maxInFlight) void run(takeQuestions());
    });
  }

  function dropLateQuestions(): void {
    const oldest = performance.now() - maxWaitMs;
    while (waiting[0] !== undefined && waiting[0].askedAt < oldest)
      waiting.shift()?.fail(temporarilyUnavailable(RETRY_AFTER_MS));
  }

  function takeQuestions(): Question<Row>[] {
    let ids = 0;
    let taken = 0;
    for (const question of waiting) {
      if (taken > 0 && ids + question.ids.length > maxIds) break;
      ids += question.ids.length;
      taken++;
    }
    const questions = waiting.slice(0, taken);
    waiting = waiting.slice(taken);
    return questions;
  }

  /** Never rejects: each question is told. */
  async function run(questions: readonly Question<Row>[]): Promise<void> {
    inFlight++;
    try {
      const ids = new Set<Uuid>();
      for (const question of questions) for (const id of question.ids) ids.add(id);
      const rows = new Map<Uuid, Row>();
      for (const row of await list([...ids])) rows.set(idOf(row), row);
      for (const { answer } of questions) answer(rows);
    } catch (error) {
      for (const { fail } of questions) fail(error);
    } finally {
      inFlight--;
      if (waiting.length > 0) schedule();
    }
  }

  return {
    load: (ids) =>
      new Promise((answer, fail) => {
        if (waiting.length >= maxWaiting) {
          fail(temporarilyUnavailable(RETRY_AFTER_MS));
          return;
        }
        waiting.push({ ids, askedAt: performance.now(), answer, fail });
        schedule();
      }),
  };
}
