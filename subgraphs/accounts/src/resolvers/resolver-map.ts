import { Account } from "./Account.js";
import { closeAccount } from "./Mutation/closeAccount.js";
import { login } from "./Mutation/login.js";
import { logout } from "./Mutation/logout.js";
import { openAccount } from "./Mutation/openAccount.js";
import { refreshSession } from "./Mutation/refreshSession.js";
import { register } from "./Mutation/register.js";
import { account } from "./Query/account.js";
import { accounts } from "./Query/accounts.js";
import { me } from "./Query/me.js";
import { User } from "./User.js";

/** The schema's fields that need more than their name. */
export const resolvers = {
  Query: { me, account, accounts },
  Mutation: { register, login, refreshSession, logout, openAccount, closeAccount },
  User,
  Account,
};
