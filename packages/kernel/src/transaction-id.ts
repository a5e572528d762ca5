import { formatId, idPrefixes, parseId, type Uuid } from "./ids.js";

/**
 * A transaction on the graph is one leg of one account, so its id is the leg's key: `txn_<account>_<account_seq>`, the account
 * as its 26 characters, the sequence in the same base 32. It needs no table and can be read back without one.
 */
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const ACCOUNT_PREFIX = `${idPrefixes.account}_`;
const SHAPE = /^txn_([0-9a-z]{26})_([1-9a-hjkmnp-tv-z][0-9a-hjkmnp-tv-z]{0,12})$/;
/** What a bigint column holds. */
const MAX_SEQ = 2n ** 63n - 1n;

export interface TransactionKey {
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
}

export function formatTransactionId(accountId: Uuid, accountSeq: bigint): string {
  if (accountSeq < 1n || accountSeq > MAX_SEQ) throw new Error(`not an account sequence: ${accountSeq}`);
  let text = "";
  for (let rest = accountSeq; rest > 0n; rest >>= 5n) text = DIGITS[Number(rest & 31n)]! + text; // five bits: a digit, not money
  return `txn_${formatId("account", accountId).slice(ACCOUNT_PREFIX.length)}_${text}`;
}

/** undefined when the text is not a transaction's id. */
export function parseTransactionId(text: string): TransactionKey | undefined {
  const match = SHAPE.exec(text);
  if (match === null) return undefined;
  const accountId = parseId("account", ACCOUNT_PREFIX + match[1]!);
  if (accountId === undefined) return undefined;
  let accountSeq = 0n;
  for (const digit of match[2]!) accountSeq = (accountSeq << 5n) | BigInt(DIGITS.indexOf(digit));
  return accountSeq > MAX_SEQ ? undefined : { accountId, accountSeq };
}
