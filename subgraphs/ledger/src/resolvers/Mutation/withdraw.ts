import { withdraw as perform } from "../../commands/withdraw.js";
import type { MoveCashInput } from "../../commands/move-cash.js";
import type { LedgerContext } from "../../context.js";
import type { OperationRecord } from "../../writer/command.js";

export async function withdraw(
  _root: unknown,
  { input }: { readonly input: MoveCashInput },
  context: LedgerContext,
): Promise<{ operation: OperationRecord }> {
  return { operation: await perform(context, input) };
}
