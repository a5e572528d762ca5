import type { Sql, Transaction } from "@florin/db";
import {
  fetchHookData,
  findFailure,
  findRestrictions,
  listProcessingGroups,
  listRestrictionDefinitions,
  MAIN_PROCESSING_GROUP,
  type AppliedRestriction,
  type FetchedHookData,
  type PostProcessingFailure,
  type StoredProcessingGroup,
} from "@florin/db/ledger";
import { planFetches, type BookView, type HookKind, type Instant, type Uuid } from "@florin/kernel";
import type { LedgerCommand } from "./command.js";
import type { TermsChange } from "./terms-command.js";

/** What commands about terms need from the database, read for them alone: by what they name. */
export interface TermsFacts {
  /** Versions of a restriction definition by its code, oldest first. */
  readonly definitions: ReadonlyMap<string, readonly number[]>;
  readonly restrictions: ReadonlyMap<Uuid, AppliedRestriction>;
  readonly groups: ReadonlyMap<string, StoredProcessingGroup>;
  readonly failures: ReadonlyMap<string, PostProcessingFailure>;
}

export const NO_TERMS_FACTS: TermsFacts = {
  definitions: new Map(),
  restrictions: new Map(),
  groups: new Map(),
  failures: new Map(),
};

export async function readTermsFacts(
  tx: Transaction,
  bookId: number,
  commands: readonly LedgerCommand[],
): Promise<TermsFacts> {
  const changes = commands.flatMap((command) => (command.kind === "terms" ? [command.change] : []));
  if (changes.length === 0) return NO_TERMS_FACTS;
  const definitions = new Map<string, number[]>();
  for (const { code, version } of await listRestrictionDefinitions(tx, bookId, changes.flatMap(codesOf)))
    definitions.set(code, [...(definitions.get(code) ?? []), version]);
  const lifted = changes.flatMap((change) => (change.type === "liftRestriction" ? [change.restrictionId] : []));
  const restrictions = await findRestrictions(tx, bookId, lifted);
  const groups = changes.some(({ type }) => type === "closePeriod") ? await listProcessingGroups(tx, bookId) : [];
  return {
    definitions,
    restrictions: new Map(restrictions.map((restriction) => [restriction.restrictionId, restriction])),
    groups: new Map(groups.map((group) => [group.code, group])),
    failures: await readFailures(tx, bookId, changes),
  };
}

function codesOf(change: TermsChange): readonly string[] {
  return change.type === "restrictionDefinition" || change.type === "restriction" ? [change.code] : [];
}

async function readFailures(
  tx: Transaction,
  bookId: number,
  changes: readonly TermsChange[],
): Promise<ReadonlyMap<string, PostProcessingFailure>> {
  const failures = new Map<string, PostProcessingFailure>();
  for (const change of changes) {
    if (change.type !== "hookFailureResolution") continue;
    const failure = await findFailure(tx, bookId, change.executionId);
    if (failure !== undefined) failures.set(change.executionId, failure);
  }
  return failures;
}

/** The hook that a command runs inside its own decision and that may read more than the view holds. */
function hookOf(command: LedgerCommand): { readonly hook: HookKind; readonly accountId: Uuid } | undefined {
  if (command.kind === "account.close") return { hook: "deactivation", accountId: command.accountId };
  if (command.kind !== "terms" || command.change.type !== "parameters") return undefined;
  return { hook: "preParameterChange", accountId: command.change.accountId };
}

/**
 * What the hooks of these commands declared, by command: with nothing under way, what the database knows at the head's known time is what the
 * decision stands on (FET-6).
 */
export async function readHookFacts(
  sql: Sql,
  bookId: number,
  commands: readonly LedgerCommand[],
  given: { readonly view: BookView; readonly knownAt: Instant; readonly bookedAt: Instant },
): Promise<ReadonlyMap<Uuid, FetchedHookData>> {
  const data = new Map<Uuid, FetchedHookData>();
  for (const command of commands) {
    const wanted = hookOf(command);
    const account = wanted && given.view.accounts.get(wanted.accountId);
    const reads = wanted && account?.product?.hooks?.[wanted.hook]?.reads;
    if (reads === undefined || account === undefined) continue;
    const group = (await listProcessingGroups(sql, bookId)).find(({ code }) => code === MAIN_PROCESSING_GROUP);
    if (group === undefined) throw new Error(`book ${bookId} has no processing group. Run the migrations.`);
    const effectiveAt = command.kind === "terms" && "from" in command.change ? command.change.from : undefined;
    const { knownAt, bookedAt } = given;
    const plan = planFetches(reads, { knownAt, executedAt: bookedAt, effectiveAt: effectiveAt ?? bookedAt, group });
    data.set(command.commandId, await fetchHookData(sql, account.accountId, plan));
  }
  return data;
}
