import { deposit as perform } from "../../commands/deposit.js";
import type { MoveCashInput } from "../../commands/move-cash.js";
import type { LedgerContext } from "../../context.js";
import type { OperationRecord } from "../../writer/command.js";

export async function deposit(
  _root: unknown,
  { input }: { readonly input: MoveCashInput },
  context: LedgerContext,
): Promise<{ operation: OperationRecord }> {
  return { operation: await perform(context, input) };
}
