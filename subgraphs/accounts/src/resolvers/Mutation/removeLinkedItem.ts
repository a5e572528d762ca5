import type { AccountsContext } from "../../context.js";
import type { ItemInput } from "../../commands/linked-command.js";
import { noteWrite } from "../note-write.js";

export async function removeLinkedItem(
  _parent: unknown,
  args: { readonly input: ItemInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.removeLinkedItem(args.input);
  noteWrite(context, outcome);
  return outcome;
}
