import type { AccountsContext } from "../../context.js";

export async function refreshSession(
  _parent: unknown,
  args: { readonly input: { readonly refreshToken: string } },
  context: AccountsContext,
) {
  return context.commands.refreshSession(args.input.refreshToken);
}
