import type { Area } from "@florin/kernel";
import type { Database } from "./connect-database.js";

/**
 * Which database a read may use: the replica when it shows all that the caller may know of, else the primary. Money decisions never
 * ask here, they read the primary.
 *
 * A caller with a consistency position (it has written, or has seen an event) gets the replica once the replica has replayed that
 * position: it reads what it wrote. A caller without one gets it while the replica is less than `maxLagMs` behind.
 * The replica is asked at most every `cacheMs`, by one query for all callers; an answer that does not come within `probeMs`, or
 * that says it is too far behind or no replica any more, leaves it aside for `asideMs`. So a dead replica costs one caller in
 * `asideMs` the wait of `probeMs`, and the others nothing.
 */
export interface ReadRouterOptions {
  readonly primary: Database;
  /** undefined: every read goes to the primary. */
  readonly replica: Database | undefined;
  /** Whose positions the replica is asked for. A position of another area goes to the primary. */
  readonly area: Area;
  /** Default 1000. */
  readonly maxLagMs?: number | undefined;
  /** Default 50. */
  readonly cacheMs?: number | undefined;
  /** Default 100. */
  readonly probeMs?: number | undefined;
  /** Default 2000. */
  readonly asideMs?: number | undefined;
  /** For the log and the metrics: the replica is not used for `asideMs`, and why. */
  readonly onAside?: ((reason: string) => void) | undefined;
}

export interface ConsistencyPosition {
  readonly area: string;
  readonly position: bigint;
}

export interface ReadRouter {
  /** Never rejects: in doubt it is the primary. */
  forReading(needed: ConsistencyPosition | undefined): Promise<Database>;
}

interface ReplicaState {
  readonly at: number;
  readonly position: bigint;
  readonly lagMs: number;
}

export function createReadRouter(options: ReadRouterOptions): ReadRouter {
  const { primary, replica, area } = options;
  if (replica === undefined) return { forReading: () => Promise.resolve(primary) };
  const { maxLagMs = 1_000, cacheMs = 50, probeMs = 100, asideMs = 2_000 } = options;
  let state: ReplicaState | undefined;
  let asking: Promise<ReplicaState | undefined> | undefined;
  let asideUntil = 0;

  const ask = async (): Promise<ReplicaState | undefined> => {
    try {
      state = await within(probeMs, askReplica(replica, area));
      return state;
    } catch (error) {
      state = undefined;
      asideUntil = performance.now() + asideMs;
      options.onAside?.(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const current = (): Promise<ReplicaState | undefined> => {
    if (state !== undefined && performance.now() - state.at < cacheMs) return Promise.resolve(state);
    return (asking ??= ask().finally(() => (asking = undefined)));
  };
  return {
    forReading: async (needed) => {
      if (performance.now() < asideUntil || (needed !== undefined && needed.area !== area)) return primary;
      const now = await current();
      if (now === undefined) return primary;
      const isEnough = needed === undefined ? now.lagMs <= maxLagMs : now.position >= needed.position;
      return isEnough ? replica : primary;
    },
  };
}

async function askReplica({ sql }: Database, area: Area): Promise<ReplicaState> {
  const at = performance.now(); // before: what it says was true no earlier
  const position = area === "ledger" ? sql`max(outbox_position)` : sql`max(numbered)`;
  const table = area === "ledger" ? sql`ledger.head` : sql(`${area}.outbox_head`);
  // All that was received is replayed: no lag, however long ago the last write was, as long as something still receives.
  const [row] = await sql<{ isReplica: boolean; lagMs: number | null; position: bigint | null }[]>`
    select pg_is_in_recovery() as "isReplica",
      case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select from pg_stat_wal_receiver) then 0
        else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000 end::float8 as "lagMs",
      (select ${position} from ${table}) as position`;
  if (row?.isReplica !== true) throw new Error("it is no replica any more");
  return { at, position: row.position ?? 0n, lagMs: row.lagMs ?? Number.POSITIVE_INFINITY };
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it did not answer within ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
