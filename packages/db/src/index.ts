export {
  connectDatabase,
  DISTANT_FUTURE,
  DISTANT_PAST,
  type Database,
  type DatabaseOptions,
  type JsonValue,
  type Sql,
  type Transaction,
} from "./connect-database.js";
export {
  classifyDatabaseError,
  isOutcomeUnknown,
  NoPrimaryError,
  OutcomeUnknownError,
  PrimaryChangedError,
  type DatabaseErrorClass,
} from "./database-errors.js";
export {
  discardDeadLetter,
  findDeadLetter,
  isKeyParked,
  listDeadLetters,
  listKeysToReplay,
  parkEvent,
  replayDeadLetters,
  requestReplay,
  type DeadLetter,
  type DeadLetterStatus,
  type ParkedKey,
} from "./dead-letters.js";
export { answerEventIdOf, fingerprintOf, internalAccountId, operationIdOf, sha256Hex } from "./fingerprint.js";
export { insertInbox, loadConsumerOffset, saveConsumerOffset } from "./inbox.js";
export {
  checkInvariants,
  describeFinding,
  findViolations,
  invariantIdsOf,
  invariants,
  type InvariantFinding,
  type InvariantOptions,
  type InvariantReport,
} from "./invariants/check-invariants.js";
export { haltOnViolation, moneyCreatingFindings } from "./invariants/halt-on-violation.js";
export { createInvariantWatch, type InvariantWatch } from "./invariants/invariant-watch.js";
export { migrate, type MigrateOptions } from "./migrate.js";
export { listen, notify } from "./notifications.js";
export { appendOutbox, createOutboxStore, type OutboxStore } from "./outbox.js";
export type { Primary } from "./primary-finder.js";
export { createReadRouter, type ConsistencyPosition, type ReadRouter, type ReadRouterOptions } from "./read-router.js";
export { DatabaseDeadlineError } from "./watched-socket.js";
export type { Pipeline, PipelinedStatement } from "./pipeline.js";
