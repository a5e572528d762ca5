import { userBig } from "./big.js";
import { userTransactionsDynamic } from "./dynamic.js";
import { userGood } from "./good.js";
import { userHostile } from "./hostile.js";
import type { SeedUser } from "./seed-user.js";
import { userDepositOnly, userInvestmentOnly, userLoans } from "./sparse.js";

/** Everyone who can log in, with the one password. */
export const SEED_PASSWORD = "pass_good";

export const SEED_USERS: readonly SeedUser[] = [
  userGood,
  userTransactionsDynamic,
  userHostile,
  userDepositOnly,
  userInvestmentOnly,
  userBig,
  userLoans,
];

export function findSeedUser(userName: string): SeedUser | undefined {
  return SEED_USERS.find((it) => it.userName === userName);
}
