import type { Database } from "../connect-database.js";
import { haltWrites, listWriteHalts, type HaltFinding } from "../ledger/write-halts.js";
import { invariants, type InvariantFinding, type InvariantReport } from "./check-invariants.js";

/**
 * The auditor's teeth (docs/invariants.md): a finding that means money made or lost halts the book's writes.
 *
 * A person who resumes has seen what the halt names. The same row of the same rule then never halts again, as postings are never edited and
 * it may stand there for ever; another row, or the same one with other numbers, does.
 */
const MAX_FINDINGS_TOLD = 20;
/** Halts are rare; a book that had more of them has other troubles. */
const HALTS_REMEMBERED = 1_000;
const halting = new Set(invariants.filter((rule) => rule.haltsWrites === true).map((rule) => rule.sentence));

/** Those findings of a report that mean money made or lost. */
export function moneyCreatingFindings({ findings }: Pick<InvariantReport, "findings">): readonly InvariantFinding[] {
  return findings.filter(({ sentence }) => halting.has(sentence));
}

/** @returns whether the book was halted by this call. */
export async function haltOnViolation(
  database: Database,
  bookId: number,
  report: Pick<InvariantReport, "findings">,
  by: string,
): Promise<boolean> {
  const found = moneyCreatingFindings(report);
  if (found.length === 0) return false;
  const history = await listWriteHalts(database.sql, bookId, HALTS_REMEMBERED);
  if (history[0]?.action === "HALT") return false;
  const seen = new Set(history.flatMap(({ findings }) => findings.map(nameOf)));
  const fresh = found.filter((finding) => !seen.has(nameOf(finding)));
  const [first] = fresh;
  if (first === undefined) return false;
  const { invariant, sentence, who, what } = first;
  return await haltWrites(database, bookId, {
    rule: sentence,
    findings: fresh.slice(0, MAX_FINDINGS_TOLD).map(({ sentence, who, what }) => ({ sentence, who, what })),
    reason: `${invariant} ${sentence}: ${who}: ${what}`,
    by,
  });
}

const nameOf = ({ sentence, who, what }: HaltFinding): string => JSON.stringify([sentence, who, what]);
