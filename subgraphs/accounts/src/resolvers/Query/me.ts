import type { AccountsContext } from "../../context.js";
import { viewerOf } from "../../context.js";

/** Null for a partner, who is no person. */
export async function me(_parent: unknown, _args: unknown, context: AccountsContext) {
  const { principal } = viewerOf(context);
  return principal.startsWith("usr_") ? context.readers.getUser(principal) : null;
}
