import type { AccountsContext } from "../../context.js";
import type { CreateLinkTokenInput } from "../../commands/create-link-token.js";
import { noteWrite } from "../note-write.js";

export async function createLinkToken(
  _parent: unknown,
  args: { readonly input: CreateLinkTokenInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.createLinkToken(args.input);
  noteWrite(context, outcome);
  return outcome;
}
