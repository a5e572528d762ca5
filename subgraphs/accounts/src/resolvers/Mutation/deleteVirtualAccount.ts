import type { AccountsContext } from "../../context.js";
import type { DeleteVirtualAccountInput } from "../../commands/delete-virtual-account.js";
import { noteWrite } from "../note-write.js";

export async function deleteVirtualAccount(
  _parent: unknown,
  args: { readonly input: DeleteVirtualAccountInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.deleteVirtualAccount(args.input);
  noteWrite(context, outcome);
  return outcome;
}
