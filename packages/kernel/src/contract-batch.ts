import type { ProposedBatch } from "./book-view.js";
import type { CurrencyCode } from "./currency.js";
import type { HookKind, PostingsDirective } from "./hook.js";
import { formatId, type Uuid } from "./ids.js";
import type { Instant } from "./instant.js";
import type { CustomInstruction } from "./instruction.js";

/** Where a directive came from. */
export interface DirectiveSource {
  /** Deterministic: the same trigger gives the same, so a hook that runs twice posts once (CT-1). */
  readonly executionId: string;
  readonly account: { readonly accountId: Uuid; readonly denomination: CurrencyCode };
  /** HOOK-2. */
  readonly effectiveAt: Instant;
  readonly bookedAt: Instant;
  /** 1 for what answers a client's batch; one more for each batch of a product in between (HOOK-3). */
  readonly cascadeDepth: number;
  /** The id of the internal account of this code in the account's denomination; undefined: there is none. */
  readonly findInternalAccount: (code: string) => Uuid | undefined;
}

/** The id of what a trigger (a batch, a change, an opening) makes a hook of an account do: the same in every process and at every retry. */
export function executionIdOf(hook: HookKind, accountId: Uuid, trigger: string): string {
  return `${hook}:${formatId("account", accountId)}:${trigger}`;
}

/** Client of all batches that products emit; their ids hold the execution's. */
export const CONTRACT_CLIENT = "contract";

/** A product's directive as a batch that `decideBatch` takes, COMMITTED legs in the account's denomination only (§2.3). */
export function toContractBatch(directive: PostingsDirective, source: DirectiveSource): ProposedBatch {
  const { executionId, account, effectiveAt, bookedAt, cascadeDepth, findInternalAccount } = source;
  const instructions = directive.instructions.map(
    ({ legs, details, overrideRestrictions, truesUp }, ordinal): CustomInstruction => ({
      type: "CUSTOM_INSTRUCTION",
      advice: false,
      clientTransactionId: `hook_${executionId}:${ordinal}`,
      details,
      overrideRestrictions,
      truesUp,
      legs: legs.map((leg) => ({
        account: leg.account === "SELF" ? account.accountId : findInternalAccount(leg.account.internalCode),
        address: leg.address,
        side: leg.side,
        money: { amount: leg.amount, currency: account.denomination },
      })),
    }),
  );
  return {
    operationId: `hook_${executionId}`,
    clientId: CONTRACT_CLIENT,
    valueAt: directive.valueAt ?? effectiveAt,
    bookedAt,
    instructions,
    origin: "CONTRACT",
    emittedBy: { accountId: account.accountId, cascadeDepth },
  };
}
