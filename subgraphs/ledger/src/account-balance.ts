import {
  accountNets,
  amountFromNumeric,
  availableOf,
  COMMERCIAL_BANK_MONEY,
  coordinateKey,
  DEFAULT_ADDRESS,
  ZERO,
  type Amount,
  type CurrencyCode,
  type Instant,
  type Tside,
  type Uuid,
} from "@florin/kernel";

/** What an account holds at one moment, at address DEFAULT and in its own sense. */
export interface AccountBalanceView {
  readonly accountId: Uuid;
  readonly currency: CurrencyCode;
  readonly available: Amount;
  readonly committed: Amount;
  readonly pendingIn: Amount;
  readonly pendingOut: Amount;
  readonly accountSeq: bigint;
  readonly asOf: Instant;
}

/** Numerics as text, as SQL gives them. */
interface TextTotals {
  readonly address: string;
  readonly asset: string;
  readonly denomination: string;
  readonly phase: "COMMITTED" | "PENDING_IN" | "PENDING_OUT";
  readonly totalDebit: string;
  readonly totalCredit: string;
}

interface AccountFacts {
  readonly accountId: Uuid;
  readonly denomination: CurrencyCode;
  readonly tside: Tside;
}

export function balanceOfTotals(
  account: AccountFacts,
  totals: { readonly accountSeq: bigint; readonly asOf: Instant; readonly coordinates: readonly TextTotals[] },
): AccountBalanceView {
  const currency = account.denomination;
  const byKey = new Map(
    totals.coordinates
      .filter((coordinate) => coordinate.denomination === currency)
      .map((coordinate) => [
        coordinateKey({ ...coordinate, denomination: currency }),
        {
          totalDebit: amountFromNumeric(coordinate.totalDebit, currency),
          totalCredit: amountFromNumeric(coordinate.totalCredit, currency),
        },
      ]),
  );
  const nets = accountNets((key) => byKey.get(key), currency, account.tside);
  return { accountId: account.accountId, currency, ...nets, accountSeq: totals.accountSeq, asOf: totals.asOf };
}

/** From the columns that a posting carries: the balance right after it. */
export function balanceAfterPosting(
  account: AccountFacts,
  row: {
    readonly accountSeq: bigint;
    readonly asOf: Instant;
    readonly committed: string;
    readonly pendingIn: string;
    readonly pendingOut: string;
  },
): AccountBalanceView {
  const currency = account.denomination;
  const committed = amountFromNumeric(row.committed, currency);
  const pendingOut = amountFromNumeric(row.pendingOut, currency);
  return {
    accountId: account.accountId,
    currency,
    committed,
    pendingIn: amountFromNumeric(row.pendingIn, currency),
    pendingOut,
    available: availableOf({ committed, pendingOut }),
    accountSeq: row.accountSeq,
    asOf: row.asOf,
  };
}

/** Of an account that nothing was posted to yet. */
export function emptyBalance(account: AccountFacts, asOf: Instant): AccountBalanceView {
  const zero = { available: ZERO, committed: ZERO, pendingIn: ZERO, pendingOut: ZERO };
  return { accountId: account.accountId, currency: account.denomination, ...zero, accountSeq: 0n, asOf };
}

/** How `available` is made, by name and version: an answer can be explained when another version has come. */
export const AVAILABLE_BALANCE_RULE = {
  name: "PI-2",
  version: "1",
  formula:
    "available = net(DEFAULT, COMMITTED) + net(DEFAULT, PENDING_OUT), each in the account's own sense: credits less debits of a LIABILITY, " +
    "debits less credits of an ASSET. PENDING_IN never counts.",
  /** Whether what lies at a coordinate is part of it. */
  counts: (where: {
    readonly address: string;
    readonly asset: string;
    readonly denomination: string;
    readonly phase: string;
    readonly currency: CurrencyCode;
  }): boolean =>
    where.address === DEFAULT_ADDRESS &&
    where.asset === COMMERCIAL_BANK_MONEY &&
    where.denomination === where.currency &&
    where.phase !== "PENDING_IN",
};
