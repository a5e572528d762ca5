import type { AccountsContext } from "../../context.js";
import type { LoginInput } from "../../commands/login.js";

export async function login(_parent: unknown, args: { readonly input: LoginInput }, context: AccountsContext) {
  return context.commands.login(args.input);
}
