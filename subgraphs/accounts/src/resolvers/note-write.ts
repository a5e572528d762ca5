import type { AccountsContext } from "../context.js";

/** What travels to the client beside the data: was it a replay, and which position must a later read have reached? */
export function noteWrite(
  context: AccountsContext,
  outcome: { readonly isReplay: boolean; readonly position: bigint | undefined },
): void {
  if (outcome.isReplay) context.florin.idempotencyReplayed = true;
  if (outcome.position !== undefined) context.florin.written = { accounts: outcome.position.toString() };
}
