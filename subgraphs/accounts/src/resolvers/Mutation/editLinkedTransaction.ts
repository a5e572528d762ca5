import type { AccountsContext } from "../../context.js";
import type { EditLinkedTransactionInput } from "../../commands/edit-linked-transaction.js";
import { noteWrite } from "../note-write.js";

export async function editLinkedTransaction(
  _parent: unknown,
  args: { readonly input: EditLinkedTransactionInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.editLinkedTransaction(args.input);
  noteWrite(context, outcome);
  return outcome;
}
