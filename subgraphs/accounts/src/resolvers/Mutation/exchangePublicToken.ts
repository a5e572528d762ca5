import type { AccountsContext } from "../../context.js";
import type { ExchangePublicTokenInput } from "../../commands/exchange-public-token.js";
import { noteWrite } from "../note-write.js";

export async function exchangePublicToken(
  _parent: unknown,
  args: { readonly input: ExchangePublicTokenInput },
  context: AccountsContext,
) {
  const outcome = await context.commands.exchangePublicToken(args.input);
  noteWrite(context, outcome);
  return { ...outcome, virtualAccount: { userId: outcome.userId } };
}
