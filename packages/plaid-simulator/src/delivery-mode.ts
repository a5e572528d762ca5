import { z } from "zod";

/**
 * How deliveries misbehave: at-least-once and unordered is what Plaid promises, so more than once, late, in another order and
 * (where its 24 hours passed) not at all are what a receiver must live with.
 */
const mode = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("normal") }),
  /** `resign: false` repeats the very bytes, signature and all, as someone who recorded them would. */
  z.strictObject({
    kind: z.literal("duplicate"),
    copies: z.number().int().min(1).max(100).default(1),
    resign: z.boolean().default(true),
  }),
  /** Milliseconds of the simulator's clock. */
  z.strictObject({
    kind: z.literal("delay"),
    delayMs: z
      .number()
      .int()
      .min(0)
      .max(30 * 86_400_000),
  }),
  z.strictObject({ kind: z.literal("drop") }),
  /** Holds back up to `window` webhooks and sends them in another order, one after another. */
  z.strictObject({
    kind: z.literal("reorder"),
    window: z.number().int().min(2).max(1_000).default(2),
    holdMs: z.number().int().min(0).max(3_600_000).default(5_000),
  }),
]);

const standingMode = z.strictObject({
  mode,
  /** How many webhooks it is for before deliveries are normal again; left out: until it is changed. */
  times: z.number().int().min(1).optional(),
  /** The part of the webhooks that it is for. */
  probability: z.number().gt(0).max(1).default(1),
});

export type DeliveryMode = z.output<typeof mode>;
export type DeliveryModeInput = z.input<typeof mode>;
export type StandingMode = z.output<typeof standingMode>;
export type StandingModeInput = z.input<typeof standingMode>;

/** The mode was written wrongly; the message says which member and why. */
export class DeliveryModeNotUnderstood extends Error {
  override readonly name = "DeliveryModeNotUnderstood";
}

/** Reads the mode of one webhook. @throws DeliveryModeNotUnderstood */
export function parseDeliveryMode(body: unknown): DeliveryMode {
  return understood(mode.safeParse(body));
}

/** Reads the mode of all webhooks from now on. @throws DeliveryModeNotUnderstood */
export function parseStandingMode(body: unknown): StandingMode {
  return understood(standingMode.safeParse(body));
}

function understood<T>(parsed: z.ZodSafeParseResult<T>): T {
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  throw new DeliveryModeNotUnderstood(`the delivery mode was not understood: ${problems.join("; ")}`);
}
