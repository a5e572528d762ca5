import { defineProduct } from "../define-product.js";
import type { InstructionChange, Objection } from "../hook.js";
import { formatMinor, ZERO, type Amount } from "../money.js";
import { decodeParameter } from "../parameter.js";
import { refuse } from "../refusal.js";

/**
 * A credit card: what is owed is an asset of the bank. Holds count against the limit as soon as they are made, so the settlement of a hold
 * takes nothing more. What a settlement takes above its hold (tips, fuel) may pass the limit, as far as the tolerance goes: the
 * merchant has delivered.
 */
export const creditCard = defineProduct({
  code: "credit_card",
  name: "Credit card",
  version: "1",
  tside: "ASSET",
  parameters: {
    creditLimit: {
      description: "The most that may be owed, with what is held.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
    overSettlementTolerance: {
      description: "How far one settlement above its hold may pass the limit.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
  },
  derivedParameters: ["availableCredit", "owed"],
  hooks: (on) => ({
    prePosting: on.prePosting(
      { parameters: ["creditLimit", "overSettlementTolerance"] },
      ({ instructions, parameters: { creditLimit, overSettlementTolerance } }) =>
        instructions
          .filter((change) => isBeyond(change, creditLimit, overSettlementTolerance))
          .map(({ index }): Objection => ({ instructionIndex: index, kind: "limit", ...refuse("CREDIT_LIMIT") })),
    ),
    preParameterChange: on.preParameterChange(
      { observations: { now: { at: "LIVE" } } },
      ({ account, newParameters, observations }) => {
        const limit = decodeParameter(
          { name: "creditLimit", kind: "AMOUNT_NOT_NEGATIVE" },
          newParameters,
          account.denomination,
        );
        return observations.now.nets().available > limit
          ? { reject: refuse("CREDIT_LIMIT", "more is owed than the new limit") }
          : {};
      },
    ),
    derivedParameters: on.derivedParameters(
      { parameters: ["creditLimit"], observations: { now: { at: "LIVE" } } },
      ({ account, observations, parameters }) => {
        const { available, committed } = observations.now.nets();
        const left = (parameters.creditLimit - available) as Amount;
        return {
          availableCredit: formatMinor(left < 0n ? ZERO : left, account.denomination),
          owed: formatMinor(committed, account.denomination),
        };
      },
    ),
  }),
});

/** For an asset `available` is what is owed and held. What lowers it is always taken (BAL-3). */
function isBeyond({ before, after, overSettledAmount }: InstructionChange, limit: Amount, tolerance: Amount): boolean {
  const tolerated = overSettledAmount < tolerance ? overSettledAmount : tolerance;
  return after.available > before.available && after.available > limit + tolerated;
}
