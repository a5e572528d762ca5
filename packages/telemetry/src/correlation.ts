import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

/** What a stranger may send as a correlation id: long enough to be unique, and harmless in a log line or a header. */
const CORRELATION_ID = /^[A-Za-z0-9._-]{8,64}$/;

const storage = new AsyncLocalStorage<string>();

/** Everything that `work` starts, also after awaits, logs this id. */
export function runWithCorrelation<T>(correlationId: string, work: () => T): T {
  return storage.run(correlationId, work);
}

/** The id of the request that is being worked on; undefined outside of one. */
export function currentCorrelationId(): string | undefined {
  return storage.getStore();
}

/** 128 random bits as 22 characters. */
export function newCorrelationId(): string {
  return randomBytes(16).toString("base64url");
}

/** The caller's own id when it is well formed, else a new one: a bad id is never a reason to refuse a request. */
export function acceptCorrelationId(inbound: string | undefined): string {
  return inbound !== undefined && CORRELATION_ID.test(inbound) ? inbound : newCorrelationId();
}
