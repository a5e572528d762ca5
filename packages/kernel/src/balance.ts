import type { CurrencyCode } from "./currency.js";
import type { Uuid } from "./ids.js";
import { COMMERCIAL_BANK_MONEY, DEFAULT_ADDRESS, type Leg, type Phase } from "./instruction.js";
import { ZERO, type Amount } from "./money.js";

/** Which way an account's balance counts: net = credit − debit for LIABILITY, debit − credit for ASSET. */
export type Tside = "ASSET" | "LIABILITY";

/** Where a balance lives. One that was never posted to is zero; posting to it makes it. */
export interface Coordinate {
  readonly accountId: Uuid;
  readonly address: string;
  readonly asset: string;
  readonly denomination: CurrencyCode;
  readonly phase: Phase;
}

export interface Totals {
  readonly totalDebit: Amount;
  readonly totalCredit: Amount;
}

export const NO_TOTALS: Totals = { totalDebit: ZERO, totalCredit: ZERO };

/** Key of a coordinate within its account. Neither part may hold the separator: addresses and assets are our own names. */
export function coordinateKey(c: Omit<Coordinate, "accountId">): string {
  if (c.address === DEFAULT_ADDRESS && c.asset === COMMERCIAL_BANK_MONEY) return defaultKeysOf(c.denomination)[c.phase];
  return joinCoordinate(c);
}

function joinCoordinate(c: Omit<Coordinate, "accountId">): string {
  return `${c.address}|${c.asset}|${c.denomination}|${c.phase}`;
}

export function addLeg(totals: Totals, leg: Leg): Totals {
  return leg.side === "DEBIT"
    ? { totalDebit: (totals.totalDebit + leg.amount) as Amount, totalCredit: totals.totalCredit }
    : { totalDebit: totals.totalDebit, totalCredit: (totals.totalCredit + leg.amount) as Amount };
}

export function netOf(totals: Totals, tside: Tside): Amount {
  return (
    tside === "LIABILITY" ? totals.totalCredit - totals.totalDebit : totals.totalDebit - totals.totalCredit
  ) as Amount;
}

/** What an account shows at address DEFAULT in its own denomination, in its own sense. */
export interface AccountNets {
  readonly committed: Amount;
  readonly pendingIn: Amount;
  readonly pendingOut: Amount;
  /** PI-2: committed + pending out. Pending in never counts. */
  readonly available: Amount;
}

export function availableOf(nets: { readonly committed: Amount; readonly pendingOut: Amount }): Amount {
  return (nets.committed + nets.pendingOut) as Amount;
}

/** `find` gives the totals at a coordinate's key, or undefined where nothing was ever posted. */
export function accountNets(
  find: (key: string) => Totals | undefined,
  denomination: CurrencyCode,
  tside: Tside,
): AccountNets {
  const keys = defaultKeysOf(denomination);
  const at = (key: string): Amount => {
    const totals = find(key);
    return totals === undefined ? ZERO : netOf(totals, tside);
  };
  const committed = at(keys.COMMITTED);
  const pendingOut = at(keys.PENDING_OUT);
  return { committed, pendingIn: at(keys.PENDING_IN), pendingOut, available: availableOf({ committed, pendingOut }) };
}

const defaultKeys = new Map<CurrencyCode, Readonly<Record<Phase, string>>>();

/** Made once for each denomination: the same text again is found in a map without being compared letter by letter. */
function defaultKeysOf(denomination: CurrencyCode): Readonly<Record<Phase, string>> {
  let keys = defaultKeys.get(denomination);
  if (keys === undefined) {
    const at = (phase: Phase) =>
      joinCoordinate({ address: DEFAULT_ADDRESS, asset: COMMERCIAL_BANK_MONEY, denomination, phase });
    keys = { COMMITTED: at("COMMITTED"), PENDING_IN: at("PENDING_IN"), PENDING_OUT: at("PENDING_OUT") };
    defaultKeys.set(denomination, keys);
  }
  return keys;
}
