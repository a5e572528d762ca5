import type { AccountsContext } from "../../context.js";

export async function logout(_parent: unknown, _args: unknown, context: AccountsContext) {
  return context.commands.logout();
}
