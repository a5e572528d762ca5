import type { GuestFault } from "./guest.js";
import { PRODUCT_FILE } from "./guest.js";

/** What is wrong with an uploaded source, and where, so that its author can put it right. */
export interface ProductProblem {
  readonly code: "SOURCE_TOO_LARGE" | "SOURCE_FAULTY" | "TERMS_INVALID" | "LIMIT_EXCEEDED" | "IMPURE";
  readonly message: string;
  /** From 1. Absent where the problem has no place in the text. */
  readonly line?: number;
  readonly column?: number;
}

export class ProductSourceError extends Error {
  override readonly name = "ProductSourceError";
  readonly problem: ProductProblem;

  constructor(problem: ProductProblem) {
    super(problem.line === undefined ? problem.message : `${problem.line}:${problem.column}: ${problem.message}`);
    this.problem = problem;
  }
}

const PLACE = new RegExp(`\\b${PRODUCT_FILE.replace(".", "\\.")}:(\\d+)(?::(\\d+))?`);

/** The first place in the product's own text that the fault's stack names. */
export function toProblem({ name, message, stack = "" }: GuestFault): ProductProblem {
  const [, line, column] = PLACE.exec(stack) ?? [];
  const said = `${name}: ${message}`;
  const place = line === undefined ? {} : { line: +line, column: +(column ?? 1) };
  return { code: "SOURCE_FAULTY", message: remedyFor(said), ...place };
}

function remedyFor(said: string): string {
  if (/not found in module|could not find export/i.test(said)) return `${said}. See docs/products.md for what there is`;
  if (/is not defined$/.test(said))
    return `${said}. Products have no clock, no randomness, no IO: see docs/products.md`;
  if (/^SyntaxError/.test(said)) return `${said}. Upload JavaScript, one module; strip types first`;
  return said;
}
