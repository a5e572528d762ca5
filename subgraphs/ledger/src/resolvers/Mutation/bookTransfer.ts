import { bookTransfer as perform, type BookTransferInput } from "../../commands/book-transfer.js";
import type { LedgerContext } from "../../context.js";
import type { OperationRecord } from "../../writer/command.js";

export async function bookTransfer(
  _root: unknown,
  { input }: { readonly input: BookTransferInput },
  context: LedgerContext,
): Promise<{ operation: OperationRecord }> {
  return { operation: await perform(context, input) };
}
