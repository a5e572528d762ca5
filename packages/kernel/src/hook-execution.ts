import { canonicalJson } from "./canonical-json.js";
import { exactToJson, jsonToExact, type Exact } from "./exact-json.js";
import type { Json } from "./event.js";
import type { HookAnswers, HookData, HookKind } from "./hook.js";
import type { Product } from "./product.js";

/**
 * Runs hooks, writes executions down and runs them again (HOOK-4). An execution's record holds the product's version, the inputs and
 * the answer as canonical JSON; run again over those inputs, the same version gives the same bytes or it is not pure.
 */
export type HookOutcome<K extends HookKind = HookKind> =
  /** The product has no such hook (HOOK-6). */
  | { readonly kind: "absent" }
  | { readonly kind: "answered"; readonly answer: HookAnswers[K] }
  /** It threw: what that means is the table's last column, `failureEffects`. */
  | { readonly kind: "failed"; readonly message: string };

/** The column "on throw/timeout" of §2.9. An account is never unusable for a product's fault. */
export const failureEffects = {
  activation: "ACCOUNT_STAYS_PENDING",
  prePosting: "BATCH_REJECTED",
  postPosting: "RETRIED_THEN_QUARANTINED",
  preParameterChange: "CHANGE_REJECTED",
  postParameterChange: "RETRIED_THEN_QUARANTINED",
  derivedParameters: "FIELD_ERROR",
  deactivation: "ACCOUNT_STAYS_PENDING_CLOSURE",
  conversion: "ACCOUNT_STAYS_ON_VERSION",
} as const satisfies Readonly<Record<HookKind, string>>;

export function runHook<K extends HookKind>(product: Product, kind: K, data: HookData<K>): HookOutcome<K> {
  const hook = product.hooks?.[kind];
  if (hook === undefined) return { kind: "absent" };
  try {
    return { kind: "answered", answer: hook.run(data) };
  } catch (fault) {
    return { kind: "failed", message: fault instanceof Error ? fault.message : String(fault) };
  }
}

/** What is kept of an execution: its digest goes to the audit chain, its text to whoever runs it again. */
export interface HookExecution {
  /** Of this format. */
  readonly format: 1;
  readonly executionId: string;
  readonly productCode: string;
  readonly productVersion: string;
  readonly hook: HookKind;
  /** Canonical JSON. */
  readonly inputs: string;
  /** Canonical JSON. */
  readonly outcome: string;
}

export function recordExecution<K extends HookKind>(
  executionId: string,
  product: Product,
  kind: K,
  data: HookData<K>,
  outcome: HookOutcome<K>,
): HookExecution {
  return {
    format: 1,
    executionId,
    productCode: product.code,
    productVersion: product.version,
    hook: kind,
    inputs: toText(data),
    outcome: toText(outcome),
  };
}

export type Replay =
  { readonly kind: "same" } | { readonly kind: "different"; readonly recorded: string; readonly replayed: string };

/** Throws when the product is not the recorded one: the caller picks the version. */
export function replayExecution(product: Product, execution: HookExecution): Replay {
  const { productCode, productVersion, hook, inputs, outcome } = execution;
  if (product.code !== productCode || product.version !== productVersion)
    throw new Error(`this execution is one of ${productCode} version ${productVersion}; replay it with that`);
  const data = jsonToExact(JSON.parse(inputs) as Json) as HookData;
  const replayed = toText(runHook<HookKind>(product, hook, data));
  return replayed === outcome ? { kind: "same" } : { kind: "different", recorded: outcome, replayed };
}

function toText(value: object): string {
  return canonicalJson(exactToJson(value as Exact));
}
