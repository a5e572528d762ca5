import type { Transaction } from "@florin/db";

/** Digits behind the point that any amount may have; more of them in a row is an error here. */
const SCALE = 18;
const PAGE = 20_000;

interface Sums {
  debit: bigint;
  credit: bigint;
}

/**
 * I3 once more, by a hand of its own: every posting is read and added up here, in integers, and held against the stored balances. It
 * shares no line with the SQL of @florin/db nor with the kernel, so it does not share their mistakes. Reads the caller's snapshot.
 */
export async function foldBalances(tx: Transaction): Promise<string[]> {
  const folded = new Map<string, Sums>();
  const postings = tx<{ place: string; side: string; amount: string }[]>`
    select concat_ws('/', book_id, account_id, address, asset, denomination, phase) as place, side, amount::text as amount
    from ledger.posting`;
  await postings.cursor(PAGE, (rows) => {
    for (const { place, side, amount } of rows) {
      const sums = folded.get(place) ?? { debit: 0n, credit: 0n };
      if (side === "DEBIT") sums.debit += toInteger(amount);
      else sums.credit += toInteger(amount);
      folded.set(place, sums);
    }
  });
  const wrong: string[] = [];
  const stored = await tx<{ place: string; debit: string; credit: string }[]>`
    select concat_ws('/', book_id, account_id, address, asset, denomination, phase) as place, total_debit::text as debit,
      total_credit::text as credit
    from ledger.balance`;
  for (const { place, debit, credit } of stored) {
    const sums = folded.get(place) ?? { debit: 0n, credit: 0n };
    if (sums.debit !== toInteger(debit) || sums.credit !== toInteger(credit)) wrong.push(place);
    folded.delete(place);
  }
  return [...wrong, ...folded.keys()].map((place) => `I3 a balance is not what its postings add up to here: ${place}`);
}

function toInteger(text: string): bigint {
  const [, sign = "", whole = "", part = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === "" || part.length > SCALE) throw new Error(`not an amount that is kept: ${text}`);
  const size = BigInt(whole + part.padEnd(SCALE, "0"));
  return sign === "-" ? -size : size;
}
