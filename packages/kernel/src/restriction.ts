import type { Json } from "./event.js";
import type { Uuid } from "./ids.js";
import type { Instant } from "./instant.js";
import type { Instruction, Leg } from "./instruction.js";
import type { Amount } from "./money.js";
import { refuse, type Refusal } from "./refusal.js";
import type { RestrictionType } from "./restriction-type.js";
import { isWithin } from "./timeseries.js";

/** A restriction as it lies on an account, by its customer, itself or one of its payment devices (RES-1). */
export interface Restriction {
  readonly code: string;
  readonly version: string;
  readonly level: "CUSTOMER" | "ACCOUNT" | "PAYMENT_DEVICE";
  readonly type: RestrictionType;
  /** Of LIMIT types: the most that one instruction may move. */
  readonly limit?: Amount | undefined;
  /** Of level PAYMENT_DEVICE: the device. */
  readonly paymentDevice?: string | undefined;
  readonly from: Instant;
  readonly to?: Instant | undefined;
  /** RES-2: an instruction whose details hold all members of one of these is let through. */
  readonly exemptions?: readonly Readonly<Record<string, Json>>[] | undefined;
}

/** A LIMIT is what an advice downgrades to a note (PI-4); the others refuse always. */
export interface RestrictionObjection extends Refusal {
  readonly kind: "limit" | "rule";
  readonly type: RestrictionType;
}

/**
 * What an account's restrictions say to an instruction that moves these legs. Evaluated on value time and on booking time; what
 * holds at either of them holds (RES-2, the stricter wins). Overrides that the instruction carries were permitted before (RES-3).
 */
export function judgeRestrictions(
  accountId: Uuid,
  restrictions: readonly Restriction[],
  instruction: Instruction,
  legs: readonly Leg[],
  times: { readonly valueAt: Instant; readonly bookedAt: Instant },
): readonly RestrictionObjection[] {
  if (restrictions.length === 0) return [];
  const { debited, credited } = movedBy(accountId, legs);
  const objections: RestrictionObjection[] = [];
  for (const restriction of restrictions) {
    if (!isWithin(restriction, times.valueAt) && !isWithin(restriction, times.bookedAt)) continue;
    if (restriction.level === "PAYMENT_DEVICE" && restriction.paymentDevice !== instruction.paymentDevice) continue;
    if (instruction.overrideRestrictions?.includes(restriction.type) === true) continue;
    if (isExempt(restriction, instruction.details)) continue;
    const objection = judgeOne(restriction, debited, credited);
    if (objection !== undefined) objections.push(objection);
  }
  return objections;
}

/**
 * What an instruction takes from an account anew, and what it brings anew. A settlement within its hold takes nothing new (the hold
 * took it), a release brings nothing new: COMMITTED and the phase of the hold are counted together.
 */
function movedBy(accountId: Uuid, legs: readonly Leg[]): { readonly debited: bigint; readonly credited: bigint } {
  let debited = 0n;
  let credited = 0n;
  for (const leg of legs) {
    if (leg.accountId !== accountId) continue;
    const signed = leg.side === "DEBIT" ? leg.amount : -leg.amount;
    if (leg.phase !== "PENDING_IN") debited += signed;
    if (leg.phase !== "PENDING_OUT") credited -= signed;
  }
  return { debited, credited };
}

function judgeOne(restriction: Restriction, debited: bigint, credited: bigint): RestrictionObjection | undefined {
  const { type, code, limit } = restriction;
  switch (type) {
    case "PREVENT_DEBITS":
      return debited > 0n ? { type, kind: "rule", ...refuse("RESTRICTED", code) } : undefined;
    case "PREVENT_CREDITS":
      return credited > 0n ? { type, kind: "rule", ...refuse("RESTRICTED", code) } : undefined;
    case "REVIEW_DEBITS":
      return debited > 0n ? { type, kind: "rule", ...refuse("RESTRICTED_REVIEW", code) } : undefined;
    case "REVIEW_CREDITS":
      return credited > 0n ? { type, kind: "rule", ...refuse("RESTRICTED_REVIEW", code) } : undefined;
    case "LIMIT_DEBITS":
      return debited > (limit ?? 0n) ? { type, kind: "limit", ...refuse("RESTRICTION_LIMIT", code) } : undefined;
    case "LIMIT_CREDITS":
      return credited > (limit ?? 0n) ? { type, kind: "limit", ...refuse("RESTRICTION_LIMIT", code) } : undefined;
    case "PREVENT_CLOSURE":
      return undefined; // judged when the account is closed
  }
}

function isExempt({ exemptions = [] }: Restriction, details: Json | undefined): boolean {
  if (typeof details !== "object" || details === null || Array.isArray(details)) return false;
  const given = details as { readonly [key: string]: Json | undefined };
  return exemptions.some((exemption) => {
    const members = Object.entries(exemption);
    return members.length > 0 && members.every(([key, value]) => given[key] === value);
  });
}
