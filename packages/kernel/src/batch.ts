import { accountNets, addLeg, coordinateKey, NO_TOTALS, type AccountNets, type Totals, type Tside } from "./balance.js";
import type { CurrencyCode } from "./currency.js";
import type { Uuid } from "./ids.js";
import type { Instant } from "./instant.js";
import { expandInstruction, type Instruction, type Leg } from "./instruction.js";
import { isAtMinorScale } from "./money.js";
import { runPrePosting, type Objection, type ParameterValues, type Product, type ProposedChange } from "./product.js";
import { refusalCodes, refuse, type Refusal, type RefusalCode } from "./refusal.js";

/**
 * Decides posting instruction batches: the one place where money is allowed to move or refused.
 *
 * Phases, in order (PIB-2): each instruction and its accounts → client transactions → legs, applied to a draft so that later
 * instructions see earlier ones → every touched account's prePosting, once a batch → the decision. A batch is atomic (PIB-1).
 * Every violation that can be seen is told; an instruction whose accounts do not stand is left out of what hooks see.
 *
 * Pure and deterministic: the same view and batch give the same decision. An accepted batch advances the view, so a whole
 * commit's batches are decided one after another over what was read once. Costs: one small copy per touched account.
 * The caller has locked what the view holds and has put every account there that the batch names and that exists.
 */
export interface AccountState {
  readonly accountId: Uuid;
  readonly tside: Tside;
  readonly status: "PENDING" | "OPEN" | "PENDING_CLOSURE" | "CLOSED";
  readonly denomination: CurrencyCode;
  readonly openedAt: Instant;
  /** undefined for internal accounts: nobody judges their postings (BAL-1). */
  readonly product: Product | undefined;
  readonly parameters: ParameterValues;
  /** Of the account's last posting; 0 when there is none. Gapless (INV-4). */
  readonly accountSeq: bigint;
  /** By `coordinateKey`. */
  readonly totals: ReadonlyMap<string, Totals>;
}

export interface BookView {
  readonly accounts: Map<Uuid, AccountState>;
  /** `clientTransactionKey` of every one that the batches name and that exists. */
  readonly clientTransactions: Set<string>;
}

export interface ProposedBatch {
  /** The operation's id as text (`op_…`): instructions without a client transaction id get one made from it. */
  readonly operationId: string;
  readonly clientId: string;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly instructions: readonly Instruction[];
}

export interface DecidedLeg extends Leg {
  /** The instruction's place in the batch. */
  readonly ordinal: number;
  readonly accountSeq: bigint;
  /** At address DEFAULT, after this leg. */
  readonly after: AccountNets;
}

export interface Violation extends Refusal {
  /** undefined when it is about the batch as a whole. */
  readonly instructionIndex?: number | undefined;
}

/** PI-4: an advice that the product objected to for lack of funds. */
export interface AcceptedDespite {
  readonly instructionIndex: number;
  readonly code: RefusalCode;
}

export type BatchDecision =
  | {
      readonly kind: "accepted";
      readonly legs: readonly DecidedLeg[];
      readonly acceptedDespite: readonly AcceptedDespite[];
      /** One for each instruction. */
      readonly clientTransactionIds: readonly string[];
    }
  /** Never empty; in order of precedence, so the first one is the one to show. */
  | { readonly kind: "rejected"; readonly violations: readonly Violation[] };

export function clientTransactionKey(clientId: string, clientTransactionId: string): string {
  return `${clientId}\u0000${clientTransactionId}`;
}

export function decideBatch(view: BookView, batch: ProposedBatch): BatchDecision {
  const violations: Violation[] = [];
  const draft = new Draft(view);
  const legs: DecidedLeg[] = [];
  const clientTransactions = new Set<string>();
  const clientTransactionIds = batch.instructions.map(
    (instruction, index) => instruction.clientTransactionId ?? `${batch.operationId}:${index}`,
  );
  batch.instructions.forEach((instruction, index) => {
    const refusals = refuseInstruction(view, batch, instruction);
    const key = clientTransactionKey(batch.clientId, clientTransactionIds[index]!);
    if (view.clientTransactions.has(key) || clientTransactions.has(key))
      refusals.push(refuse("CLIENT_TRANSACTION_CLOSED"));
    clientTransactions.add(key);
    violations.push(...refusals.map((refusal) => ({ ...refusal, instructionIndex: index })));
    if (refusals.length === 0) legs.push(...draft.apply(instruction, index));
  });
  const acceptedDespite: AcceptedDespite[] = [];
  for (const objection of draft.objections()) {
    const { instructionIndex, kind, code, message } = objection;
    if (kind === "funds" && batch.instructions[instructionIndex]?.advice === true)
      acceptedDespite.push({ instructionIndex, code });
    else violations.push({ code, message, instructionIndex });
  }
  if (violations.length > 0) return { kind: "rejected", violations: inPrecedence(violations) };
  draft.commit();
  for (const key of clientTransactions) view.clientTransactions.add(key);
  return { kind: "accepted", legs, acceptedDespite, clientTransactionIds };
}

/** What can be said against one instruction without looking at balances. */
function refuseInstruction(view: BookView, batch: ProposedBatch, instruction: Instruction): Refusal[] {
  const refusals: Refusal[] = [];
  const { money } = instruction;
  if (money.amount <= 0n) refusals.push(refuse("AMOUNT_NOT_POSITIVE"));
  else if (!isAtMinorScale(money.amount, money.currency)) refusals.push(refuse("AMOUNT_SCALE"));

  const target = instruction.target && view.accounts.get(instruction.target);
  const counterparty = instruction.counterparty && view.accounts.get(instruction.counterparty);
  if (target === undefined) refusals.push(refuse("ACCOUNT_NOT_FOUND"));
  if (counterparty === undefined)
    refusals.push(refuse(instruction.type === "TRANSFER" ? "RECIPIENT_NOT_FOUND" : "ACCOUNT_NOT_FOUND"));

  const accounts = [target, counterparty].filter((account) => account !== undefined);
  if (accounts.some((account) => account.status !== "OPEN")) refusals.push(refuse("ACCOUNT_NOT_OPEN"));
  if (target !== undefined && target === counterparty) refusals.push(refuse("SAME_ACCOUNT"));
  if (accounts.some((account) => account.denomination !== money.currency)) refusals.push(refuse("CURRENCY_MISMATCH"));
  if (batch.valueAt > batch.bookedAt) refusals.push(refuse("VALUE_IN_FUTURE")); // T-2
  if (accounts.some((account) => batch.valueAt < account.openedAt)) refusals.push(refuse("BEFORE_OPENING")); // T-2
  // Ours must stay free, or somebody could take the id that a later operation is going to be given.
  if (instruction.clientTransactionId?.startsWith("op_") === true) refusals.push(refuse("CLIENT_TRANSACTION_RESERVED"));
  return refusals;
}

const precedence = new Map(refusalCodes.map((code, place) => [code, place]));

function inPrecedence(violations: readonly Violation[]): readonly Violation[] {
  return violations.toSorted(
    (a, b) =>
      precedence.get(a.code)! - precedence.get(b.code)! || (a.instructionIndex ?? -1) - (b.instructionIndex ?? -1),
  );
}

interface DraftAccount {
  readonly state: AccountState;
  readonly totals: Map<string, Totals>;
  accountSeq: bigint;
  nets: AccountNets;
  readonly changes: ProposedChange[];
}

/** The accounts as they would be after the batch; the view keeps them only if it is accepted. */
class Draft {
  readonly #view: BookView;
  readonly #accounts = new Map<Uuid, DraftAccount>();

  constructor(view: BookView) {
    this.#view = view;
  }

  apply(instruction: Instruction, index: number): DecidedLeg[] {
    const legs = expandInstruction(instruction);
    const before = new Map<DraftAccount, AccountNets>();
    const decided = legs.map((leg): DecidedLeg => {
      const account = this.#account(leg.accountId);
      if (!before.has(account)) before.set(account, account.nets);
      const key = coordinateKey(leg);
      account.totals.set(key, addLeg(account.totals.get(key) ?? NO_TOTALS, leg));
      account.accountSeq += 1n;
      account.nets = netsOf(account.state, account.totals);
      return { ...leg, ordinal: index, accountSeq: account.accountSeq, after: account.nets };
    });
    const { type, advice } = instruction;
    for (const [account, nets] of before)
      account.changes.push({ index, type, advice, before: nets, after: account.nets });
    return decided;
  }

  *objections(): Iterable<Objection> {
    for (const { state, changes } of this.#accounts.values()) {
      if (state.product === undefined) continue;
      const { accountId, denomination, parameters } = state;
      yield* runPrePosting(state.product, {
        account: { accountId, denomination, parameters },
        instructions: changes,
      });
    }
  }

  commit(): void {
    for (const [accountId, { state, totals, accountSeq }] of this.#accounts)
      this.#view.accounts.set(accountId, { ...state, totals, accountSeq });
  }

  #account(accountId: Uuid): DraftAccount {
    const known = this.#accounts.get(accountId);
    if (known !== undefined) return known;
    const state = this.#view.accounts.get(accountId);
    if (state === undefined) throw new Error(`account ${accountId} was not read before deciding`);
    const made: DraftAccount = {
      state,
      totals: new Map(state.totals),
      accountSeq: state.accountSeq,
      nets: netsOf(state, state.totals),
      changes: [],
    };
    this.#accounts.set(accountId, made);
    return made;
  }
}

export function netsOf(
  account: Pick<AccountState, "denomination" | "tside">,
  totals: ReadonlyMap<string, Totals>,
): AccountNets {
  return accountNets((key) => totals.get(key), account.denomination, account.tside);
}
