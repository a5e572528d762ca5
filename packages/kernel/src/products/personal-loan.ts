import { defineProduct } from "../define-product.js";
import type { ContractInstruction, Objection } from "../hook.js";
import { DEFAULT_ADDRESS } from "../instruction.js";
import { formatMinor, type Amount } from "../money.js";
import type { ObservedBalances } from "../observed-balances.js";
import { refuse } from "../refusal.js";
import { minAmount, sumAmounts } from "../rounding.js";

/** What is owed lies on these, paid in this order: fees, then interest, then principal. */
const OWED = ["FEES", "INTEREST", "PRINCIPAL"] as const;

/**
 * A personal loan, an asset of the bank. It is paid out when the account is opened; a repayment comes in on DEFAULT, and postPosting
 * moves it to what is owed. More than is owed is refused, and so is whatever would take money out.
 */
export const personalLoan = defineProduct({
  code: "personal_loan",
  name: "Personal loan",
  version: "1",
  tside: "ASSET",
  parameters: {
    principal: {
      description: "Paid out from the loan disbursement account when the account is opened.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
    originationFee: {
      description: "Owed from the opening on.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
    interestRate: { description: "Yearly rate.", kind: "RATE", defaultValue: "0" },
  },
  addresses: { PRINCIPAL: "MINOR", INTEREST: "MINOR", FEES: "MINOR", ACCRUED_INTEREST: "INTERNAL" },
  derivedParameters: ["owed", "principalOwed", "interestOwed", "feesOwed"],
  hooks: (on) => ({
    activation: on.activation({ parameters: ["principal", "originationFee"] }, ({ parameters }) => {
      const instructions = [
        ...charge("PRINCIPAL", parameters.principal, "LOAN_DISBURSEMENT"),
        ...charge("FEES", parameters.originationFee, "FEE_INCOME"),
      ];
      return instructions.length === 0 ? {} : { postings: { instructions } };
    }),
    prePosting: on.prePosting(
      { observations: { now: { at: "LIVE", addresses: [DEFAULT_ADDRESS, ...OWED] } } },
      ({ instructions, observations }) => {
        const owed = owedAt(observations.now);
        const objections: Objection[] = [];
        for (const { index, before, after } of instructions) {
          const object = (why: string) =>
            objections.push({ instructionIndex: index, kind: "rule", ...refuse("CONTRACT_REJECTED", why) });
          if (after.available > before.available) object("a loan is paid out once");
          // What came in and is not allocated yet is a negative net of an asset.
          if (after.committed < before.committed && -after.committed > owed) object("more than is owed");
        }
        return objections;
      },
    ),
    postPosting: on.postPosting(
      { observations: { now: { at: "LIVE", addresses: [DEFAULT_ADDRESS, ...OWED] } } },
      ({ observations: { now } }) => {
        const legs = allocate(-now.net() as Amount, (address) => now.net(address));
        return legs.length === 0 ? {} : { postings: { instructions: legs } };
      },
    ),
    derivedParameters: on.derivedParameters(
      { observations: { now: { at: "LIVE", addresses: [DEFAULT_ADDRESS, ...OWED] } } },
      ({ account: { denomination }, observations: { now } }) => ({
        owed: formatMinor((owedAt(now) + now.net()) as Amount, denomination),
        principalOwed: formatMinor(now.net("PRINCIPAL"), denomination),
        interestOwed: formatMinor(now.net("INTEREST"), denomination),
        feesOwed: formatMinor(now.net("FEES"), denomination),
      }),
    ),
  }),
});

function charge(address: string, amount: Amount, internalCode: string): readonly ContractInstruction[] {
  if (amount === 0n) return [];
  return [
    {
      legs: [
        { account: "SELF", address, side: "DEBIT", amount },
        { account: { internalCode }, side: "CREDIT", amount },
      ],
    },
  ];
}

function owedAt(balances: ObservedBalances): Amount {
  return sumAmounts(OWED.map((address) => balances.net(address)));
}

/** What came in, shared out over what is owed, in the order of `OWED`; what is left stays on DEFAULT. */
export function allocate(
  repaid: Amount,
  owedOn: (address: (typeof OWED)[number]) => Amount,
): readonly ContractInstruction[] {
  const instructions: ContractInstruction[] = [];
  let left = repaid;
  for (const address of OWED) {
    const amount = minAmount(left, owedOn(address));
    if (amount <= 0n) continue;
    left = (left - amount) as Amount;
    instructions.push({
      legs: [
        { account: "SELF", side: "DEBIT", amount },
        { account: "SELF", address, side: "CREDIT", amount },
      ],
      details: { allocatedTo: address },
    });
  }
  return instructions;
}
