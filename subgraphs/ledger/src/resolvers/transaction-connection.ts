import { parsePageArguments, toConnection, type Connection } from "@florin/graph";
import { assertInput, RequestError, type Instant, type Uuid } from "@florin/kernel";
import type { LedgerAccount, LedgerContext, TransactionListFilter, TransactionRow } from "../context.js";

/**
 * A statement, newest first, by keyset: the cursor is the account and the account_seq of a row, sealed. New postings come in front,
 * so a walk from the first page to the last meets every row once.
 */
export interface TransactionListArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly filter?: TransactionFilterInput | null | undefined;
}

interface TransactionFilterInput {
  readonly types?: readonly TransactionRow["type"][] | null | undefined;
  readonly direction?: "CREDIT" | "DEBIT" | null | undefined;
  readonly status?: "PENDING" | "POSTED" | "REVERSED" | null | undefined;
  readonly valueGte?: Instant | null | undefined;
  readonly valueGt?: Instant | null | undefined;
  readonly valueLte?: Instant | null | undefined;
  readonly valueLt?: Instant | null | undefined;
  readonly bookedGte?: Instant | null | undefined;
  readonly bookedGt?: Instant | null | undefined;
  readonly bookedLte?: Instant | null | undefined;
  readonly bookedLt?: Instant | null | undefined;
  readonly knownGte?: Instant | null | undefined;
  readonly knownGt?: Instant | null | undefined;
  readonly knownLte?: Instant | null | undefined;
  readonly knownLt?: Instant | null | undefined;
  readonly minAmount?: string | null | undefined;
  readonly maxAmount?: string | null | undefined;
}

const CURSOR_KIND = "transactions";

export async function listTransactionConnection(
  context: LedgerContext,
  account: LedgerAccount,
  args: TransactionListArguments,
): Promise<Connection<TransactionRow>> {
  const page = parsePageArguments(args);
  const beforeSeq = page.after === undefined ? undefined : openCursor(context, account.accountId, page.after);
  // Lines of a statement are committed: what pends is a client transaction.
  const rows =
    args.filter?.status === "PENDING"
      ? []
      : await context.readers.listTransactions(
          account.accountId,
          { beforeSeq, limit: page.first + 1 },
          toRowFilter(args.filter ?? {}),
        );
  return toConnection(rows, page, (row) =>
    context.sealer.seal(CURSOR_KIND, `${account.accountId}/${row.accountSeq.toString()}`),
  );
}

function openCursor(context: LedgerContext, accountId: Uuid, cursor: string): bigint {
  const [cursorAccount, seq] = context.sealer.open(CURSOR_KIND, cursor)?.split("/") ?? [];
  if (cursorAccount === accountId && seq !== undefined) return BigInt(seq);
  throw new RequestError("BAD_USER_INPUT", "Not a cursor of this list.", {
    fields: [
      {
        path: "after",
        code: "CURSOR_FORMAT",
        message: "Send back a cursor of this very list, exactly as it was given.",
      },
    ],
  });
}

function toRowFilter(filter: TransactionFilterInput): TransactionListFilter {
  assertAmountRange(filter);
  return {
    types: filter.types ?? undefined,
    isReversed: toIsReversed(filter.status),
    direction: filter.direction ?? undefined,
    valueGte: filter.valueGte ?? undefined,
    valueGt: filter.valueGt ?? undefined,
    valueLte: filter.valueLte ?? undefined,
    valueLt: filter.valueLt ?? undefined,
    bookedGte: filter.bookedGte ?? undefined,
    bookedGt: filter.bookedGt ?? undefined,
    bookedLte: filter.bookedLte ?? undefined,
    bookedLt: filter.bookedLt ?? undefined,
    knownGte: filter.knownGte ?? undefined,
    knownGt: filter.knownGt ?? undefined,
    knownLte: filter.knownLte ?? undefined,
    knownLt: filter.knownLt ?? undefined,
    minAmount: filter.minAmount ?? undefined,
    maxAmount: filter.maxAmount ?? undefined,
  };
}

function toIsReversed(status: TransactionFilterInput["status"]): boolean | undefined {
  return status === null || status === undefined ? undefined : status === "REVERSED";
}

function assertAmountRange(filter: TransactionFilterInput): void {
  const isNegative = (text: string | null | undefined) => text?.startsWith("-") === true;
  assertInput(
    (["minAmount", "maxAmount"] as const)
      .filter((name) => isNegative(filter[name]))
      .map((name) => ({
        path: `filter.${name}`,
        code: "AMOUNT_NEGATIVE",
        message: "Amounts of transactions are above zero; choose a side with direction.",
      })),
  );
}
