import type { AccountsContext } from "../../context.js";
import type { CloseAccountInput } from "../../commands/close-account.js";
import { noteWrite } from "../note-write.js";

export async function closeAccount(
  _parent: unknown,
  args: { readonly input: CloseAccountInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.closeAccount(args.input);
  noteWrite(context, outcome);
  return outcome;
}
