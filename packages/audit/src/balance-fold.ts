import { USUAL_ADDRESS, USUAL_ASSET, type BatchRecord, type PostingPart } from "./record.js";

/**
 * Counts a book again from its records alone: that debits are credits in each instruction (INV-1), that each account's postings have no
 * gap (INV-4), and that the balances which stand beside each posting are what the postings before it and itself make (INV-2).
 *
 * The sense of an account (ASSET or LIABILITY) is not in the records of its postings; it is learned from the first posting that shows it
 * and must hold from then on. Memory: three numbers for each account.
 */
export interface BalanceFold {
  /** What is wrong with this record, in words; it must come in order of `seq`. After a finding it goes on from what the record says. */
  add(record: BatchRecord): string[];
}

type Phase = "COMMITTED" | "PENDING_IN" | "PENDING_OUT";
type Nets = Record<Phase, bigint>;
type Sense = 1n | -1n;
interface AccountFold {
  accountSeq: bigint;
  /** Credits minus debits, at the usual address and asset. */
  readonly nets: Nets;
  /** 1n: balances are told as credits minus debits; -1n: the other way round. */
  sense: Sense | undefined;
}

/** More digits than a denomination may have, so that all amounts of a book are whole numbers of one unit. */
const DIGITS = 30;
const DECIMAL = /^(-?)(\d{1,60})(?:\.(\d{1,30}))?$/;
const COUNT = /^[1-9]\d{0,18}$/;

export function createBalanceFold(): BalanceFold {
  const accounts = new Map<string, AccountFold>();
  return {
    add(record) {
      const unreadable = record.postings.find((posting) => !isReadable(posting));
      if (unreadable !== undefined)
        return [`posting ${placeOf(unreadable)} holds what is no amount, side, phase or number`];
      const findings = imbalancesOf(record);
      if (record.status === "REJECTED" && record.postings.length > 0) findings.push("a rejected batch has postings");
      for (const posting of [...record.postings].sort(byAccountSeq)) {
        const account = accounts.get(posting.accountId) ?? newAccount();
        accounts.set(posting.accountId, account);
        findings.push(...foldPosting(account, posting));
      }
      return findings;
    },
  };
}

const newAccount = (): AccountFold => ({
  accountSeq: 0n,
  nets: { COMMITTED: 0n, PENDING_IN: 0n, PENDING_OUT: 0n },
  sense: undefined,
});

function isReadable(posting: PostingPart): boolean {
  const { amount, committedAfter, pendingInAfter, pendingOutAfter, side, phase, accountSeq } = posting;
  return (
    [amount, committedAfter, pendingInAfter, pendingOutAfter].every((text) => DECIMAL.test(text)) &&
    (side === "DEBIT" || side === "CREDIT") &&
    isPhase(phase) &&
    COUNT.test(accountSeq)
  );
}

function isPhase(text: string): text is Phase {
  return text === "COMMITTED" || text === "PENDING_IN" || text === "PENDING_OUT";
}

/** Only of what DECIMAL matches. */
function toUnits(decimal: string): bigint {
  const [, sign = "", whole = "0", fraction = ""] = DECIMAL.exec(decimal) ?? [];
  const units = BigInt(whole + fraction.padEnd(DIGITS, "0"));
  return sign === "" ? units : -units;
}

const signedAmount = ({ side, amount }: PostingPart): bigint =>
  side === "CREDIT" ? toUnits(amount) : -toUnits(amount);

function imbalancesOf({ postings }: BatchRecord): string[] {
  const sums = new Map<string, bigint>();
  for (const posting of postings) {
    const { ordinal, asset, denomination, phase } = posting;
    const key = `instruction ${ordinal} in ${denomination} (${asset}, ${phase})`;
    sums.set(key, (sums.get(key) ?? 0n) + signedAmount(posting));
  }
  return [...sums].filter(([, sum]) => sum !== 0n).map(([key]) => `INV-1: debits are not credits: ${key}`);
}

function byAccountSeq(a: PostingPart, b: PostingPart): number {
  const [first, second] = [BigInt(a.accountSeq), BigInt(b.accountSeq)];
  return first < second ? -1 : first > second ? 1 : 0;
}

function foldPosting(account: AccountFold, posting: PostingPart): string[] {
  const findings: string[] = [];
  const accountSeq = BigInt(posting.accountSeq);
  if (accountSeq !== account.accountSeq + 1n)
    findings.push(`INV-4: posting ${placeOf(posting)} comes after account_seq ${account.accountSeq}`);
  account.accountSeq = accountSeq;
  if (posting.address === USUAL_ADDRESS && posting.asset === USUAL_ASSET && isPhase(posting.phase))
    account.nets[posting.phase] += signedAmount(posting);
  const told: Nets = {
    COMMITTED: toUnits(posting.committedAfter),
    PENDING_IN: toUnits(posting.pendingInAfter),
    PENDING_OUT: toUnits(posting.pendingOutAfter),
  };
  const senses: readonly Sense[] = account.sense === undefined ? [1n, -1n] : [account.sense];
  const sense = senses.find((one) => isTold(account.nets, told, one));
  if (sense === undefined) {
    findings.push(
      `INV-2: the balances told with posting ${placeOf(posting)} are not the sum of its account's postings`,
    );
    Object.assign(account.nets, inSense(told, account.sense ?? 1n));
  } else if (Object.values(told).some((net) => net !== 0n)) {
    account.sense ??= sense;
  }
  return findings;
}

const phases: readonly Phase[] = ["COMMITTED", "PENDING_IN", "PENDING_OUT"];

function isTold(nets: Nets, told: Nets, sense: Sense): boolean {
  return phases.every((phase) => nets[phase] * sense === told[phase]);
}

function inSense(told: Nets, sense: Sense): Nets {
  return {
    COMMITTED: told.COMMITTED * sense,
    PENDING_IN: told.PENDING_IN * sense,
    PENDING_OUT: told.PENDING_OUT * sense,
  };
}

function placeOf({ accountId, accountSeq }: PostingPart): string {
  return `${accountSeq} of account ${accountId}`;
}
