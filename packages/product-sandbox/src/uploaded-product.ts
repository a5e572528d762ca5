import { createHash } from "node:crypto";
import {
  hookKinds,
  type DataRequirements,
  type Hook,
  type HookAnswers,
  type HookData,
  type HookKind,
  type Hooks,
  type Product,
} from "@florin/kernel";
import type { BudgetClock, SandboxLimits } from "./budget.js";
import type { SandboxEngine } from "./engine.js";
import { Guest, SandboxLimitError } from "./guest.js";
import { hookTextOf } from "./hook-text.js";
import { answerReaders } from "./parse-answer.js";
import { parseDescription, toProduct } from "./parse-terms.js";
import { ProductSourceError, toProblem } from "./product-problem.js";
import { parseExactText, shape, ShapeError, text } from "./strict-shape.js";

/** A product whose hooks run in the sandbox. For whoever holds it, it is one like the built-in ones. */
export interface UploadedProduct extends Product {
  /** SHA-256 of the source, hexadecimal: what an execution's record names beside code and version. */
  readonly sourceDigest: string;
  /** Frees its memory in the sandbox. A hook that is called afterwards makes it anew. */
  dispose(): void;
}

export interface GuestMaker {
  readonly engine: SandboxEngine;
  readonly limits: SandboxLimits;
  readonly clock: BudgetClock;
}

/**
 * The host's side of one uploaded source. One guest is kept and called again and again; a guest that exceeded a limit is thrown away,
 * and the next call makes another (HOOK-5).
 *
 * Purity (HOOK-4) is watched as well as walled in: at every call whose number is a power of two a guest that was made for it answers
 * too. A product that keeps something between calls differs there soon, and from then on it answers nothing.
 */
export class UploadedSource {
  readonly #source: string;
  readonly #make: GuestMaker;
  #guest: Guest | undefined;
  #calls = 0;
  #isImpure = false;

  constructor(source: string, make: GuestMaker) {
    this.#source = source;
    this.#make = make;
  }

  /** Throws ProductSourceError: what is wrong, where, and what to do. */
  describe(): string {
    const { sourceKibibytes } = this.#make.limits;
    if (Buffer.byteLength(this.#source) > sourceKibibytes * 1_024)
      throw new ProductSourceError({
        code: "SOURCE_TOO_LARGE",
        message: `the source has more than ${sourceKibibytes} KiB; shorten it`,
      });
    const { guest, description } = this.#newGuest();
    this.#guest?.dispose();
    this.#guest = guest;
    return description;
  }

  /** The answer's text. Throws what the product threw, with its message, and SandboxLimitError. */
  call(kind: HookKind, given: string): string {
    if (this.#isImpure) throw impurity(kind);
    const outcome = this.callUnwatched(kind, given);
    this.#calls += 1;
    if (this.#calls > 1 && (this.#calls & (this.#calls - 1)) === 0 && this.callFresh(kind, given) !== outcome) {
      this.#isImpure = true;
      throw impurity(kind);
    }
    return outcome;
  }

  /** The same, and nobody compares. */
  callUnwatched(kind: HookKind, given: string): string {
    if (this.#guest === undefined || this.#guest.isSpent) {
      this.dispose();
      this.#guest = this.#newGuest().guest;
    }
    return this.#guest.call(kind, given);
  }

  /** In a guest that knows of no other call. */
  callFresh(kind: HookKind, given: string): string {
    const { guest } = this.#newGuest();
    try {
      return guest.call(kind, given);
    } finally {
      guest.dispose();
    }
  }

  dispose(): void {
    this.#guest?.dispose();
    this.#guest = undefined;
  }

  #newGuest(): { readonly guest: Guest; readonly description: string } {
    const { engine, limits, clock } = this.#make;
    const guest = new Guest({ instance: engine.instance, modules: engine.guest, limits, clock });
    try {
      const outcome = guest.load(this.#source);
      if (outcome.kind === "loaded") return { guest, description: outcome.description };
      throw new ProductSourceError(toProblem(outcome.fault));
    } catch (fault) {
      guest.dispose();
      if (fault instanceof SandboxLimitError)
        throw new ProductSourceError({ code: "LIMIT_EXCEEDED", message: fault.message });
      throw fault;
    }
  }
}

function impurity(kind: HookKind): Error {
  return new Error(`IMPURE: ${kind} answered differently in a fresh sandbox; keep nothing between calls (HOOK-4)`);
}

export function toUploadedProduct(source: string, uploaded: UploadedSource): UploadedProduct {
  const described = uploaded.describe();
  try {
    const description = parseDescription(described);
    const hooks = hooksOf(description.hooks, description.derivedParameters ?? [], uploaded);
    const sourceDigest = createHash("sha256").update(source, "utf8").digest("hex");
    return { ...toProduct(description, hooks), sourceDigest, dispose: () => uploaded.dispose() };
  } catch (fault) {
    uploaded.dispose();
    if (fault instanceof ProductSourceError) throw fault;
    const message = fault instanceof Error ? fault.message : String(fault);
    throw new ProductSourceError({ code: "TERMS_INVALID", message });
  }
}

function hooksOf(
  reads: { readonly [K in HookKind]?: DataRequirements },
  derivedNames: readonly string[],
  uploaded: UploadedSource,
): Hooks {
  const readers = answerReaders(derivedNames);
  const hookOf = <K extends HookKind>(kind: K, asked: DataRequirements): Hook<K> => {
    const toText = hookTextOf(kind, asked);
    const readAnswer: (answer: string, data: HookData<K>) => HookAnswers[K] = readers[kind];
    return { kind, reads: asked, run: (data) => readAnswer(answerOf(uploaded.call(kind, toText(data))), data) };
  };
  const hooks: Partial<Record<HookKind, Hook>> = {};
  for (const kind of hookKinds) {
    const asked = reads[kind];
    if (asked !== undefined) hooks[kind] = hookOf(kind, asked);
  }
  return hooks as Hooks;
}

const fault = shape({ name: text(80), message: text(2_000) });

/** Of `A…` the answer; `E…` is thrown on, with the message that the product gave it. */
export function answerOf(outcome: string): string {
  if (outcome.startsWith("A")) return outcome.slice(1);
  if (!outcome.startsWith("E")) throw new ShapeError("the sandbox answered neither with an answer nor with a fault");
  const { message } = fault(parseExactText(outcome.slice(1), "fault"), "fault");
  throw new Error(message);
}
