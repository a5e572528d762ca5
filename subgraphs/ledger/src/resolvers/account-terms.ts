import { findValueAt, formatId, parametersAt, raisedFlags, type Instant } from "@florin/kernel";
import { getReadableAccount } from "../access.js";
import type { LedgerContext } from "../context.js";
import { accountIdOf, type AccountReference } from "./account-reference.js";

/** Fields of an account beside its balances. Each authorises on its own. */
interface Clocks {
  readonly at?: Instant | null;
  readonly knownAt?: Instant | null;
}

async function restrictions(reference: AccountReference, _args: unknown, context: LedgerContext) {
  const account = await getReadableAccount(context, accountIdOf(reference));
  const applied = await context.terms.listRestrictions(account.accountId);
  return applied.flatMap(({ restrictionId, rules, level, fromAt, toAt, code, version, paymentDevice }) =>
    rules.map(({ type }) => ({
      id: formatId("restriction", restrictionId),
      type,
      level,
      code,
      version,
      paymentDevice,
      effectiveFrom: fromAt,
      effectiveTo: toAt,
    })),
  );
}

/** FLAG-1: those that are raised at a value time, as it was known then; each with the stretch that was told of it. */
async function flags(reference: AccountReference, { at, knownAt }: Clocks, context: LedgerContext) {
  const account = await getReadableAccount(context, accountIdOf(reference));
  const known = (await context.terms.findTerms(account.accountId))?.terms.flags ?? {};
  const when = at ?? context.clock.now();
  return raisedFlags(known, when, knownAt ?? undefined).map((name) => {
    const told = (known[name] ?? []).map((entry) => ({ ...entry, value: entry }));
    const entry = findValueAt(told, when, knownAt ?? undefined);
    return { name, effectiveFrom: entry?.from ?? when, effectiveTo: entry?.to ?? null };
  });
}

async function parametersInForce(reference: AccountReference, { at, knownAt }: Clocks, context: LedgerContext) {
  const account = await getReadableAccount(context, accountIdOf(reference));
  const stored = await context.terms.findTerms(account.accountId);
  if (stored === undefined || stored.productVersionId === null) return null;
  const when = at ?? context.clock.now();
  return parametersAt(stored.parameters, stored.terms.parameterHistory, when, knownAt ?? undefined);
}

async function derivedParameters(reference: AccountReference, { at }: Pick<Clocks, "at">, context: LedgerContext) {
  const account = await getReadableAccount(context, accountIdOf(reference));
  return (await context.terms.deriveParameters(account.accountId, at ?? undefined)) ?? null;
}

export const accountTerms = { restrictions, flags, parametersInForce, derivedParameters };
