import { answerEventIdOf, type Database } from "@florin/db";
import { findAnswers, findStoredOperations, getHead } from "@florin/db/ledger";
import type { Uuid } from "@florin/kernel";
import type { LedgerCommand, WriterOutcome } from "./command.js";
import { replayOf, toAccountOutcome } from "./plan-commit.js";

/** The committed outcomes of those commands that have one, gathered into one look. */
export async function findStoredOutcomes(
  database: Database,
  bookId: number,
  commands: readonly LedgerCommand[],
): Promise<ReadonlyMap<Uuid, WriterOutcome>> {
  const operated = commands.filter((command) => command.kind === "posting" || command.kind === "terms");
  const others = commands.filter((command) => command.kind !== "posting" && command.kind !== "terms");
  const { sql } = database;
  const [operations, answers] = await Promise.all([
    findStoredOperations(
      sql,
      operated.map((command) => command.commandId),
    ),
    findAnswers(
      sql,
      others.map((command) => answerEventIdOf(command.commandId)),
    ),
  ]);
  const outcomes = new Map<Uuid, WriterOutcome>();
  if (operations.length === 0 && answers.length === 0) return outcomes;
  const { outboxPosition } = await getHead(sql, bookId); // read after them, so their events stand at or before it
  const operationById = new Map(operations.map((operation) => [operation.operationId, operation]));
  for (const command of operated) {
    const stored = operationById.get(command.commandId);
    if (stored !== undefined) outcomes.set(command.commandId, replayOf(stored, command, outboxPosition));
  }
  const answerById = new Map(answers.map((answer) => [answer.eventId, answer]));
  for (const command of others) {
    const answer = answerById.get(answerEventIdOf(command.commandId));
    if (answer !== undefined) outcomes.set(command.commandId, toAccountOutcome(command.accountId, answer));
  }
  return outcomes;
}
