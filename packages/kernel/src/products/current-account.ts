import { defineProduct } from "../define-product.js";
import { formatMinor, type Amount } from "../money.js";
import { objectToSpendableBelow } from "../product.js";

const arrangedOverdraft = {
  description: "How far below zero available may fall, in the account's currency.",
  kind: "AMOUNT_NOT_NEGATIVE",
  defaultValue: "0",
} as const;

/** The first version: an arranged overdraft and no fees. Accounts on it stay on it until they are converted. */
export const currentAccountV1 = defineProduct({
  code: "current_account",
  name: "Current account",
  version: "1",
  tside: "LIABILITY",
  parameters: { arrangedOverdraft },
  hooks: (on) => ({
    prePosting: on.prePosting({ parameters: ["arrangedOverdraft"] }, ({ account, instructions, parameters }) =>
      objectToSpendableBelow(-parameters.arrangedOverdraft as Amount, account.tside, instructions),
    ),
  }),
});

/**
 * A current account: available may fall to minus the arranged overdraft, and a fee is taken each time the account goes below zero. The
 * fee itself may take it below the overdraft: it is owed all the same (HOOK-3).
 */
export const currentAccount = defineProduct({
  code: "current_account",
  name: "Current account",
  version: "2",
  tside: "LIABILITY",
  parameters: {
    arrangedOverdraft,
    overdraftFee: {
      description: "Taken each time the committed balance goes from zero or more to below zero; 0 for none.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
  },
  derivedParameters: ["overdraftUsed", "spendable"],
  hooks: (on) => ({
    prePosting: on.prePosting({ parameters: ["arrangedOverdraft"] }, ({ account, instructions, parameters }) =>
      objectToSpendableBelow(-parameters.arrangedOverdraft as Amount, account.tside, instructions),
    ),
    postPosting: on.postPosting({ parameters: ["overdraftFee"] }, ({ instructions, parameters }) => {
      const amount = parameters.overdraftFee;
      const crossings = instructions.filter(({ before, after }) => before.committed >= 0n && after.committed < 0n);
      if (amount === 0n || crossings.length === 0) return {};
      return {
        postings: {
          instructions: crossings.map(({ index }) => ({
            legs: [
              { account: "SELF", side: "DEBIT", amount },
              { account: { internalCode: "FEE_INCOME" }, side: "CREDIT", amount },
            ],
            details: { reason: "OVERDRAFT_FEE", instructionIndex: index },
          })),
        },
        notifications: [{ type: "overdraft.entered" }],
      };
    }),
    derivedParameters: on.derivedParameters(
      { parameters: ["arrangedOverdraft"], observations: { now: { at: "LIVE" } } },
      ({ account, observations, parameters }) => {
        const { committed, available } = observations.now.nets();
        return {
          overdraftUsed: formatMinor((committed < 0n ? -committed : 0n) as Amount, account.denomination),
          spendable: formatMinor((available + parameters.arrangedOverdraft) as Amount, account.denomination),
        };
      },
    ),
    conversion: on.conversion({}, ({ fromVersion }) => ({
      notifications: [{ type: "product.converted", details: { fromVersion } }],
    })),
  }),
});
