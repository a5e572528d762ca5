import { RequestError, temporarilyUnavailable } from "@florin/kernel";
import { classifyDatabaseError, NoPrimaryError, OutcomeUnknownError, PrimaryChangedError } from "./database-errors.js";
import { DatabaseDeadlineError } from "./watched-socket.js";

const coded = (code: string): Error => Object.assign(new Error(code), { code });

test.each([
  // nothing was sent, or the server says that it did nothing
  ["ECONNREFUSED", "not-applied"],
  ["CONNECT_TIMEOUT", "not-applied"],
  ["40001", "not-applied"],
  ["40P01", "not-applied"],
  ["25006", "not-applied"], // a standby
  ["57014", "not-applied"], // statement_timeout
  ["57P03", "not-applied"], // starting up
  ["53300", "not-applied"], // too many connections
  ["53100", "not-applied"], // disk full
  // sent, and no answer that could be trusted
  ["57P01", "unknown"], // also the answer to a COMMIT that waited for its standby
  ["57P02", "unknown"],
  ["08006", "unknown"],
  ["58030", "unknown"],
  ["XX000", "unknown"],
  ["CONNECTION_CLOSED", "unknown"],
  ["ECONNRESET", "unknown"],
  // answered: it would end the same way again
  ["23505", "refused"],
  ["42601", "refused"],
  ["57P04", "refused"], // the database was dropped
  ["SOMETHING_ELSE", "refused"],
])("%s is %s", (code, expected) => {
  expect(classifyDatabaseError(coded(code))).toBe(expected);
});

test.each([
  [new NoPrimaryError(100, "none"), "not-applied"],
  [temporarilyUnavailable(100), "not-applied"],
  [new PrimaryChangedError(), "unknown"],
  [new DatabaseDeadlineError(100), "unknown"],
  [new OutcomeUnknownError(), "unknown"],
  [new RequestError("INTERNAL", "no"), "refused"],
  [new Error("of the work itself"), "refused"],
  [undefined, "refused"],
])("%p is %s", (error, expected) => {
  expect(classifyDatabaseError(error)).toBe(expected);
});
