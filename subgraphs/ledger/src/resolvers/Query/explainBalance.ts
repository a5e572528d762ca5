import { notFound, type Instant } from "@florin/kernel";
import { getReadableAccount } from "../../access.js";
import { AVAILABLE_BALANCE_RULE } from "../../account-balance.js";
import type { LedgerContext } from "../../context.js";
import { observeSealed, type ClockArguments } from "../../observation.js";
import { findBalanceOf, toCoordinateBalance } from "../find-balance.js";
import { accountIdOf } from "../account-reference.js";
import { toBalanceChange } from "../balance-history.js";

/** Of either sort of postings, booked in time and backdated. */
const MAX_POSTINGS = 20;

/**
 * What a balance was made of: the rule, the coordinates with what counts of them, the newest postings, and both clocks. For whoever may read the
 * account. All of it is read at one known time, so its parts agree and the same question is answered the same for ever.
 */
export async function explainBalance(
  _root: unknown,
  { accountId, ...clocks }: ClockArguments & { readonly accountId: string },
  context: LedgerContext,
) {
  const account = await getReadableAccount(context, accountIdOf({ id: accountId }));
  const observation = await observeSealed(context, clocks);
  const { readers } = context;
  const [balance, totals, made, watermark] = await Promise.all([
    findBalanceOf(context, account, observation),
    readers.findTotals(account.accountId, observation),
    readers.findBalanceContributions(account.accountId, observation, MAX_POSTINGS),
    readers.findKnownAt(),
  ]);
  if (balance === null) throw notFound("account");
  const knownAt: Instant = observation.knownAt ?? balance.asOf;
  return {
    balance,
    at: observation.at ?? knownAt,
    knownAt,
    sealedUntil: watermark ?? knownAt,
    rule: AVAILABLE_BALANCE_RULE,
    terms: (totals?.coordinates ?? []).map((one) => ({
      coordinate: toCoordinateBalance(one, account),
      counts: AVAILABLE_BALANCE_RULE.counts({ ...one, currency: account.denomination }),
    })),
    postingCount: made.postings,
    backdatedPostingCount: made.backdatedPostings,
    latestPostings: made.latest.map((one) => toBalanceChange(one, account)),
    backdatedPostings: made.backdated.map((one) => toBalanceChange(one, account)),
  };
}
