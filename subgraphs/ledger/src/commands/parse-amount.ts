import {
  internalDigits,
  isDecimal,
  parseCurrency,
  parseDecimal,
  type Amount,
  type FieldFault,
  type Money,
} from "@florin/kernel";

/**
 * Amounts that `parseInstructedMoney` does not read: those whose currency the writer knows and we do not, and those of a leg, whose address may
 * keep more digits than the currency has (MON-2).
 */
const MAX_WHOLE_DIGITS = 15;

/** A follow-up's decimal; `sign` says which ones make sense. undefined with a fault otherwise. */
export function parseFollowUpAmount(
  text: string | null | undefined,
  sign: "ABOVE_ZERO" | "NOT_NEGATIVE" | "NOT_ZERO",
  path: string,
  faults: FieldFault[],
): string | undefined {
  if (text === null || text === undefined) return undefined;
  if (!isDecimal(text)) {
    faults.push({ path, code: "AMOUNT_FORMAT", message: 'Not a decimal. Send a string such as "12.50".' });
    return undefined;
  }
  const isNegative = text.startsWith("-");
  const isZero = !/[1-9]/.test(text);
  if (sign === "ABOVE_ZERO" && (isNegative || isZero)) {
    faults.push({ path, code: "AMOUNT_NOT_POSITIVE", message: "Send an amount above zero." });
    return undefined;
  }
  if (sign === "NOT_NEGATIVE" && isNegative && !isZero) {
    faults.push({ path, code: "AMOUNT_NEGATIVE", message: "Send zero or more." });
    return undefined;
  }
  if (sign === "NOT_ZERO" && isZero) {
    faults.push({ path, code: "AMOUNT_NOT_POSITIVE", message: "Send by how much it changes, up or down." });
    return undefined;
  }
  if (isTooLarge(text)) {
    faults.push({ path, code: "AMOUNT_TOO_LARGE", message: "Send an amount below 10^15." });
    return undefined;
  }
  return text;
}

/** A leg's money: above zero, with no more digits than the ledger keeps. Whether its address keeps them is the writer's to judge. */
export function parseLegMoney(
  input: { readonly amount: string; readonly currency: string },
  path: string,
  faults: FieldFault[],
): Money | undefined {
  const currency = parseCurrency(input.currency);
  if (currency === undefined)
    faults.push({
      path: `${path}.currency`,
      code: "CURRENCY_UNKNOWN",
      message: "Not a currency that is registered here. Use an ISO 4217 code such as USD.",
    });
  const text = parseFollowUpAmount(input.amount, "ABOVE_ZERO", `${path}.amount`, faults);
  if (currency === undefined || text === undefined) return undefined;
  const amount = parseDecimal(text, internalDigits(currency));
  if (amount !== undefined) return { amount: amount as Amount, currency };
  faults.push({
    path: `${path}.amount`,
    code: "AMOUNT_SCALE",
    message: `The ledger keeps ${internalDigits(currency)} digits of ${currency}. Send no more; amounts are never rounded here.`,
  });
  return undefined;
}

function isTooLarge(text: string): boolean {
  return text.replace("-", "").split(".")[0]!.length > MAX_WHOLE_DIGITS;
}
