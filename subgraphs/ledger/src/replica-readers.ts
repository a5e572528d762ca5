import type { Readers } from "./readers.js";

/**
 * Readers of a request that may read a replica. What it has not heard of yet is looked for on the primary: an id that was told to somebody
 * is never answered with "there is none". What became of an operation is asked of the primary alone, as clients decide by it.
 * Lists and balances are the replica's own, as of one moment that the read router has found good enough for this caller; so is the watermark
 * of what is sealed (T-3).
 */
export function createReplicaReaders(replica: Readers, primary: Readers): Readers {
  return {
    ...replica,
    findAccount: async (id) => (await replica.findAccount(id)) ?? primary.findAccount(id),
    findInternalAccountId: async (code, currency) =>
      (await replica.findInternalAccountId(code, currency)) ?? primary.findInternalAccountId(code, currency),
    findTotals: async (id, observation) =>
      (await replica.findTotals(id, observation)) ?? primary.findTotals(id, observation),
    findObservedBalance: async (id, observation) =>
      (await replica.findObservedBalance(id, observation)) ?? primary.findObservedBalance(id, observation),
    findBalanceAtSeq: async (key) => (await replica.findBalanceAtSeq(key)) ?? primary.findBalanceAtSeq(key),
    findTransaction: async (key) => (await replica.findTransaction(key)) ?? primary.findTransaction(key),
    findOperation: (id) => primary.findOperation(id),
    findOperationByKey: (principal, idempotencyKey) => primary.findOperationByKey(principal, idempotencyKey),
    findBatch: async (id) => (await replica.findBatch(id)) ?? primary.findBatch(id),
    listInstructions: async (batchId) => {
      const found = await replica.listInstructions(batchId);
      return found.length > 0 ? found : primary.listInstructions(batchId);
    },
    findClientTransaction: async (clientId, id) =>
      (await replica.findClientTransaction(clientId, id)) ?? primary.findClientTransaction(clientId, id),
    findProduct: async (id) => (await replica.findProduct(id)) ?? primary.findProduct(id),
    findProductVersion: async (id) => (await replica.findProductVersion(id)) ?? primary.findProductVersion(id),
  };
}
