import { formatId, parseId, type Uuid } from "@florin/kernel";

/** An account as its key alone: what other types point at, and what other subgraphs send. */
export interface AccountReference {
  readonly __typename: "Account";
  readonly id: string;
}

export function toAccountReference(accountId: Uuid): AccountReference {
  return { __typename: "Account", id: formatId("account", accountId) };
}

/** undefined for a text that is no account's id. */
export function accountIdOf(reference: { readonly id: string }): Uuid | undefined {
  return parseId("account", reference.id);
}
