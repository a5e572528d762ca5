import type { AccountChange, AccountRecord } from "@florin/db/accounts";
import type { Instant, Json } from "@florin/kernel";

/**
 * What an answer of the ledger makes of an account.
 *
 *     PENDING ──opened──► OPEN ◄──close_rejected── PENDING_CLOSURE
 *        │                 │ ───(asked to close)──►      │
 *     rejected             └────────closed───────────────┤
 *        ▼                                               ▼
 *     REJECTED                                         CLOSED
 *
 * Answers may come twice and, after a replay of dead letters, late: one at or before the position that was applied last changes
 * nothing, and one that does not fit the status only moves the position on.
 */
export type LedgerAnswer =
  | {
      readonly kind: "opened";
      readonly productId: string;
      readonly productVersionId: string;
      readonly parameters: Json;
      readonly openedAt: Instant;
    }
  | { readonly kind: "rejected"; readonly rejection: Rejection }
  | { readonly kind: "closed"; readonly closedAt: Instant }
  | { readonly kind: "close-rejected"; readonly rejection: Rejection };

export interface Rejection {
  readonly code: string;
  readonly message: string;
}

/** undefined: it was applied before. */
export function planAccountChange(
  account: Pick<AccountRecord, "status" | "ledgerPosition">,
  answer: LedgerAnswer,
  position: bigint,
): AccountChange | undefined {
  if (position <= account.ledgerPosition) return undefined;
  const unchanged: AccountChange = { status: account.status, ledgerPosition: position };
  switch (answer.kind) {
    case "opened": {
      if (account.status !== "PENDING") return unchanged;
      const { productId, productVersionId, parameters, openedAt } = answer;
      return { ...unchanged, status: "OPEN", productId, productVersionId, parameters, openedAt };
    }
    case "rejected":
      return account.status === "PENDING"
        ? { ...unchanged, status: "REJECTED", rejection: answer.rejection }
        : unchanged;
    case "closed":
      return account.status === "OPEN" || account.status === "PENDING_CLOSURE"
        ? { ...unchanged, status: "CLOSED", closedAt: answer.closedAt }
        : unchanged;
    case "close-rejected":
      return account.status === "PENDING_CLOSURE" ? { ...unchanged, status: "OPEN" } : unchanged;
  }
}
