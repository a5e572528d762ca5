import { formatInstant, refuse } from "@florin/kernel";
import type { CommitDraft } from "./commit-draft.js";
import { tell, type TermsDecision } from "./terms-change.js";
import type { PeriodClose, TermsCommand } from "./terms-command.js";
import type { TermsFacts } from "./terms-facts.js";

/** T-2: from now on, value times before `until` need `posting.backdate.closed_period`. Only ever later than before, and never in the future. */
export function planPeriodClose(
  draft: CommitDraft,
  command: TermsCommand,
  { processingGroup, until }: PeriodClose,
  facts: TermsFacts,
): TermsDecision {
  const group = facts.groups.get(processingGroup);
  if (group === undefined) return refuse("PERIOD_INVALID", "there is no such processing group");
  const isEarlier = group.closedUntil !== undefined && until <= group.closedUntil;
  if (isEarlier || until > draft.bookedAt) return refuse("PERIOD_INVALID");
  const told = tell(draft, command, {
    kind: "period.closed",
    key: `processing_group:${processingGroup}`,
    body: { processingGroup, until: formatInstant(until) },
  });
  draft.terms.periodCloses.push({ processingGroup, until, ...told });
  return undefined;
}
