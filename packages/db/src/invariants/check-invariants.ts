import type { Area } from "@florin/kernel";
import type { Database, Transaction } from "../connect-database.js";
import { eventRules } from "./event-rules.js";
import { holdRules } from "./hold-rules.js";
import { WHOLE, type Invariant, type InvariantId, type InvariantScope } from "./invariant.js";
import { linkedRules } from "./linked-rules.js";
import { moneyRules } from "./money-rules.js";
import { portfolioRules } from "./portfolio-rules.js";
import { projectionRules } from "./projection-rules.js";
import { sessionRules } from "./session-rules.js";

/**
 * The invariants of docs/invariants.md, run against one snapshot.
 *
 * Each rule is a query that finds nothing. They run one after another in one REPEATABLE READ, READ ONLY transaction, so they see one
 * state and take no lock; such a transaction has no id, so it does not hold back the relay's horizon either. Each rule stands behind
 * a savepoint: one that is too slow is reported as unchecked and the others go on. At most `maxFindings` rows are read of a rule.
 */
export const invariants: readonly Invariant[] = [
  ...moneyRules,
  ...holdRules,
  ...projectionRules,
  ...linkedRules,
  ...portfolioRules,
  ...eventRules,
  ...sessionRules,
];

/** Which of them an area can check alone, at any time. */
export function invariantIdsOf(area: Area): readonly InvariantId[] {
  const alone = invariants.filter((rule) => rule.holds === "always" && rule.areas.every((one) => one === area));
  return [...new Set(alone.map((rule) => rule.id))];
}

export interface InvariantOptions {
  /** What the role may read. Rules that need more are left out. */
  readonly areas: readonly Area[];
  /** Nothing is under way: then also the rules that hold at rest. Default false. */
  readonly isAtRest?: boolean;
  /** What need not be read again; rules that cannot be bounded are then left out. Default: everything is read. */
  readonly after?: InvariantScope;
  /** Of one rule; the first by `who` and `what`, so that a run finds what the run before it found. Default 5. */
  readonly maxFindings?: number;
  /** Of one rule, in the server. Default none. */
  readonly timeoutMs?: number;
}

export interface InvariantFinding {
  readonly invariant: InvariantId;
  readonly sentence: string;
  readonly who: string;
  readonly what: string;
}

export interface InvariantReport {
  readonly findings: readonly InvariantFinding[];
  /** How many rules were run to their end. */
  readonly checked: number;
  /** Rules that could not be run to their end, and why. */
  readonly unchecked: readonly {
    readonly invariant: InvariantId;
    readonly sentence: string;
    readonly reason: string;
  }[];
}

export async function checkInvariants(database: Database, options: InvariantOptions): Promise<InvariantReport> {
  return await database.transaction(async (tx) => {
    await tx`set transaction isolation level repeatable read, read only`;
    return await findViolations(tx, options);
  });
}

/** In the caller's transaction: what it sees is what its isolation level lets it see. */
export async function findViolations(tx: Transaction, options: InvariantOptions): Promise<InvariantReport> {
  const { areas, isAtRest = false, after, maxFindings = 5, timeoutMs = 0 } = options;
  const rules = invariants.filter(
    (rule) =>
      rule.areas.every((area) => areas.includes(area)) &&
      (isAtRest || rule.holds === "always") &&
      (after === undefined || rule.isWhole !== true),
  );
  // Rules join on ids that are made, not stored: row by row that is quadratic, and a planner without fresh statistics tries it.
  // What is better looked up by its key stands in a LATERAL and is, whatever is set here.
  await tx`
    select set_config('statement_timeout', ${String(timeoutMs)}, true), set_config('enable_nestloop', 'off', true),
      set_config('jit', 'off', true)`;
  const findings: InvariantFinding[] = [];
  const unchecked: InvariantReport["unchecked"][number][] = [];
  for (const { id: invariant, sentence, sql } of rules) {
    const query = `select * from (${sql(after ?? WHOLE)}) found order by 1, 2 limit ${maxFindings}`;
    try {
      const rows = await tx.savepoint((step) => step.unsafe<{ who: string; what: string }[]>(query));
      findings.push(...rows.map(({ who, what }) => ({ invariant, sentence, who, what })));
    } catch (error) {
      if (!isTimeout(error)) throw error;
      unchecked.push({ invariant, sentence, reason: `took longer than ${timeoutMs} ms` });
    }
  }
  return { findings, checked: rules.length - unchecked.length, unchecked };
}

const QUERY_CANCELED = "57014";
function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === QUERY_CANCELED;
}

/** One line for people: the rule, where, and what stands there. */
export function describeFinding({ invariant, sentence, who, what }: InvariantFinding): string {
  return `${invariant} ${sentence}: ${who}: ${what}`;
}
