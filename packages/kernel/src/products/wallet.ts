import { defineProduct } from "../define-product.js";
import { ZERO } from "../money.js";
import { objectToSpendableBelow } from "../product.js";

/** Prepaid money: available never falls below zero, credits are always taken. */
export const wallet = defineProduct({
  code: "wallet",
  name: "Wallet",
  version: "1",
  tside: "LIABILITY",
  parameters: {},
  hooks: (on) => ({
    prePosting: on.prePosting({}, ({ account, instructions }) =>
      objectToSpendableBelow(ZERO, account.tside, instructions),
    ),
  }),
});
