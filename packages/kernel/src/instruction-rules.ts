import type { AccountState, BookView, ProposedBatch } from "./book-view.js";
import { followUpMoney, type ClientTransactionState } from "./client-transaction.js";
import type { CurrencyCode } from "./currency.js";
import type { Uuid } from "./ids.js";
import { parseInstant } from "./instant.js";
import {
  COMMERCIAL_BANK_MONEY,
  DEFAULT_ADDRESS,
  findImbalance,
  isFollowUp,
  type CustomInstruction,
  type FollowUpInstruction,
  type Instruction,
  type OpenerInstruction,
} from "./instruction.js";
import { isAtMinorScale, isDecimal, type Amount, type Money } from "./money.js";
import { scaleOfAddress } from "./product.js";
import { refuse, type Refusal } from "./refusal.js";
import type { AddressScale } from "./rounding.js";

/**
 * What can be said against one instruction without looking at balances or at its client transaction's rules: its shape, what its
 * client may do, its accounts and its times (the first steps of PIB-2). All of it is said at once.
 */
export function refuseInstruction(
  view: BookView,
  batch: ProposedBatch,
  instruction: Instruction,
  transaction: ClientTransactionState | undefined,
): Refusal[] {
  const refusals = refuseShape(view, instruction);
  refusals.push(...refusePermissions(batch, instruction), ...refuseAccounts(view, batch, instruction, transaction));
  const { clientTransactionId, reverses } = instruction;
  if (clientTransactionId !== undefined && !isFollowUp(instruction) && !mayTake(clientTransactionId, batch))
    refusals.push(refuse("CLIENT_TRANSACTION_RESERVED"));
  if (batch.origin === "EXPIRY" && instruction.type !== "RELEASE")
    throw new Error(`a batch of origin EXPIRY holds releases, not ${instruction.type}`);
  if (batch.origin === "CONTRACT" && instruction.type !== "CUSTOM_INSTRUCTION")
    throw new Error(`a product emits custom instructions, not ${instruction.type}`);
  if (reverses !== undefined && isFollowUp(instruction)) refusals.push(refuse("NOT_REVERSIBLE"));
  return refusals;
}

/**
 * CT-1: ids that are made here must stay free, or somebody could take the one that a later operation is going to be given. What was
 * opened without an id may be followed up by the one it got.
 */
function mayTake(clientTransactionId: string, { origin }: ProposedBatch): boolean {
  return !clientTransactionId.startsWith("op_") && (origin === "CONTRACT" || !clientTransactionId.startsWith("hook_"));
}

function refuseShape(view: BookView, instruction: Instruction): Refusal[] {
  if (instruction.type === "CUSTOM_INSTRUCTION") return refuseCustomShape(view, instruction);
  if (!isFollowUp(instruction)) {
    const { money, asset } = instruction;
    const refusals = refuseAmount(money.amount, money.currency, "MINOR");
    refusals.push(...refuseName(asset));
    return refusals;
  }
  return refuseFollowUpAmount(instruction);
}

function refuseFollowUpAmount(instruction: FollowUpInstruction): Refusal[] {
  const money = followUpMoney(instruction);
  if (money === undefined) return [];
  const isAdjustment = instruction.type === "AUTHORISATION_ADJUSTMENT";
  if (isAdjustment && instruction.delta !== undefined) return refuseAmount(abs(money.amount), money.currency, "MINOR");
  if (isAdjustment && money.amount === 0n) return []; // replaced by nothing: all that was not consumed is given back
  return refuseAmount(money.amount, money.currency, "MINOR");
}

/** PI-6 and MON-2. */
function refuseAmount(amount: Amount, currency: CurrencyCode, scale: AddressScale): Refusal[] {
  if (amount <= 0n) return [refuse("AMOUNT_NOT_POSITIVE")];
  return scale === "MINOR" && !isAtMinorScale(amount, currency) ? [refuse("AMOUNT_SCALE")] : [];
}

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

function refuseName(name: string | undefined): Refusal[] {
  return name === undefined || NAME.test(name) ? [] : [refuse("ADDRESS_INVALID")];
}

function refuseCustomShape(view: BookView, { legs, fx }: CustomInstruction): Refusal[] {
  const refusals = legs.flatMap(({ account, address = DEFAULT_ADDRESS, asset, money }) => [
    ...refuseName(address),
    ...refuseName(asset),
    ...refuseAmount(money.amount, money.currency, scaleAt(account && view.accounts.get(account), address)),
  ]);
  const weighed = legs.map(({ asset = COMMERCIAL_BANK_MONEY, phase = "COMMITTED", side, money }) => ({
    asset,
    phase,
    side,
    amount: money.amount,
    denomination: money.currency,
  }));
  const imbalance = findImbalance(weighed);
  if (legs.length < 2 || imbalance !== undefined) refusals.push(refuse("INSTRUCTION_UNBALANCED", imbalance));
  const hasSeveral = new Set(legs.map(({ money }) => money.currency)).size > 1;
  if (hasSeveral ? !isFxRecord(fx) : fx !== undefined) refusals.push(refuse("FX_RECORD_INVALID")); // MON-4
  return onceEach(refusals);
}

function scaleAt(account: AccountState | undefined, address: string): AddressScale {
  if (address === DEFAULT_ADDRESS) return "MINOR";
  return account?.addressScales?.[address] ?? scaleOfAddress(account?.product, address);
}

function isFxRecord(fx: CustomInstruction["fx"]): boolean {
  if (fx === undefined) return false;
  const isAboveZero = isDecimal(fx.rate) && !fx.rate.startsWith("-") && /[1-9]/.test(fx.rate);
  return isAboveZero && fx.rateSource !== "" && parseInstant(fx.rateTimestamp) !== undefined;
}

function refusePermissions(batch: ProposedBatch, instruction: Instruction): Refusal[] {
  const refusals: Refusal[] = [];
  const may = (permission: string) => batch.permissions?.has(permission) ?? false;
  if (instruction.type === "CUSTOM_INSTRUCTION") {
    const isContract = batch.origin === "CONTRACT";
    const { legs } = instruction;
    if (
      !isContract &&
      !may("posting.address") &&
      legs.some(({ address }) => (address ?? DEFAULT_ADDRESS) !== "DEFAULT")
    )
      refusals.push(refuse("ADDRESS_NOT_PERMITTED"));
    const isPending = legs.some(({ phase }) => (phase ?? "COMMITTED") !== "COMMITTED");
    if (isPending && (isContract || !may("posting.custom.pending"))) refusals.push(refuse("PENDING_NOT_PERMITTED"));
  }
  // RES-3. A directive of a product overrides by its own choice.
  for (const type of instruction.overrideRestrictions ?? [])
    if (batch.origin !== "CONTRACT" && !may(`posting.override.${type}`))
      refusals.push(refuse("OVERRIDE_NOT_PERMITTED", type));
  return refusals;
}

interface Party {
  readonly account: AccountState | undefined;
  readonly currency: CurrencyCode | undefined;
  readonly isRecipient: boolean;
}

function refuseAccounts(
  view: BookView,
  batch: ProposedBatch,
  instruction: Instruction,
  transaction: ClientTransactionState | undefined,
): Refusal[] {
  const parties = partiesOf(view, instruction, transaction);
  const refusals: Refusal[] = [];
  for (const { account, isRecipient } of parties)
    if (account === undefined) refusals.push(refuse(isRecipient ? "RECIPIENT_NOT_FOUND" : "ACCOUNT_NOT_FOUND"));
  const known = parties.filter((party): party is Party & { account: AccountState } => party.account !== undefined);
  const accounts = known.map(({ account }) => account);
  if (accounts.some((account) => !isOpenFor(account, instruction, batch))) refusals.push(refuse("ACCOUNT_NOT_OPEN"));
  if (instruction.type !== "CUSTOM_INSTRUCTION" && accounts.length === 2 && accounts[0] === accounts[1])
    refusals.push(refuse("SAME_ACCOUNT"));
  if (isAuthorisation(instruction) && parties[1]?.account?.product !== undefined)
    refusals.push(refuse("COUNTERPARTY_NOT_INTERNAL"));
  if (known.some(({ account, currency }) => currency !== undefined && account.denomination !== currency))
    refusals.push(refuse("CURRENCY_MISMATCH"));
  return onceEach(refusals).concat(refuseTimes(batch, accounts));
}

function partiesOf(
  view: BookView,
  instruction: Instruction,
  transaction: ClientTransactionState | undefined,
): readonly Party[] {
  const find = (account: Uuid | undefined) => account && view.accounts.get(account);
  if (instruction.type === "CUSTOM_INSTRUCTION")
    return instruction.legs.map(({ account, money }) => toParty(find(account), money));
  if (!isFollowUp(instruction)) return openerParties(instruction, find);
  if (transaction?.kind !== "AUTHORISATION") return []; // its own refusal says so
  return [transaction.target, transaction.counterparty].map((account) => {
    const found = find(account);
    if (found === undefined) throw new Error(`account ${account} was not read before deciding`);
    return toParty(found, undefined);
  });
}

function openerParties(
  { type, target, counterparty, money }: OpenerInstruction,
  find: (account: Uuid | undefined) => AccountState | undefined,
): readonly Party[] {
  return [toParty(find(target), money), { ...toParty(find(counterparty), money), isRecipient: type === "TRANSFER" }];
}

function toParty(account: AccountState | undefined, money: Money | undefined): Party {
  return { account, currency: money?.currency, isRecipient: false };
}

/**
 * The mirror of a hold raises what its counterparty has available (PI-2). Of an internal account nobody spends that; a customer could
 * spend what is not settled and may never be.
 */
function isAuthorisation({ type }: Instruction): boolean {
  return type === "INBOUND_AUTHORISATION" || type === "OUTBOUND_AUTHORISATION";
}

/** An account on its way to closing still ends what is pending on it; a hook may post to its own account in every status it runs in. */
function isOpenFor({ accountId, status }: AccountState, instruction: Instruction, batch: ProposedBatch): boolean {
  if (status === "OPEN") return true;
  const ends = instruction.type === "SETTLEMENT" || instruction.type === "RELEASE";
  if (status === "PENDING_CLOSURE" && ends) return true;
  return status !== "CLOSED" && batch.emittedBy?.accountId === accountId;
}

/** T-2. */
function refuseTimes(batch: ProposedBatch, accounts: readonly AccountState[]): Refusal[] {
  const refusals: Refusal[] = [];
  if (batch.valueAt > batch.bookedAt) refusals.push(refuse("VALUE_IN_FUTURE"));
  if (accounts.some(({ openedAt }) => batch.valueAt < openedAt)) refusals.push(refuse("BEFORE_OPENING"));
  const isClosed = accounts.some((account) => isInClosedPeriod(account, batch));
  if (isClosed && batch.permissions?.has("posting.backdate.closed_period") !== true)
    refusals.push(refuse("PERIOD_CLOSED"));
  return refusals;
}

export function isInClosedPeriod({ closedUntil }: AccountState, { valueAt }: ProposedBatch): boolean {
  return closedUntil !== undefined && valueAt < closedUntil;
}

function onceEach(refusals: Refusal[]): Refusal[] {
  if (refusals.length < 2) return refusals;
  return refusals.filter(({ code }, place) => refusals.findIndex((other) => other.code === code) === place);
}

function abs(amount: Amount): Amount {
  return (amount < 0n ? -amount : amount) as Amount;
}
