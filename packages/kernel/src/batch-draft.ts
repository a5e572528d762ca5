import { addLeg, coordinateKey, NO_TOTALS, type AccountNets, type Totals } from "./balance.js";
import {
  netsOf,
  reversalKey,
  type AccountState,
  type AcceptedBatch,
  type BookView,
  type DecidedLeg,
  type ProposedBatch,
} from "./book-view.js";
import { clientTransactionKey, type ClientTransactionState } from "./client-transaction.js";
import { runHook } from "./hook-execution.js";
import type { HookData, InstructionChange, Objection } from "./hook.js";
import type { Uuid } from "./ids.js";
import type { Instruction, Leg } from "./instruction.js";
import { ZERO, type Amount } from "./money.js";
import { findIntermediateNegative, type BalanceSnapshot, type ValueWindow } from "./observation.js";
import { objectToCommittedAbove, objectToSpendableBelow, spendableOf, type Product } from "./product.js";
import { refuse } from "./refusal.js";
import { parametersAt, raisedFlags } from "./timeseries.js";

interface DraftAccount {
  readonly state: AccountState;
  readonly totals: Map<string, Totals>;
  accountSeq: bigint;
  nets: AccountNets;
  readonly changes: InstructionChange[];
}

/** The objection of one account's product or guards. */
export interface AccountObjection extends Objection {
  readonly accountId: Uuid;
}

/** The book as it would be after the batch; the view keeps it only if the batch is accepted. */
export class BatchDraft {
  readonly #view: BookView;
  readonly #batch: ProposedBatch;
  readonly #accounts = new Map<Uuid, DraftAccount>();
  readonly #transactions = new Map<string, ClientTransactionState>();
  readonly #reversed = new Set<string>();

  constructor(view: BookView, batch: ProposedBatch) {
    this.#view = view;
    this.#batch = batch;
  }

  findTransaction(key: string): ClientTransactionState | undefined {
    return this.#transactions.get(key) ?? this.#view.clientTransactions.get(key);
  }

  isReversed({ reverses }: Instruction): boolean {
    if (reverses === undefined) return false;
    const key = reversalKey(reverses);
    const { reversed } = this.#view;
    if (reversed === undefined) throw new Error(`whether ${key} was reversed was not read before deciding`);
    return this.#reversed.has(key) || reversed.has(key);
  }

  apply(
    instruction: Instruction,
    index: number,
    step: { readonly legs: readonly Leg[]; readonly state: ClientTransactionState; readonly overSettled: Amount },
  ): DecidedLeg[] {
    const { legs, state, overSettled } = step;
    this.#transactions.set(clientTransactionKey(state.clientId, state.clientTransactionId), state);
    if (instruction.reverses !== undefined) this.#reversed.add(reversalKey(instruction.reverses));
    const touched: { readonly account: DraftAccount; readonly before: AccountNets }[] = [];
    const decided: DecidedLeg[] = [];
    for (const leg of legs) {
      const account = this.#account(leg.accountId);
      if (!touched.some((known) => known.account === account)) touched.push({ account, before: account.nets });
      const key = coordinateKey(leg);
      account.totals.set(key, addLeg(account.totals.get(key) ?? NO_TOTALS, leg));
      account.accountSeq += 1n;
      account.nets = netsOf(account.state, account.totals);
      decided.push(toDecided(leg, index, account));
    }
    for (const { account, before } of touched)
      if (isJudged(account.state))
        account.changes.push({
          index,
          type: instruction.type,
          advice: instruction.advice,
          before,
          after: account.nets,
          legs: legs.filter(({ accountId }) => accountId === account.state.accountId),
          clientTransaction: state,
          overSettledAmount: overSettled,
          details: instruction.details,
        });
    return decided;
  }

  /** Each touched account's prePosting, once, and then its kernel guards (BAL-1). */
  *objections(): Iterable<AccountObjection> {
    for (const { state, changes } of this.#accounts.values()) {
      const { accountId, product, guards, tside } = state;
      const isEmitter = this.#batch.emittedBy?.accountId === accountId;
      if (product !== undefined && !isEmitter)
        for (const objection of this.#judge(state, product, changes)) yield { ...objection, accountId };
      if (guards?.minAvailable !== undefined)
        for (const objection of objectToSpendableBelow(guards.minAvailable, tside, changes))
          yield { ...objection, accountId };
      if (guards?.maxCommitted !== undefined)
        for (const objection of objectToCommittedAbove(guards.maxCommitted, changes)) yield { ...objection, accountId };
    }
  }

  /** A product that throws never accepts (§2.9). */
  #judge(state: AccountState, product: Product, changes: readonly InstructionChange[]): readonly Objection[] {
    if (product.hooks?.prePosting === undefined) return objectToSpendableBelow(ZERO, state.tside, changes);
    const outcome = runHook(product, "prePosting", this.#dataFor(state, product, changes));
    if (outcome.kind === "answered") return outcome.answer;
    return [{ instructionIndex: changes[0]?.index ?? 0, kind: "rule", ...refuse("CONTRACT_ERROR") }];
  }

  #dataFor(state: AccountState, product: Product, changes: readonly InstructionChange[]): HookData<"prePosting"> {
    const { valueAt } = this.#batch;
    const { accountId, denomination, tside, openedAt } = state;
    return {
      account: { accountId, denomination, tside, openedAt },
      effectiveAt: valueAt,
      parameters: parametersAt(state.parameters, state.parameterHistory, valueAt),
      flags: state.flags && raisedFlags(state.flags, valueAt),
      observations: observationsFor(state, product),
      calendars: state.calendars,
      occasion: { instructions: changes },
    };
  }

  /** BAL-2: the accounts that a backdated batch puts below zero in the past. The live check has judged the present. */
  intermediateNegative(): AcceptedBatch["intermediateNegative"] {
    const { valueAt, bookedAt } = this.#batch;
    if (valueAt >= bookedAt) return [];
    const found: { accountId: Uuid; windows: readonly ValueWindow[] }[] = [];
    for (const { state, nets } of this.#accounts.values()) {
      if (state.spendableHistory === undefined) continue;
      const after = spendableOf(state.tside, nets.available);
      const change = after - spendableOf(state.tside, netsOf(state, state.totals).available);
      if (change >= 0n) continue;
      const windows = findIntermediateNegative(0n, state.spendableHistory, [{ valueAt, change }]);
      if (windows.length > 0) found.push({ accountId: state.accountId, windows });
    }
    return found;
  }

  firstIndexOf(accountId: Uuid): number {
    return this.#accounts.get(accountId)?.changes[0]?.index ?? 0;
  }

  /** Makes the draft the view, and says which client transactions it changed. */
  commit(): readonly ClientTransactionState[] {
    for (const [accountId, { state, totals, accountSeq }] of this.#accounts)
      this.#view.accounts.set(accountId, { ...state, totals, accountSeq });
    for (const [key, state] of this.#transactions) this.#view.clientTransactions.set(key, state);
    for (const key of this.#reversed) this.#view.reversed?.add(key);
    return [...this.#transactions.values()];
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

/** LIVE is what the view holds, read under lock, before the batch (BAL-1); the rest was read before. */
function observationsFor(state: AccountState, product: Product): Readonly<Record<string, BalanceSnapshot>> | undefined {
  const reads = product.hooks?.prePosting?.reads;
  if (reads?.observations === undefined && reads?.balances === undefined) return undefined;
  const live = Object.fromEntries(state.totals);
  const observations: Record<string, BalanceSnapshot> = { ...state.observations };
  for (const [id, { at }] of Object.entries(reads.observations ?? {})) if (at === "LIVE") observations[id] = live;
  if (reads.balances === "latest live") observations["balances"] = live;
  return observations;
}

/** Nobody asks what happened on an account without a product and without guards. */
function isJudged({ product, guards }: AccountState): boolean {
  return product !== undefined || guards !== undefined;
}

function toDecided(leg: Leg, ordinal: number, { accountSeq, nets }: DraftAccount): DecidedLeg {
  const { accountId, address, asset, denomination, phase, side, amount } = leg;
  return { accountId, address, asset, denomination, phase, side, amount, ordinal, accountSeq, after: nets };
}
