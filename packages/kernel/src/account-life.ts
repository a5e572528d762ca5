import type { AccountState } from "./book-view.js";
import type { CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import { runHook } from "./hook-execution.js";
import type { HookData } from "./hook.js";
import type { Instant } from "./instant.js";
import { resolveParameters, type ParameterValues, type ResolvedParameters } from "./parameter.js";
import type { Product } from "./product.js";
import { refuse, type Refusal } from "./refusal.js";
import { isWithin } from "./timeseries.js";

/** What happens to an account beside postings: closing it, changing its parameters, moving it to another version. */

/**
 * Why an account cannot be closed now, all of it (HOOK-7, RES-1): every coordinate is zero but those its product exempts, and nothing is
 * pending. `openHolds`: its client transactions that are open, custom ones not counted. The product's deactivation hook comes after.
 */
export function refuseClosure(account: AccountState, openHolds: number, now: Instant): readonly Refusal[] {
  const refusals: Refusal[] = [];
  if (account.status !== "OPEN" && account.status !== "PENDING_CLOSURE") refusals.push(refuse("ACCOUNT_NOT_OPEN"));
  const forbids = account.restrictions?.find(
    (restriction) => restriction.type === "PREVENT_CLOSURE" && isWithin(restriction, now),
  );
  if (forbids !== undefined) refusals.push(refuse("RESTRICTED", forbids.code));
  if (openHolds > 0) refusals.push(refuse("CLIENT_TRANSACTION_OPEN"));
  const exempt = account.product?.closureExemptAddresses ?? [];
  for (const [key, { totalDebit, totalCredit }] of account.totals)
    if (totalDebit !== totalCredit && !exempt.includes(key.slice(0, key.indexOf("|")))) {
      refusals.push(refuse("BALANCE_NOT_ZERO"));
      break;
    }
  return refusals;
}

/**
 * New values of some parameters, judged by the product's preParameterChange, which may refuse and nothing else. `data` holds what the
 * hook declared, as of the time in the call.
 */
export function planParameterChange(
  product: Product,
  proposed: Json,
  data: Omit<HookData<"preParameterChange">, "occasion">,
): ResolvedParameters {
  const oldParameters = data.parameters;
  const resolved = resolveParameters(product, data.account.denomination, proposed, oldParameters);
  if ("refusal" in resolved) return resolved;
  const occasion = { oldParameters, newParameters: resolved.parameters };
  const outcome = runHook(product, "preParameterChange", { ...data, occasion });
  if (outcome.kind === "failed") return { refusal: refuse("CONTRACT_ERROR") };
  const refusal = outcome.kind === "answered" ? outcome.answer.reject : undefined;
  return refusal === undefined ? resolved : { refusal };
}

export type Conversion =
  | { readonly kind: "converted"; readonly parameters: ParameterValues; readonly dropped: readonly string[] }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * An account's parameters on another version of its product (§2.9, conversion): what both versions know is kept, what is new takes its
 * default, what is gone is dropped and named. Balances are neither made nor removed. Refused across products and sides, and for a value
 * that the new version would not take.
 */
export function planConversion(
  from: Product,
  to: Product,
  currency: CurrencyCode,
  current: ParameterValues,
): Conversion {
  if (from.code !== to.code || from.version === to.version || from.tside !== to.tside)
    return {
      kind: "refused",
      refusal: refuse("CONVERSION_INVALID", `${from.code} ${from.version} to ${to.code} ${to.version}`),
    };
  if (to.currencies !== undefined && !to.currencies.includes(currency))
    return { kind: "refused", refusal: refuse("CURRENCY_NOT_OFFERED", `${to.code} in ${currency}`) };
  const known = new Set(to.parameters.map(({ name }) => name));
  const resolved = resolveParameters(to, currency, {}, current);
  if ("refusal" in resolved) return { kind: "refused", refusal: resolved.refusal };
  const dropped = Object.keys(current)
    .filter((name) => !known.has(name))
    .sort();
  return { kind: "converted", parameters: resolved.parameters, dropped };
}
