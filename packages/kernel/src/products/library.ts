import type { Product } from "../product.js";
import { currentAccount } from "./current-account.js";
import { wallet } from "./wallet.js";

/** The built-in products, written to the ledger at its start. */
export const productLibrary: readonly Product[] = [wallet, currentAccount];
