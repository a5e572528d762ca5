import { z } from "zod";
import { currencyPair, decimalText, instantText } from "./decimal-text.js";

/**
 * An account as its institution describes it. Enumerations are text as it came: Plaid adds members at will, and an unknown one never
 * rejects an answer (linked-accounts.md §1.1). `accountId` is Plaid's, case-sensitive, and may change when an account is renamed.
 */
export const accountData = z.object({
  accountId: z.string().min(1),
  persistentAccountId: z.string().nullable(),
  name: z.string(),
  officialName: z.string().nullable(),
  mask: z.string().nullable(),
  type: z.string(),
  subtype: z.string().nullable(),
  holderCategory: z.string().nullable(),
  apy: decimalText.nullable(),
  balance: z.object({
    available: decimalText.nullable(),
    current: decimalText.nullable(),
    limit: decimalText.nullable(),
    currency: currencyPair,
    /** Few institutions say when; null: not said. */
    lastUpdatedAt: instantText.nullable(),
  }),
});
export type AccountData = z.infer<typeof accountData>;
