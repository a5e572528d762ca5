import type { LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import { moveCash, type MoveCashInput } from "./move-cash.js";

/** Cash out: the account is debited, CASH_OUT credited. Scope cash:out, or the owner in demo mode. Errors as `moveCash`. */
export function withdraw(context: LedgerContext, input: MoveCashInput): Promise<OperationRecord> {
  return moveCash(
    context,
    {
      mutation: "withdraw",
      type: "WITHDRAWAL",
      action: "cash:withdraw",
      instruction: "OUTBOUND_HARD_SETTLEMENT",
      internalCode: "CASH_OUT",
    },
    input,
  );
}
