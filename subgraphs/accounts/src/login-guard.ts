import { createHmac } from "node:crypto";
import { isIPv6 } from "node:net";
import type { Sql } from "@florin/db";
import { countLoginAttempt, deleteLoginAttempts } from "@florin/db/accounts";
import { RequestError, type Clock } from "@florin/kernel";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

/**
 * Two brakes on guessing.
 *
 *   per identifier  10 attempts in 30 minutes (PCI DSS 8.3.4), kept in PostgreSQL: all processes together, over restarts. An attempt is
 *                   counted before its password is looked at, so a thousand parallel guesses are ten. A right password clears it.
 *   per address     in memory of each process, for registrations and log-ins together; only so that one machine cannot keep the
 *                   hashing queue full. Networks of IPv6 count by /64, as one customer has that many.
 */
export interface LoginGuard {
  /** RATE_LIMITED when this address asks too often. */
  admitAddress(address: string | undefined): Promise<void>;
  /** RATE_LIMITED from the eleventh attempt on. */
  countAttempt(subject: string): Promise<void>;
  clear(subject: string): Promise<void>;
  /** What attempts are counted under: the user where there is one, else a keyed hash of what was typed. */
  subjectOf(userId: string | undefined, identifier: string): string;
}

const MAX_ATTEMPTS = 10;
export const LOGIN_WINDOW_MICROS = 30n * 60n * 1_000_000n;
const ADDRESS_WINDOW_SECONDS = 60;

export function createLoginGuard(options: {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly subjectKey: Uint8Array;
  /** Registrations and log-ins of one address a minute. */
  readonly attemptsPerAddress: number;
}): LoginGuard {
  const { sql, clock, subjectKey } = options;
  const addresses = new RateLimiterMemory({ points: options.attemptsPerAddress, duration: ADDRESS_WINDOW_SECONDS });

  return {
    admitAddress: async (address) => {
      try {
        await addresses.consume(networkOf(address ?? "unknown"));
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        throw rateLimited("Too many attempts from your network.", refusal.msBeforeNext);
      }
    },
    countAttempt: async (subject) => {
      const now = clock.now();
      const { attempts, windowStartedAt } = await countLoginAttempt(sql, subject, now, LOGIN_WINDOW_MICROS);
      if (attempts <= MAX_ATTEMPTS) return;
      const leftMicros = windowStartedAt + LOGIN_WINDOW_MICROS - now;
      throw rateLimited("Too many attempts to sign in.", Number(leftMicros / 1_000n)); // milliseconds fit a double
    },
    clear: (subject) => deleteLoginAttempts(sql, subject),
    subjectOf: (userId, identifier) =>
      userId ?? `hmac:${createHmac("sha256", subjectKey).update(identifier).digest("base64url")}`,
  };
}

function rateLimited(what: string, retryAfterMs: number): RequestError {
  return new RequestError("RATE_LIMITED", `${what} Wait, then try again.`, { retryAfterMs: Math.max(1, retryAfterMs) });
}

/** The /64 of an IPv6 address; anything else as it is. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!isIPv6(address)) return address.slice(0, 64);
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::") as [string, string?];
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0");
  return [...front, ...zeros, ...back]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}
