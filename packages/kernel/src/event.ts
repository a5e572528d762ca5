import type { Instant } from "./instant.js";
import type { Uuid } from "./ids.js";

/** What JSON can carry. Money in it is a decimal string, never a number. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The areas that own tables and publish a stream each. */
export const areas = ["accounts", "ledger", "portfolio"] as const;
export type Area = (typeof areas)[number];

/** A fact or a command as its producer writes it, in the transaction that makes it true. */
export interface NewEvent {
  readonly eventId: Uuid;
  /** Order is promised per key: an account's id, an operation's id. */
  readonly key: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly occurredAt: Instant;
  readonly correlationId: string;
  readonly causationId?: string | undefined;
  /** The operation or request that caused it. */
  readonly changeId?: string | undefined;
  /** Principals who may see it (`usr_…`, or `role:staff`), stamped by the producer. */
  readonly audience: readonly string[];
  readonly payload: Json;
}

/**
 * The envelope of a published event (ledger.md STR-2). `position` is gapless within `stream` and is the only order that
 * readers may rely on; cursors and consumer offsets are positions, so they survive an emptied bus.
 */
export interface EventEnvelope extends NewEvent {
  readonly stream: Area;
  readonly position: bigint;
}
