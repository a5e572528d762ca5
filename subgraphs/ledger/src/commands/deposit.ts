import type { LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { moveCash, type MoveCashInput } from "./move-cash.js";

/** Cash in: CASH_IN is debited, the account credited. Scope cash:in, or the owner in demo mode. Errors as `moveCash`. */
export function deposit(context: LedgerContext, input: MoveCashInput): Promise<OperationRecord> {
  return moveCash(
    context,
    {
      mutation: "deposit",
      type: "DEPOSIT",
      action: "cash:deposit",
      instruction: "INBOUND_HARD_SETTLEMENT",
      internalCode: "CASH_IN",
    },
    input,
  );
}
