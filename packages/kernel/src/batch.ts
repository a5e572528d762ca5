import { BatchDraft, type AccountObjection } from "./batch-draft.js";
import type {
  AcceptedDespite,
  AccountState,
  BatchDecision,
  BookView,
  DecidedLeg,
  InstructionEffect,
  ProposedBatch,
  Violation,
} from "./book-view.js";
import {
  clientTransactionKey,
  partiesOf,
  planCustom,
  planFollowUp,
  planOpener,
  refuseReopening,
  type ClientTransactionState,
  type Step,
} from "./client-transaction.js";
import { MAX_CASCADE_DEPTH } from "./hook.js";
import type { Uuid } from "./ids.js";
import { expandCustom, expandMovements, isFollowUp, type Instruction, type Leg } from "./instruction.js";
import { isInClosedPeriod, refuseInstruction } from "./instruction-rules.js";
import { comparePrecedence, refuse, type Refusal } from "./refusal.js";
import { judgeRestrictions } from "./restriction.js";

/**
 * Decides posting instruction batches: the one place where money is allowed to move or refused.
 *
 * Phases, in order (PIB-2): each instruction's shape, permissions and accounts → its client transaction → its legs, and what the
 * accounts' restrictions say to them, applied to a draft so that later instructions see earlier ones (CT-7) → every touched account's
 * prePosting, once a batch, then its guards → the decision. A batch is atomic (PIB-1). Every violation that can be seen is told, in order of
 * precedence; an instruction that cannot stand is left out of what hooks see, and what follows it up is not judged.
 *
 * Pure and deterministic: the same view and batch give the same decision. An accepted batch advances the view, so a whole
 * commit's batches are decided one after another over what was read once. Costs: one small copy per touched account.
 * The caller has locked what the view holds and has put every account and client transaction there that the batch names.
 */
export function decideBatch(view: BookView, batch: ProposedBatch): BatchDecision {
  const judgement = new Judgement(view, batch);
  batch.instructions.forEach((instruction, index) => judgement.judge(instruction, index));
  return judgement.decide();
}

type Planned = Extract<Step, { kind: "stepped" }> & { readonly legs: readonly Leg[] };

class Judgement {
  readonly #view: BookView;
  readonly #batch: ProposedBatch;
  readonly #draft: BatchDraft;
  readonly #violations: Violation[] = [];
  readonly #acceptedDespite: AcceptedDespite[] = [];
  readonly #legs: DecidedLeg[] = [];
  /** By place in the batch. */
  readonly #effects = new Map<number, InstructionEffect>();
  /** Client transactions whose opener was refused in this batch: what follows them up is not judged, what opens them again is. */
  readonly #broken = new Map<string, Refusal>();

  constructor(view: BookView, batch: ProposedBatch) {
    this.#view = view;
    this.#batch = batch;
    this.#draft = new BatchDraft(view, batch);
    if ((batch.emittedBy?.cascadeDepth ?? 0) > MAX_CASCADE_DEPTH) this.#violations.push(refuse("CASCADE_DEPTH"));
  }

  judge(instruction: Instruction, index: number): void {
    const { clientId, operationId } = this.#batch;
    const clientTransactionId = instruction.clientTransactionId ?? `${operationId}:${index}`;
    const key = clientTransactionKey(clientId, clientTransactionId);
    const transaction = this.#draft.findTransaction(key);
    const refusals = refuseInstruction(this.#view, this.#batch, instruction, transaction);
    if (this.#draft.isReversed(instruction)) refusals.push(refuse("ALREADY_REVERSED"));
    const broken = this.#broken.get(key);
    const mayStand = refusals.length === 0;
    const reopening = this.#refuseUsed(instruction, transaction, broken);
    if (reopening !== undefined) refusals.push(reopening);
    if (mayStand && !(isFollowUp(instruction) && broken !== undefined)) {
      const step = this.#plan(instruction, { clientId, clientTransactionId }, transaction);
      if (step.kind === "refused") refusals.push(...step.refusals);
      else {
        this.#judgeRestrictions(instruction, index, step.legs, refusals);
        if (refusals.length === 0) this.#apply(instruction, index, step);
      }
    }
    if (refusals.length > 0 && !isFollowUp(instruction) && transaction === undefined)
      this.#broken.set(
        key,
        broken ?? refuse(opensForLong(instruction) ? "CLIENT_TRANSACTION_EXISTS" : "CLIENT_TRANSACTION_CLOSED"),
      );
    for (const { code, message } of refusals) this.#violations.push({ code, message, instructionIndex: index });
  }

  /** CT-1. Follow-ups and a client's custom instructions join what is there; a product's never do, so a hook that runs again posts once. */
  #refuseUsed(
    instruction: Instruction,
    transaction: ClientTransactionState | undefined,
    broken: Refusal | undefined,
  ): Refusal | undefined {
    if (isFollowUp(instruction)) return undefined;
    if (instruction.type === "CUSTOM_INSTRUCTION")
      return this.#batch.origin === "CONTRACT" ? refuseReopening(transaction) : undefined;
    return broken ?? refuseReopening(transaction);
  }

  #plan(
    instruction: Instruction,
    key: { readonly clientId: string; readonly clientTransactionId: string },
    transaction: ClientTransactionState | undefined,
  ): Planned | Extract<Step, { kind: "refused" }> {
    const { bookedAt, origin } = this.#batch;
    if (instruction.type === "CUSTOM_INSTRUCTION") {
      const step = planCustom(key, transaction);
      return step.kind === "refused" ? step : { ...step, legs: expandCustom(instruction) };
    }
    if (isFollowUp(instruction)) {
      const step = planFollowUp(transaction, instruction, { bookedAt, isExpiry: origin === "EXPIRY" });
      return step.kind === "refused"
        ? step
        : { ...step, legs: expandMovements(fixedParties(step.state), step.movements) };
    }
    const { target, counterparty } = instruction;
    if (target === undefined || counterparty === undefined)
      throw new Error("an instruction without its accounts has no legs");
    const parties = partiesOf(instruction, target, counterparty);
    const step = planOpener(key, instruction, parties, bookedAt);
    return { ...step, legs: expandMovements(parties, step.movements) };
  }

  #judgeRestrictions(instruction: Instruction, index: number, legs: readonly Leg[], refusals: Refusal[]): void {
    const restricted = new Set<Uuid>();
    for (const { accountId } of legs)
      if ((this.#view.accounts.get(accountId)?.restrictions?.length ?? 0) > 0) restricted.add(accountId);
    for (const accountId of restricted) {
      const restrictions = this.#view.accounts.get(accountId)?.restrictions ?? [];
      for (const objection of judgeRestrictions(accountId, restrictions, instruction, legs, this.#batch)) {
        const { kind, code, message } = objection;
        if (kind === "limit" && isAdvice(instruction)) this.#acceptedDespite.push({ instructionIndex: index, code });
        else refusals.push({ code, message });
      }
    }
  }

  #apply(instruction: Instruction, index: number, { legs, state, change, isConverted }: Planned): void {
    const { clientTransactionId } = state;
    this.#legs.push(...this.#draft.apply(instruction, index, { legs, state, overSettled: change.overSettled }));
    this.#effects.set(index, { clientTransactionId, change, isConverted });
  }

  decide(): BatchDecision {
    const isExpiry = this.#batch.origin === "EXPIRY"; // the end of a hold is nobody's to refuse
    if (!isExpiry) for (const objection of this.#draft.objections()) this.#take(objection);
    const intermediateNegative = this.#draft.intermediateNegative();
    for (const { accountId } of intermediateNegative)
      if (this.#view.accounts.get(accountId)?.product?.strictBackdating === true) {
        const instructionIndex = this.#draft.firstIndexOf(accountId);
        this.#take({ accountId, instructionIndex, kind: "funds", ...refuse("INTERMEDIATE_NEGATIVE") });
      }
    if (this.#violations.length > 0) return { kind: "rejected", violations: inPrecedence(this.#violations) };
    const effects = [...this.#effects.values()];
    return {
      kind: "accepted",
      legs: this.#legs,
      acceptedDespite: this.#acceptedDespite,
      clientTransactionIds: effects.map(({ clientTransactionId }) => clientTransactionId),
      effects,
      clientTransactions: this.#draft.commit(),
      intermediateNegative,
      adjustsPeriod: this.#touchedAccounts().some((account) => isInClosedPeriod(account, this.#batch)),
    };
  }

  #touchedAccounts(): readonly AccountState[] {
    return [...new Set(this.#legs.map((leg) => leg.accountId))].map((accountId) => this.#view.accounts.get(accountId)!);
  }

  #take({ instructionIndex, accountId, kind, code, message }: AccountObjection): void {
    const instruction = this.#batch.instructions[instructionIndex];
    if (kind === "funds" && instruction !== undefined && this.#needsNoFunds(instruction, instructionIndex, accountId))
      return;
    if (kind !== "rule" && instruction !== undefined && isAdvice(instruction))
      this.#acceptedDespite.push({ instructionIndex, code }); // PI-4
    else this.#violations.push({ code, message, instructionIndex });
  }

  /** What lowers a hold cannot be refused for funds (§2.3), nor can what comes in at its target (PI-5). */
  #needsNoFunds(instruction: Instruction, index: number, accountId: Uuid): boolean {
    if (!isFollowUp(instruction)) return false;
    if (instruction.type === "RELEASE") return true;
    const key = clientTransactionKey(this.#batch.clientId, instruction.clientTransactionId);
    const transaction = this.#draft.findTransaction(key);
    if (instruction.type === "SETTLEMENT")
      return transaction?.direction === "INBOUND" && transaction.target === accountId;
    return (this.#effects.get(index)?.change.adjusted ?? 0n) < 0n;
  }
}

function opensForLong({ type }: Instruction): boolean {
  return type === "INBOUND_AUTHORISATION" || type === "OUTBOUND_AUTHORISATION" || type === "CUSTOM_INSTRUCTION";
}

/** PI-4: openers and settlements may tell what has happened already. */
function isAdvice({ advice, type }: Instruction): boolean {
  return advice && type !== "AUTHORISATION_ADJUSTMENT" && type !== "RELEASE";
}

/** What the opener fixed (CT-2). */
function fixedParties({ target, counterparty, asset, denomination }: ClientTransactionState) {
  if (target === undefined || counterparty === undefined || asset === undefined || denomination === undefined)
    throw new Error("an authorisation without its parties");
  return { target, counterparty, asset, denomination };
}

function inPrecedence(violations: readonly Violation[]): readonly Violation[] {
  return violations.toSorted(
    (a, b) => comparePrecedence(a.code, b.code) || (a.instructionIndex ?? -1) - (b.instructionIndex ?? -1),
  );
}
