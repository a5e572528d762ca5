import type { Action, Decision } from "./actions.js";
import type { TokenClock } from "./token-clock.js";
import type { Viewer } from "./viewer.js";

/** One decision that somebody may want to ask about later. No personal data and no tokens: ids only. */
export interface AccessLogEntry {
  /** Microseconds since 1970. */
  readonly at: bigint;
  /** undefined: nobody was signed in. */
  readonly principal: string | undefined;
  readonly action: Action;
  /** Border id of what it was about: `acct_…`. */
  readonly object: string;
  readonly allowed: boolean;
  readonly reason: string;
}

export interface AccessLog {
  /** Writes refusals, and reads of what belongs to somebody else. Everything else is ordinary and leaves no line. */
  record(viewer: Viewer | undefined, action: Action, object: string, decision: Decision): void;
}

/** @param options.write takes an entry for keeping; must not throw or wait, as a request is being answered */
export function createAccessLog(options: {
  readonly clock: TokenClock;
  readonly write: (entry: AccessLogEntry) => void;
}): AccessLog {
  return {
    record: (viewer, action, object, decision) => {
      if (decision.allowed && !decision.isSensitive) return;
      const { allowed, reason } = decision;
      options.write({ at: options.clock.now(), principal: viewer?.principal, action, object, allowed, reason });
    },
  };
}
