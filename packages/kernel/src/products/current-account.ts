import type { Amount } from "../money.js";
import { amountParameter, objectToAvailableBelow, type Product } from "../product.js";

/** A current account: available may fall to minus the arranged overdraft. */
export const currentAccount: Product = {
  code: "current_account",
  name: "Current account",
  version: "1",
  tside: "LIABILITY",
  parameters: [
    {
      name: "arrangedOverdraft",
      description: "How far below zero available may fall, in the account's currency.",
      kind: "AMOUNT_NOT_NEGATIVE",
      defaultValue: "0",
    },
  ],
  prePosting: (input) => objectToAvailableBelow(-amountParameter(input, "arrangedOverdraft") as Amount, input),
};
