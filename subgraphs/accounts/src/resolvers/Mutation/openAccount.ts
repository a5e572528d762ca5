import type { AccountsContext } from "../../context.js";
import type { OpenAccountInput } from "../../commands/open-account.js";
import { noteWrite } from "../note-write.js";

export async function openAccount(
  _parent: unknown,
  args: { readonly input: OpenAccountInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.openAccount(args.input);
  noteWrite(context, outcome);
  return outcome;
}
