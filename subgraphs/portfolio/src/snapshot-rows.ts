import { createHash } from "node:crypto";
import type {
  NewHolding,
  NewInvestmentTransaction,
  NewLiability,
  NewLinkedAccount,
  NewLinkedTransaction,
  NewSecurity,
} from "@florin/db/portfolio";
import { PoisonEvent } from "@florin/events";
import { parseId, uuidV8, type IdKind, type Uuid } from "@florin/kernel";
import type {
  CurrencyPair,
  HoldingData,
  InvestmentTransactionData,
  LiabilityData,
  SecurityData,
  SnapshotRow,
} from "@florin/linked-data";
import { existingDay, existingInstant } from "./calendar.js";

/*
 * From what an institution said to rows. What cannot be stored does not spoil the rest: a day that does not exist is null where null is
 * allowed, text loses characters that PostgreSQL has no place for, of two currencies the ISO one counts. What has no meaning without such a
 * value is refused, and the event is parked for a person to look at.
 */

/** NUL, and halves of surrogate pairs. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

/** The rows without characters that no text column takes. */
export function storable<Rows>(rows: Rows): Rows {
  const text = JSON.stringify(rows);
  if (!UNSTORABLE.test(text)) return rows;
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === "string" ? Buffer.from(value.replaceAll("\0", ""), "utf8").toString("utf8") : value,
  ) as Rows;
}

export function idOf(kind: IdKind, text: string): Uuid {
  const id = parseId(kind, text);
  if (id === undefined) throw new PoisonEvent(`a snapshot names a ${kind} that is none`);
  return id;
}

function onePair({ isoCode, unofficialCode }: CurrencyPair): CurrencyPair {
  return { isoCode, unofficialCode: isoCode === null ? unofficialCode : null };
}

function requiredDay(text: string): string {
  const day = existingDay(text);
  if (day === null) throw new PoisonEvent("a snapshot names a day that does not exist");
  return day;
}

/** The same thing of the same item has the same id in every process and after every rebuild. */
function derivedId(...parts: readonly string[]): Uuid {
  return uuidV8(createHash("sha256").update(parts.join("\0")).digest());
}

/** By its FIGI where there is one, as Plaid's id may change with a corporate action (linked-accounts.md §6). */
function securityIdOf(itemId: Uuid, plaidSecurityId: string, figi: string | null): Uuid {
  return figi === null ? derivedId("security", itemId, plaidSecurityId) : derivedId("figi", itemId, figi);
}

export function toLinkedAccount(row: SnapshotRow<"ACCOUNTS">, capturedAt: string): NewLinkedAccount {
  const { accountId, type, subtype, balance } = row.data;
  return {
    linkedAccountId: idOf("linkedAccount", row.linkedAccountId),
    plaidAccountId: accountId,
    type,
    subtype,
    available: balance.available,
    current: balance.current,
    creditLimit: balance.limit,
    ...onePair(balance.currency),
    asOf: existingInstant(row.asOf) ?? capturedAt,
  };
}

export function toLinkedTransaction(
  row: Extract<SnapshotRow<"TRANSACTIONS">, { change: "PUT" }>,
): NewLinkedTransaction {
  return {
    linkedTransactionId: idOf("linkedTransaction", row.linkedTransactionId),
    plaidAccountId: row.accountId,
    amount: row.amount,
    ...onePair(row.currency),
    category: row.category,
    isPending: row.isPending,
    date: requiredDay(row.date),
  };
}

export function toLiability(data: LiabilityData, ordinal: number): NewLiability {
  const due = dueOf(data);
  return {
    kind: data.kind,
    ordinal,
    plaidAccountId: data.accountId,
    nextPaymentDueDate: existingDay(data.nextPaymentDueDate),
    nextPaymentAmount: due,
    isOverdue: "isOverdue" in data ? data.isOverdue : null,
    content: data,
  };
}

function dueOf(data: LiabilityData): string | null {
  switch (data.kind) {
    case "CREDIT":
    case "STUDENT":
      return data.minimumPaymentAmount;
    case "MORTGAGE":
      return data.nextMonthlyPayment;
    case "LOAN":
      return data.nextPaymentAmount;
    case "LINE_OF_CREDIT":
      return data.nextPaymentAmount ?? data.minimumPaymentAmount;
  }
}

export function toSecurity(itemId: Uuid, data: SecurityData): NewSecurity {
  return {
    plaidSecurityId: data.securityId,
    securityId: securityIdOf(itemId, data.securityId, data.figi),
    name: data.name,
    tickerSymbol: data.tickerSymbol,
    type: data.type,
    closePrice: data.closePrice,
    closePriceAsOf: existingDay(data.closePriceAsOf),
    ...onePair(data.currency),
    content: data,
  };
}

/** Of a security that a holding names and nothing describes, nothing is known but that it is one. */
export function toUndescribedSecurity(itemId: Uuid, plaidSecurityId: string): NewSecurity {
  return {
    plaidSecurityId,
    securityId: securityIdOf(itemId, plaidSecurityId, null),
    name: null,
    tickerSymbol: null,
    type: null,
    closePrice: null,
    closePriceAsOf: null,
    isoCode: null,
    unofficialCode: null,
    content: {},
  };
}

export function toHolding(data: HoldingData, ordinal: number): NewHolding {
  return {
    plaidAccountId: data.accountId,
    plaidSecurityId: data.securityId,
    ordinal,
    quantity: data.quantity,
    institutionPrice: data.institutionPrice,
    institutionPriceAsOf: existingDay(data.institutionPriceAsOf),
    institutionPriceAt: existingInstant(data.institutionPriceDatetime),
    institutionValue: data.institutionValue,
    costBasis: data.costBasis,
    vestedQuantity: data.vestedQuantity,
    vestedValue: data.vestedValue,
    ...onePair(data.currency),
    taxLots:
      data.taxLots?.map(({ originalPurchaseDatetime, ...lot }) => ({
        ...lot,
        purchasedAt: existingInstant(originalPurchaseDatetime),
      })) ?? null,
  };
}

export function toInvestmentTransaction(itemId: Uuid, data: InvestmentTransactionData): NewInvestmentTransaction {
  return {
    investmentTransactionId: derivedId("investment-transaction", itemId, data.investmentTransactionId),
    plaidInvestmentTransactionId: data.investmentTransactionId,
    plaidAccountId: data.accountId,
    plaidSecurityId: data.securityId,
    date: requiredDay(data.date),
    transactionAt: existingInstant(data.transactionDatetime),
    name: data.name,
    quantity: data.quantity,
    amount: data.amount,
    price: data.price,
    fees: data.fees,
    type: data.type,
    subtype: data.subtype,
    ...onePair(data.currency),
  };
}
