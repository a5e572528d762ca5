import type { Invariant } from "./invariant.js";

/**
 * I12, as far as the database sees it. Another role's sessions show their state to superusers and members of pg_monitor only, so an
 * area's own process finds nothing here: these rules are for a run that sees all areas.
 */
export const sessionRules: readonly Invariant[] = [
  {
    id: "I12",
    sentence: "no session stands idle inside a transaction for more than ten seconds",
    areas: ["accounts", "ledger"],
    holds: "always",
    sql: () => `
      select concat(application_name, ' ', pid) as who, concat('since ', state_change) as what
      from pg_stat_activity
      where datname = current_database() and state like 'idle in transaction%'
        and state_change < clock_timestamp() - interval '10 seconds'`,
  },
  {
    id: "I12",
    sentence: "no command waits for the writer",
    areas: ["ledger"],
    holds: "at rest",
    sql: () => `select command_id::text as who, concat(kind, ' since ', created_at) as what from ledger.command`,
  },
];
