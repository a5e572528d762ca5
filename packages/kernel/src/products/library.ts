import type { Product } from "../product.js";
import { currentAccount, currentAccountV1 } from "./current-account.js";
import { wallet } from "./wallet.js";

/** The built-in products, written to the ledger at its start. Versions of one code stand oldest first. */
export const productLibrary: readonly Product[] = [wallet, currentAccountV1, currentAccount];
