import {
  amountToNumeric,
  formatId,
  instantFromMicros,
  notFound,
  viewClientTransaction,
  type Amount,
  type ClientTransactionChange,
  type CurrencyCode,
} from "@florin/kernel";
import { mayReadClientTransaction } from "../../access.js";
import type { LedgerContext } from "../../context.js";
import { observe, type ClockArguments } from "../../observation.js";

/** Later than any value or known time. */
const AT_LAST = instantFromMicros(2n ** 63n - 1n);

interface ClientTransactionArguments extends ClockArguments {
  readonly clientId: string;
  readonly clientTransactionId: string;
}

/** CT-9: computed from what was booked, at any value time as known at any time. NOT_FOUND where nothing was by then. */
export async function clientTransaction(_root: unknown, args: ClientTransactionArguments, context: LedgerContext) {
  const { clientId, clientTransactionId } = args;
  if (!mayReadClientTransaction(context, clientId, clientTransactionId)) throw notFound("client transaction");
  const { at, knownAt } = await observe(context, args);
  const history = await context.readers.findClientTransaction(clientId, clientTransactionId);
  const view =
    history &&
    viewClientTransaction(history.state, history.records, { valueAt: at ?? AT_LAST, knownAt: knownAt ?? AT_LAST });
  if (history === undefined || view === undefined) throw notFound("client transaction");
  const { denomination } = history;
  return {
    clientId,
    clientTransactionId,
    denomination,
    status: view.status,
    isFinal: view.isFinal,
    ...amountsOf(view, denomination),
    outstanding: amountToNumeric(view.outstanding, denomination),
    effectiveWindow: view.effectiveWindow,
    instructions: view.instructions.map(({ type, instruction, change, valueAt, knownAt: known }) => ({
      type,
      batchId: formatId("batch", instruction.batchId),
      ordinal: instruction.ordinal,
      valueAt,
      knownAt: known,
      ...amountsOf(change, denomination),
    })),
  };
}

function amountsOf(sums: ClientTransactionChange, denomination: CurrencyCode) {
  const text = (amount: Amount) => amountToNumeric(amount, denomination);
  return {
    authorised: text(sums.authorised),
    adjusted: text(sums.adjusted),
    settled: text(sums.settled),
    overSettled: text(sums.overSettled),
    released: text(sums.released),
  };
}
