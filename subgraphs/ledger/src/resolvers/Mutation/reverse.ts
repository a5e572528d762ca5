import { reverse as perform, type ReverseInput } from "../../commands/reverse.js";
import type { LedgerContext } from "../../context.js";
import type { OperationRecord } from "../../writer/command.js";

export async function reverse(
  _root: unknown,
  { input }: { readonly input: ReverseInput },
  context: LedgerContext,
): Promise<{ operation: OperationRecord }> {
  return { operation: await perform(context, input) };
}
