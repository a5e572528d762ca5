import type { Violation } from "./book-view.js";
import type { Json } from "./event.js";
import type { Instant } from "./instant.js";
import {
  oppositeSide,
  type FxRecord,
  type Instruction,
  type InstructionReference,
  type InstructionType,
  type Leg,
  type MovementInstruction,
} from "./instruction.js";
import { refuse } from "./refusal.js";

/** A committed instruction as it was booked, for whoever wants it back. */
export interface CommittedInstruction {
  readonly reference: InstructionReference;
  readonly type: InstructionType;
  /** In order: of a movement the target's first, then the counterparty's. */
  readonly legs: readonly Leg[];
  readonly fx?: FxRecord | undefined;
  /** It takes back another one. */
  readonly isReversal: boolean;
  /** It was taken back (T-8). */
  readonly isReversed: boolean;
}

export type Reversal =
  | { readonly kind: "planned"; readonly instructions: readonly Instruction[]; readonly valueAt: Instant }
  | { readonly kind: "refused"; readonly violations: readonly Violation[] };

/**
 * The batch that takes a batch back (T-8): nothing is edited, every leg is booked the other way round, the last instruction first, so
 * that no balance falls lower on the way than it was. Each instruction is reversed once, and a reversal never.
 *
 * What belongs to a hold is not reversed: an authorisation is released, an adjustment adjusted back, and a settlement is paid back by a
 * new hard settlement that names it (CT-5). Mirrored legs in a pending phase would leave a hold that no client transaction knows (INV-3).
 */
export function planReversal(
  originals: readonly CommittedInstruction[],
  how: {
    readonly mode: "AT_ORIGINAL_VALUE" | "NOW";
    readonly originalValueAt: Instant;
    readonly bookedAt: Instant;
    /** It was undone outside already (PI-4): lack of funds is noted and not refused. */
    readonly advice?: boolean;
    readonly details?: Json;
  },
): Reversal {
  const violations = originals.flatMap((original, instructionIndex): Violation[] => {
    if (original.isReversed) return [{ ...refuse("ALREADY_REVERSED"), instructionIndex }];
    return isReversible(original) ? [] : [{ ...refuse("NOT_REVERSIBLE"), instructionIndex }];
  });
  if (violations.length > 0) return { kind: "refused", violations };
  const more = { advice: how.advice ?? false, details: how.details };
  return {
    kind: "planned",
    instructions: originals
      .map((original) => ({ ...mirror(original), ...more, reverses: original.reference }))
      .reverse(),
    valueAt: how.mode === "NOW" ? how.bookedAt : how.originalValueAt,
  };
}

const mirrored = {
  INBOUND_HARD_SETTLEMENT: "OUTBOUND_HARD_SETTLEMENT",
  OUTBOUND_HARD_SETTLEMENT: "INBOUND_HARD_SETTLEMENT",
  TRANSFER: "TRANSFER",
} as const satisfies Record<MovementInstruction["type"], MovementInstruction["type"]>;

function isMovement(type: InstructionType): type is MovementInstruction["type"] {
  return Object.hasOwn(mirrored, type);
}

function isReversible({ type, isReversal, legs }: CommittedInstruction): boolean {
  if (isReversal || legs.some(({ phase }) => phase !== "COMMITTED")) return false;
  return isMovement(type) || type === "CUSTOM_INSTRUCTION";
}

function mirror({ type, legs, fx }: CommittedInstruction): Instruction {
  const [first, second] = legs;
  if (first === undefined || second === undefined) throw new Error("a committed movement has two legs");
  const money = { amount: first.amount, currency: first.denomination };
  if (!isMovement(type))
    return {
      type: "CUSTOM_INSTRUCTION",
      advice: false,
      fx,
      legs: legs.map(({ accountId, address, asset, denomination, phase, side, amount }) => ({
        account: accountId,
        address,
        asset,
        phase,
        side: oppositeSide(side),
        money: { amount, currency: denomination },
      })),
    };
  // A hard settlement keeps its customer and turns its direction; a transfer turns its parties.
  const [target, counterparty] = type === "TRANSFER" ? [second, first] : [first, second];
  return {
    type: mirrored[type],
    advice: false,
    target: target.accountId,
    counterparty: counterparty.accountId,
    money,
    asset: first.asset,
  };
}
