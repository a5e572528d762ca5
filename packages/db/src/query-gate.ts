import { temporarilyUnavailable } from "@florin/kernel";
import { DatabaseDeadlineError } from "./watched-socket.js";
import type { Sql } from "./sql.js";

/**
 * Bounds the single statements of a pool, which the driver would queue without end while it has no connection.
 *
 * At most `maxOutstanding` are with the driver; one more is refused with TEMPORARILY_UNAVAILABLE, and nothing has happened. One
 * that the driver has not sent for `deadlineMs` is told DATABASE_DEADLINE, outcome *unknown*: the driver cannot give back a query that
 * it has picked for a connection, so it may be sent later, and it counts until then. One that was sent is the watched socket's.
 * Costs one entry in a set for each statement, and one timer while there are any. Transactions have a gate of their own.
 */
export function boundQueries(sql: Sql, maxOutstanding: number, deadlineMs: number): Sql {
  const gate = new QueryGate(maxOutstanding, deadlineMs);
  const { unsafe } = sql;
  return new Proxy(sql, {
    apply: (target, self: unknown, args: unknown[]) => gate.guard(Reflect.apply(target, self, args)),
    get: (target, property): unknown =>
      property === "unsafe"
        ? (...args: Parameters<Sql["unsafe"]>) => gate.guard(unsafe(...args))
        : Reflect.get(target, property),
  });
}

/** What we use of the driver's Query. It is lazy: `handler` runs when somebody waits for it, never for a part of another query. */
interface DriverQuery {
  handler: (query: DriverQuery) => unknown;
  resolve: (value: unknown) => unknown;
  reject: (error: unknown) => unknown;
  /** Set when it is written to a connection. */
  readonly state: unknown;
}

const SWEEPS_PER_DEADLINE = 4;

interface Outstanding {
  readonly since: number;
  /** Tells the caller and leaves the query counted: it is still with the driver. */
  readonly tell: (error: unknown) => unknown;
}

class QueryGate {
  readonly #maxOutstanding: number;
  readonly #deadlineMs: number;
  readonly #outstanding = new Map<DriverQuery, Outstanding>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(maxOutstanding: number, deadlineMs: number) {
    this.#maxOutstanding = maxOutstanding;
    this.#deadlineMs = deadlineMs;
  }

  guard<T>(query: T): T {
    if (!isDriverQuery(query)) return query; // an identifier or a list for another query
    const send = query.handler;
    query.handler = (asked) => {
      if (this.#outstanding.size >= this.#maxOutstanding) return asked.reject(temporarilyUnavailable(this.#deadlineMs));
      this.#add(asked);
      return send(asked);
    };
    return query;
  }

  #add(query: DriverQuery): void {
    const { resolve, reject } = query;
    query.resolve = (value) => (this.#outstanding.delete(query), resolve(value));
    query.reject = (error) => (this.#outstanding.delete(query), reject(error));
    this.#outstanding.set(query, { since: performance.now(), tell: reject });
    this.#arm();
  }

  #arm(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      this.#expire();
      if (this.#outstanding.size > 0) this.#arm();
    }, this.#deadlineMs / SWEEPS_PER_DEADLINE).unref();
  }

  #expire(): void {
    const latest = performance.now() - this.#deadlineMs;
    for (const [query, { since, tell }] of this.#outstanding) {
      if (since > latest) return; // they are in order of arrival
      if (query.state === null) tell(new DatabaseDeadlineError(this.#deadlineMs));
    }
  }
}

function isDriverQuery(value: unknown): value is DriverQuery {
  return value instanceof Promise && "handler" in value && "resolve" in value && "reject" in value && "state" in value;
}
