import type { Amount } from "../money.js";
import { objectToAvailableBelow, type Product } from "../product.js";

/** Prepaid money: available never falls below zero, credits are always taken. */
export const wallet: Product = {
  code: "wallet",
  name: "Wallet",
  version: "1",
  tside: "LIABILITY",
  parameters: [],
  prePosting: (input) => objectToAvailableBelow(0n as Amount, input),
};
