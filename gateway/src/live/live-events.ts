import type { EventEnvelope } from "@florin/kernel";
import type { Viewer } from "@florin/auth";

/** The subscription fields that follow accounts; each event of theirs is `account.posted` of the ledger's stream. */
export type AccountField = "balanceChanged" | "transactionPosted";

/** What the virtual subgraph answers for one emission: keys only, the subgraphs fetch the rest. */
export type RootValue = Readonly<Record<string, unknown>>;

interface AccountPosted {
  readonly accountId: string;
  readonly accountSeq: string;
  readonly transactionIds: readonly string[];
}

/** undefined for another type of event and for a payload that is not what its producer promised. */
export function readAccountPosted(event: EventEnvelope): AccountPosted | undefined {
  if (event.type !== "account.posted") return undefined;
  const payload = event.payload;
  if (payload === null || typeof payload !== "object" || !("accountId" in payload)) return undefined;
  const { accountId, accountSeq, transactionIds } = payload;
  if (typeof accountId !== "string" || typeof accountSeq !== "string" || !Array.isArray(transactionIds))
    return undefined;
  return { accountId, accountSeq, transactionIds: transactionIds.filter((id) => typeof id === "string") };
}

/**
 * May this viewer see this event? Its producer stamped the principals; staff and auditors see it by role, but only when they
 * asked for the account by id: a subscription to "my accounts" is never a subscription to everybody's.
 */
export function isAudience(viewer: Viewer, event: EventEnvelope, byRole: boolean): boolean {
  return event.audience.some(
    (entry) =>
      entry === viewer.principal ||
      (byRole && entry === "role:staff" && viewer.roles.includes("STAFF")) ||
      (byRole && entry === "role:auditor" && viewer.roles.includes("AUDITOR")),
  );
}

/** The events that a subscription to accounts wants; without `accountIds`, those of the viewer's own. */
export function accountFilter(
  viewer: Viewer,
  accountIds: ReadonlySet<string> | undefined,
): (event: EventEnvelope) => boolean {
  return (event) => {
    const posted = readAccountPosted(event);
    if (posted === undefined) return false;
    if (accountIds !== undefined && !accountIds.has(posted.accountId)) return false;
    return isAudience(viewer, event, accountIds !== undefined);
  };
}

/** One root value per emission, in the order of the transactions. */
export function emissionsOf(
  field: AccountField,
  event: EventEnvelope,
  cursorAt: (index: number) => string,
): readonly { readonly key: string; readonly cursor: string; readonly root: RootValue }[] {
  const posted = readAccountPosted(event);
  if (posted === undefined) return [];
  const account = { __typename: "Account", id: posted.accountId };
  if (field === "balanceChanged") {
    const balance = { __typename: "AccountBalance", account, accountSeq: posted.accountSeq };
    const cursor = cursorAt(0);
    const change = { __typename: "BalanceChange", cursor, account, accountSeq: posted.accountSeq, balance };
    return [{ key: posted.accountId, cursor, root: { balanceChanged: change } }];
  }
  return posted.transactionIds.map((id, index) => {
    const cursor = cursorAt(index);
    const transaction = { __typename: "Transaction", id };
    return { key: id, cursor, root: { transactionPosted: { __typename: "TransactionEvent", cursor, transaction } } };
  });
}
