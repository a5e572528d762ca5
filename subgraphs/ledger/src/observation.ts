import {
  addMicros,
  assertInput,
  closeOf,
  formatInstant,
  parseBusinessDate,
  RequestError,
  type Instant,
  type ProcessingGroup,
} from "@florin/kernel";
import type { LedgerContext, Observation } from "./context.js";

/** The two clocks of a question (T-3): what counts had value by `at` and was known by `knownAt`, both included. */
export interface ClockArguments {
  readonly at?: Instant | null | undefined;
  readonly knownAt?: Instant | null | undefined;
}

/** A known time further ahead than clocks of machines differ is not waited for. */
const AHEAD_MICROS = 1_000_000n;

/** Throws BAD_USER_INPUT with KNOWN_AT_NOT_SEALED: an answer for a time that is not sealed would be another one later. */
export async function observe(context: LedgerContext, { at, knownAt }: ClockArguments): Promise<Observation> {
  if (knownAt !== null && knownAt !== undefined) await assertSealed(context, knownAt);
  return { at: at ?? undefined, knownAt: knownAt ?? undefined };
}

/** The same, at one known time in any case: for answers that are put together from several reads. */
export async function observeSealed(context: LedgerContext, clocks: ClockArguments): Promise<Observation> {
  const observation = await observe(context, clocks);
  return observation.knownAt === undefined
    ? { at: observation.at, knownAt: await context.readers.findKnownAt() }
    : observation;
}

async function assertSealed({ readers, clock }: LedgerContext, knownAt: Instant): Promise<void> {
  const isFarAhead = knownAt > addMicros(clock.now(), AHEAD_MICROS);
  const watermark = await (isFarAhead ? readers.findKnownAt() : readers.reachKnownAt(knownAt));
  if (watermark !== undefined && watermark >= knownAt) return;
  const remedy =
    watermark === undefined
      ? "Nothing is known yet."
      : `The book is sealed up to ${formatInstant(watermark)}: send that time or an earlier one, or leave knownAt out.`;
  assertInput([
    {
      path: "knownAt",
      code: "KNOWN_AT_NOT_SEALED",
      message: `What was known then cannot be told yet. ${remedy}`,
    },
  ]);
}

/** T-5: where the balance at the end of a business day is observed. Throws BAD_USER_INPUT for a text that is no date. */
export function closeOfBusinessDate(date: string, group: ProcessingGroup): Instant {
  const parsed = parseBusinessDate(date);
  if (parsed !== undefined) return closeOf(parsed, group);
  const message = "There is no such day. Send one such as 2026-01-31.";
  throw new RequestError("BAD_USER_INPUT", message, { fields: [{ path: "date", code: "DATE_FORMAT", message }] });
}
