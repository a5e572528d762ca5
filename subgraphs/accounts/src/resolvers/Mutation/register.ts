import type { AccountsContext } from "../../context.js";
import type { RegisterInput } from "../../commands/register.js";
import { noteWrite } from "../note-write.js";

export async function register(_parent: unknown, args: { readonly input: RegisterInput }, context: AccountsContext) {
  const registered = await context.commands.register(args.input);
  noteWrite(context, registered);
  return registered;
}
