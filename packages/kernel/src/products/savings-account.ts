import { defineProduct } from "../define-product.js";
import { formatMinor, ZERO, type Amount } from "../money.js";
import type { Tier } from "../parameter.js";
import { objectToCommittedAbove, objectToSpendableBelow } from "../product.js";
import { minAmount, multiplyByRate, round, sumAmounts } from "../rounding.js";

/**
 * A savings account: never below zero, at most its maximum, and a rate for each slice of the balance. Interest will be accrued on the
 * INTERNAL address ACCRUED_INTEREST and applied by schedules; the tiers already say what a year is worth.
 */
export const savingsAccount = defineProduct({
  code: "savings_account",
  name: "Savings account",
  version: "1",
  tside: "LIABILITY",
  parameters: {
    interestTiers: {
      description: "Yearly rates of the slices of the balance, each from an amount on.",
      kind: "TIERS",
      defaultValue: "0=0",
    },
    maximumBalance: {
      description: "The most that the account may hold, or none.",
      kind: "AMOUNT_OR_NONE",
      defaultValue: "none",
    },
  },
  addresses: { ACCRUED_INTEREST: "INTERNAL" },
  derivedParameters: ["interestForYear", "roomLeft"],
  hooks: (on) => ({
    prePosting: on.prePosting({ parameters: ["maximumBalance"] }, ({ account, instructions, parameters }) => [
      ...objectToSpendableBelow(ZERO, account.tside, instructions),
      ...(parameters.maximumBalance === undefined
        ? []
        : objectToCommittedAbove(parameters.maximumBalance, instructions)),
    ]),
    derivedParameters: on.derivedParameters(
      { parameters: ["interestTiers", "maximumBalance"], balances: "latest live" },
      ({ account, balances, parameters }) => {
        const committed = balances.net();
        const interest = interestForYear(committed, parameters.interestTiers);
        const { maximumBalance } = parameters;
        const room = maximumBalance === undefined ? undefined : ((maximumBalance - committed) as Amount);
        const rounded = round(interest, account.denomination, { scale: "MINOR", mode: "HALF_EVEN" });
        return {
          interestForYear: formatMinor(rounded, account.denomination),
          roomLeft: room === undefined ? "none" : formatMinor(room < 0n ? ZERO : room, account.denomination),
        };
      },
    ),
  }),
});

/** What a year is worth at these tiers, at internal scale: each slice at its own rate, half to even. */
export function interestForYear(balance: Amount, tiers: readonly Tier[]): Amount {
  return sumAmounts(
    tiers.map(({ from, rate }, place) => {
      const to = tiers[place + 1]?.from;
      const reached = to === undefined ? balance : minAmount(balance, to);
      return reached <= from ? ZERO : multiplyByRate((reached - from) as Amount, rate, "HALF_EVEN");
    }),
  );
}
