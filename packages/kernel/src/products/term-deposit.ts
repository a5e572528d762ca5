import { defineProduct } from "../define-product.js";
import type { Objection } from "../hook.js";
import { addMicros, formatInstant, type Instant } from "../instant.js";
import { ZERO } from "../money.js";
import { objectToSpendableBelow } from "../product.js";
import { refuse } from "../refusal.js";

const DAY = 86_400_000_000n;

/**
 * A term deposit: money comes in while the funding window is open and goes out after the term, both counted in whole days of 24 hours from
 * the opening. Which side of them an instruction falls on is decided by its value time.
 */
export const termDeposit = defineProduct({
  code: "term_deposit",
  name: "Term deposit",
  version: "1",
  tside: "LIABILITY",
  parameters: {
    termDays: { description: "Days from the opening until money may leave.", kind: "COUNT", defaultValue: "365" },
    fundingDays: { description: "Days from the opening in which money may come in.", kind: "COUNT", defaultValue: "7" },
    interestRate: { description: "Yearly rate for the term.", kind: "RATE", defaultValue: "0" },
  },
  addresses: { ACCRUED_INTEREST: "INTERNAL" },
  derivedParameters: ["maturesAt"],
  hooks: (on) => ({
    prePosting: on.prePosting(
      { parameters: ["termDays", "fundingDays"] },
      ({ account, effectiveAt, instructions, parameters }) => {
        const isFunding = effectiveAt < daysAfter(account.openedAt, parameters.fundingDays);
        const isMature = effectiveAt >= daysAfter(account.openedAt, parameters.termDays);
        const objections: Objection[] = [...objectToSpendableBelow(ZERO, account.tside, instructions)];
        for (const { index, before, after } of instructions) {
          const object = (why: string) =>
            objections.push({ instructionIndex: index, kind: "rule", ...refuse("CONTRACT_REJECTED", why) });
          if (!isFunding && after.committed + after.pendingIn > before.committed + before.pendingIn)
            object("the funding window is closed");
          if (!isMature && after.available < before.available) object("the term is not over");
        }
        return objections;
      },
    ),
    derivedParameters: on.derivedParameters({ parameters: ["termDays"] }, ({ account, parameters }) => ({
      maturesAt: formatInstant(daysAfter(account.openedAt, parameters.termDays)),
    })),
  }),
});

function daysAfter(opened: Instant, days: number): Instant {
  return addMicros(opened, BigInt(days) * DAY);
}
