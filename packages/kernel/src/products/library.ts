import type { Product } from "../product.js";
import { creditCard } from "./credit-card.js";
import { currentAccount, currentAccountV1 } from "./current-account.js";
import { personalLoan } from "./personal-loan.js";
import { savingsAccount } from "./savings-account.js";
import { termDeposit } from "./term-deposit.js";
import { wallet } from "./wallet.js";

/** Every built-in product, written to the ledger at its start. Versions of one code stand oldest first. */
export const productLibrary: readonly Product[] = [
  wallet,
  currentAccountV1,
  currentAccount,
  savingsAccount,
  creditCard,
  termDeposit,
  personalLoan,
];
