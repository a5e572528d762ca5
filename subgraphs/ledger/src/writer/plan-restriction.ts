import { formatId, parseCurrency, parseDecimal, minorDigits, refuse, type Refusal } from "@florin/kernel";
import type { RestrictionRule } from "@florin/db/ledger";
import type { CommitDraft } from "./commit-draft.js";
import { findCustomerAccount, tell, windowOf, windowToJson, type TermsDecision } from "./terms-change.js";
import type { RestrictionChange, RestrictionDefinitionChange, RestrictionLift, TermsCommand } from "./terms-command.js";
import type { TermsFacts } from "./terms-facts.js";

/** RES-1: a definition's next version. What was applied before stays on the version that it was applied with. */
export function planRestrictionDefinition(
  draft: CommitDraft,
  command: TermsCommand,
  change: RestrictionDefinitionChange,
  facts: TermsFacts,
): TermsDecision {
  const { code, description, rules } = change;
  const invalid = rules.map(refuseRule).find((refusal) => refusal !== undefined);
  if (invalid !== undefined || rules.length === 0) return invalid ?? refuse("RESTRICTION_INVALID", "it has no rule");
  const version = Math.max(0, ...versionsOf(draft, code, facts)) + 1;
  const plainRules = rules.map((rule) => ({ ...rule, exemptions: rule.exemptions?.map((one) => ({ ...one })) }));
  const told = tell(draft, command, {
    kind: "restriction.defined",
    key: `restriction:${code}`,
    body: { code, version, description, rules: plainRules },
  });
  draft.terms.restrictionDefinitions.push({ code, version, description, rules, ...told });
  return undefined;
}

function versionsOf(draft: CommitDraft, code: string, facts: TermsFacts): readonly number[] {
  const added = draft.terms.restrictionDefinitions.filter((one) => one.code === code).map(({ version }) => version);
  return [...(facts.definitions.get(code) ?? []), ...added];
}

/** A LIMIT has its amounts, and only a LIMIT has any; an exemption that names nothing would exempt nothing (RES-2). */
function refuseRule({ type, limits, exemptions }: RestrictionRule): Refusal | undefined {
  const isLimit = type.startsWith("LIMIT_");
  if (isLimit !== (limits !== undefined && Object.keys(limits).length > 0))
    return refuse("RESTRICTION_INVALID", isLimit ? `${type} needs limits by currency` : `${type} takes no limits`);
  for (const [code, amount] of Object.entries(limits ?? {})) {
    const currency = parseCurrency(code);
    const scaled = currency && parseDecimal(amount, minorDigits(currency));
    if (scaled === undefined || scaled < 0n)
      return refuse("RESTRICTION_INVALID", `limit ${code.slice(0, 8)} of ${type}`);
  }
  const isEmpty = exemptions?.some((exemption) => Object.keys(exemption).length === 0) === true;
  return isEmpty ? refuse("RESTRICTION_INVALID", `an exemption of ${type} names nothing`) : undefined;
}

/** Its id is the command's, so the answer to a key names it. */
export function planRestriction(
  draft: CommitDraft,
  command: TermsCommand,
  change: RestrictionChange,
  facts: TermsFacts,
): TermsDecision {
  const versions = versionsOf(draft, change.code, facts);
  const version = change.version ?? versions.at(-1);
  if (version === undefined || !versions.includes(version)) return refuse("RESTRICTION_UNKNOWN");
  const window = windowOf(draft, change);
  if ("code" in window) return window;
  const { target, code } = change;
  const accountId = target.level === "CUSTOMER" ? undefined : target.accountId;
  const found = accountId === undefined ? undefined : findCustomerAccount(draft, accountId);
  if (found !== undefined && "code" in found) return found;
  const restrictionId = command.commandId;
  const body = { restrictionId: formatId("restriction", restrictionId), code, version, level: target.level };
  const told = tell(draft, command, {
    kind: "restriction.applied",
    key: accountId === undefined ? `customer:${customerOf(target)}` : formatId("account", accountId),
    body: { ...body, ...windowToJson(window) },
  });
  draft.terms.restrictions.push({
    restrictionId,
    code,
    version,
    level: target.level,
    customer: customerOf(target),
    accountId,
    paymentDevice: target.level === "PAYMENT_DEVICE" ? target.paymentDevice : undefined,
    ...window,
    ...told,
  });
  return undefined;
}

function customerOf(target: RestrictionChange["target"]): string | undefined {
  return target.level === "CUSTOMER" ? target.customer : undefined;
}

export function planRestrictionLift(
  draft: CommitDraft,
  command: TermsCommand,
  { restrictionId, reason }: RestrictionLift,
  facts: TermsFacts,
): TermsDecision {
  const restriction = facts.restrictions.get(restrictionId);
  if (restriction === undefined) return refuse("RESTRICTION_UNKNOWN");
  const { toAt, accountId, customer, code, version, fromAt } = restriction;
  const isLifted = draft.terms.restrictionLifts.some((lift) => lift.restrictionId === restrictionId);
  if (restriction.liftedAt !== null || isLifted || (toAt !== null && toAt <= draft.bookedAt))
    return refuse("RESTRICTION_ENDED");
  const told = tell(draft, command, {
    kind: "restriction.lifted",
    key: accountId === null ? `customer:${customer}` : formatId("account", accountId),
    body: { restrictionId: formatId("restriction", restrictionId), code, version, reason },
  });
  // One that has not begun never will: it ends where it begins.
  const liftedAt = draft.bookedAt > fromAt ? draft.bookedAt : fromAt;
  draft.terms.restrictionLifts.push({ restrictionId, liftedAt, reason, ...told });
  return undefined;
}
