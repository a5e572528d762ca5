import type { Area } from "@florin/kernel";
import type { Database, Transaction } from "../connect-database.js";
import { findViolations, type InvariantReport } from "./check-invariants.js";
import { WHOLE, type InvariantScope } from "./invariant.js";

/**
 * The invariants of one area, in production, again and again.
 *
 *   whose turn   an advisory lock of the transaction: one process of the area at a time, and it is free when its process dies
 *   how much     all of a small area: up to `wholeUpTo` batches and events (about a second of one core). Beyond that, what came since
 *                the last clean run of this process, at most `latest` of them; rules that cannot be bounded are then left to `florin invariants`, at a quiet hour
 *   how long     each rule at most `timeoutMs` in the server; what was too slow is reported, not waited for
 */
export interface InvariantWatchOptions {
  readonly database: Database;
  readonly area: Area;
  /** Below the database's deadline, or the deadline comes first and the whole run fails. Default 4000. */
  readonly timeoutMs?: number;
  /** Default 20 000. */
  readonly wholeUpTo?: bigint;
  /** Default 100 000. */
  readonly latest?: bigint;
}

export interface InvariantWatch {
  /** undefined: another process of the area is at it. Throws when the database fails. */
  run(): Promise<InvariantReport | undefined>;
}

/** Of one rule: some may be known for long, and must not hide a new one. */
const MAX_FINDINGS = 20;
const LOCK_CLASS = 0x666c6f72; // "flor"

export function createInvariantWatch(options: InvariantWatchOptions): InvariantWatch {
  const { database, area, timeoutMs = 4_000, wholeUpTo = 20_000n, latest = 100_000n } = options;
  let clean: InvariantScope = WHOLE;

  async function check(tx: Transaction): Promise<InvariantReport | undefined> {
    await tx`set transaction isolation level repeatable read, read only`;
    const [turn] = await tx<{ ours: boolean }[]>`
      select pg_try_advisory_xact_lock(${LOCK_CLASS}, hashtext(${area})) as ours`;
    if (turn?.ours !== true) return undefined;
    const head = await readHead(tx, area);
    const isSmall = head.seq <= wholeUpTo && head.position <= wholeUpTo;
    const after = isSmall ? undefined : laterOf(clean, before(head, latest));
    const report = await findViolations(tx, {
      areas: [area],
      maxFindings: MAX_FINDINGS,
      timeoutMs,
      ...(after === undefined ? {} : { after }),
    });
    if (report.findings.length === 0 && report.unchecked.length === 0) clean = head;
    return report;
  }

  return { run: () => database.transaction(check) };
}

async function readHead(tx: Transaction, area: Area): Promise<InvariantScope> {
  const [head] =
    area === "ledger"
      ? await tx<InvariantScope[]>`select seq, outbox_position as position from ledger.head where book_id = 1`
      : await tx<InvariantScope[]>`select 0::bigint as seq, numbered as position from ${tx(`${area}.outbox_head`)}`;
  if (head === undefined) throw new Error(`${area} has no head row. Run the migrations.`);
  return head;
}

function before(head: InvariantScope, count: bigint): InvariantScope {
  const back = (value: bigint): bigint => (value > count ? value - count : 0n);
  return { seq: back(head.seq), position: back(head.position) };
}

function laterOf(a: InvariantScope, b: InvariantScope): InvariantScope {
  return { seq: a.seq > b.seq ? a.seq : b.seq, position: a.position > b.position ? a.position : b.position };
}
