import { viewerOf, type AccountsContext } from "../../context.js";
import { toAccountConnection, type AccountListArguments } from "../account-connection.js";

/** The viewer's own; for staff and auditors, every customer's. */
export async function accounts(_parent: unknown, args: AccountListArguments, context: AccountsContext) {
  const { principal } = viewerOf(context);
  return toAccountConnection(context, context.readers.isOffice ? undefined : principal, args);
}
