import { Account } from "./Account.js";
import { accountTerms } from "./account-terms.js";
import { AccountBalance } from "./AccountBalance.js";
import { bookTransfer } from "./Mutation/bookTransfer.js";
import { deposit } from "./Mutation/deposit.js";
import { postInstructionBatch } from "./Mutation/postInstructionBatch.js";
import { reverse } from "./Mutation/reverse.js";
import { termsMutations } from "./Mutation/terms.js";
import { withdraw } from "./Mutation/withdraw.js";
import { Operation } from "./Operation.js";
import { Posting, PostingInstruction, PostingInstructionBatch } from "./PostingInstructionBatch.js";
import { Product, ProductVersion } from "./Product.js";
import { balances } from "./Query/balances.js";
import { clientTransaction } from "./Query/clientTransaction.js";
import { explainBalance } from "./Query/explainBalance.js";
import { internalAccount } from "./Query/internalAccount.js";
import { operation, operationByKey } from "./Query/operation.js";
import { postingInstructionBatch } from "./Query/postingInstructionBatch.js";
import { product, products } from "./Query/products.js";
import { conversion, hookExecutions, postProcessingFailures } from "./Query/terms.js";
import { trialBalance } from "./Query/trialBalance.js";
import { Transaction } from "./Transaction.js";

/** By type and field, as in schema.graphql; scalars are added by the subgraph. */
export const resolvers = {
  Query: {
    operation,
    operationByKey,
    balances,
    postingInstructionBatch,
    clientTransaction,
    product,
    products,
    internalAccount,
    trialBalance,
    conversion,
    hookExecutions,
    postProcessingFailures,
    explainBalance,
  },
  Mutation: { ...termsMutations, deposit, withdraw, bookTransfer, postInstructionBatch, reverse },
  Account: { ...Account, ...accountTerms },
  AccountBalance,
  Operation,
  Posting,
  PostingInstruction,
  PostingInstructionBatch,
  Product,
  ProductVersion,
  Transaction,
};
