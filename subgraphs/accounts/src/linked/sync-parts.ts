import type { Database, Transaction } from "@florin/db";
import { appendOutbox } from "@florin/db";
import { lockLeasedItem, saveItemStanding, type DueJob, type ItemLease, type SyncedItem } from "@florin/db/accounts";
import { addMicros, type Clock, type IdSource, type Instant } from "@florin/kernel";
import type { ItemCall, PlaidPort, TokenVault } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import { nextStanding, type ItemSignal, type ItemStanding } from "./item-status.js";
import { linkedItemUpdated } from "./linked-events.js";
import { standingOf } from "./standing-of.js";
import type { SyncMeters } from "./sync-meters.js";
import type { SyncPolicy } from "./sync-policy.js";

/** What the worker's jobs are made of. The database is the worker's own role. */
export interface SyncParts {
  readonly database: Database;
  readonly plaid: PlaidPort;
  readonly vault: TokenVault;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly random: () => number;
  readonly logger: Logger;
  readonly meters: SyncMeters;
  readonly policy: SyncPolicy;
  /** 32 bytes, shared with portfolio: seals what is handed over. */
  readonly snapshotKey: Uint8Array;
  /** Waits, unless the worker stops first. */
  readonly pause: (ms: number) => Promise<void>;
  /** Something was committed: have the relay look now. */
  readonly wakeRelay: () => void;
}

/** One job of one item, under its lease. */
export interface JobRun {
  readonly lease: ItemLease;
  readonly job: DueJob;
  /** As it stood when the job began. */
  readonly item: SyncedItem;
  readonly call: ItemCall;
}

/** Another worker has the item now, or it was removed: nothing more is written, and nothing is wrong. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";

  constructor() {
    super("The item's lease went to another worker, who reads it again. Nothing was written.");
  }
}

/** What a fenced transaction is given: the item, locked, and a way to change how it stands. */
export interface Fenced {
  readonly tx: Transaction;
  readonly item: SyncedItem;
  readonly at: Instant;
  /** Saved, and announced with the rest at the end. */
  hear(signal: ItemSignal): Promise<ItemStanding>;
  /** People see something else now. */
  noteChange(): void;
}

/** Writes under the item's fence. Throws LeaseLost, and then nothing is written. Told to people once, at the end, when anything changed. */
export async function writeFenced<T>(
  parts: SyncParts,
  lease: ItemLease,
  correlationId: string,
  work: (fenced: Fenced) => Promise<T>,
): Promise<T> {
  let isAnnounced = false;
  const result = await parts.database.transaction(async (tx) => {
    const item = await lockLeasedItem(tx, lease);
    if (item === undefined) throw new LeaseLost();
    const at = parts.clock.now();
    let standing = standingOf(item);
    let isChanged = false;
    const done = await work({
      tx,
      item,
      at,
      hear: async (signal) => {
        const next = nextStanding(standing, signal);
        if (next !== standing) {
          await saveItemStanding(tx, item.itemId, next, at);
          standing = next;
          isChanged = true;
        }
        return standing;
      },
      noteChange: () => {
        isChanged = true;
      },
    });
    if (isChanged) {
      const { status, reason } = standing;
      await appendOutbox(tx, "accounts", [linkedItemUpdated(parts, { ...item, status, reason }, correlationId)]);
    }
    isAnnounced = isChanged;
    faultPoint("accounts.sync.before-commit");
    return done;
  });
  faultPoint("accounts.sync.after-commit");
  if (isAnnounced) parts.wakeRelay();
  return result;
}

export function laterByMs(at: Instant, ms: number): Instant {
  return addMicros(at, BigInt(Math.round(ms)) * 1_000n);
}

/** Milliseconds; negative when `to` is earlier. A duration, so a number will do. */
export function msBetween(from: Instant, to: Instant): number {
  return Number(to - from) / 1_000;
}
