import { Account } from "./Account.js";
import { LinkedAccount } from "./LinkedAccount.js";
import { LinkedItem } from "./LinkedItem.js";
import { LinkedTransaction } from "./LinkedTransaction.js";
import { closeAccount } from "./Mutation/closeAccount.js";
import { createLinkToken } from "./Mutation/createLinkToken.js";
import { deleteVirtualAccount } from "./Mutation/deleteVirtualAccount.js";
import { editLinkedTransaction } from "./Mutation/editLinkedTransaction.js";
import { exchangePublicToken } from "./Mutation/exchangePublicToken.js";
import { login } from "./Mutation/login.js";
import { logout } from "./Mutation/logout.js";
import { openAccount } from "./Mutation/openAccount.js";
import { refreshLinkedBalances } from "./Mutation/refreshLinkedBalances.js";
import { refreshLinkedItem } from "./Mutation/refreshLinkedItem.js";
import { refreshSession } from "./Mutation/refreshSession.js";
import { register } from "./Mutation/register.js";
import { removeLinkedItem } from "./Mutation/removeLinkedItem.js";
import { account } from "./Query/account.js";
import { accounts } from "./Query/accounts.js";
import { linkedAccount } from "./Query/linkedAccount.js";
import { linkedAccounts } from "./Query/linkedAccounts.js";
import { linkedItem } from "./Query/linkedItem.js";
import { me } from "./Query/me.js";
import { virtualAccount } from "./Query/virtualAccount.js";
import { User } from "./User.js";
import { VirtualAccount } from "./VirtualAccount.js";

/** The schema's fields that need more than their name. */
export const resolvers = {
  Query: { me, account, accounts, virtualAccount, linkedItem, linkedAccount, linkedAccounts },
  Mutation: {
    register,
    login,
    refreshSession,
    logout,
    openAccount,
    closeAccount,
    createLinkToken,
    exchangePublicToken,
    refreshLinkedItem,
    refreshLinkedBalances,
    removeLinkedItem,
    deleteVirtualAccount,
    editLinkedTransaction,
  },
  User,
  Account,
  VirtualAccount,
  LinkedItem,
  LinkedAccount,
  LinkedTransaction,
};
