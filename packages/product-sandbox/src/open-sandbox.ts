import { hookKinds, type HookKind, type Product } from "@florin/kernel";
import { defaultLimits, processBudgetClock, type BudgetClock, type SandboxLimits } from "./budget.js";
import { SandboxEngine } from "./engine.js";
import { SandboxLimitError } from "./guest.js";
import { ProductSourceError, type ProductProblem } from "./product-problem.js";
import { probesOf } from "./purity-probe.js";
import { toUploadedProduct, UploadedSource, type GuestMaker, type UploadedProduct } from "./uploaded-product.js";

/**
 * Runs uploaded product code (ledger.md §2.8, §2.9) behind the kernel's own `Product`.
 *
 *     source ──► validateProduct ──► its terms and hooks, or what is wrong and where
 *     source ──► loadProduct ──► Product ──► hook.run(data)
 *                                              │ what the hook declared, as text
 *                                     QuickJS (WebAssembly): the kernel's modules, frozen, and the product's
 *                                              │ the answer, as text
 *                                            read strictly, by kind of hook
 *
 * Cost: a prePosting call some tens of microseconds, and no thread or promise. Bounds: CPU time, memory, stack, length of source and
 * answer (HOOK-5); exceeding one fails that execution and nothing else. docs/products.md says what a product may write.
 */
export interface ProductSandbox {
  /** Throws ProductSourceError. Does not look for impurity: what is loaded was validated when it was uploaded. */
  loadProduct(source: string): UploadedProduct;
  validateProduct(source: string): ProductValidation;
  /** Resolves when instances that products broke have been replaced. */
  settled(): Promise<void>;
}

export type ProductValidation =
  | { readonly kind: "valid"; readonly terms: Omit<Product, "hooks">; readonly hooks: readonly HookKind[] }
  | { readonly kind: "invalid"; readonly problem: ProductProblem };

export interface SandboxOptions {
  readonly limits?: Partial<SandboxLimits>;
  readonly clock?: BudgetClock;
}

/** Compiles the interpreter and reads the kernel's modules: once for each process. */
export async function openProductSandbox({
  limits = {},
  clock = processBudgetClock,
}: SandboxOptions = {}): Promise<ProductSandbox> {
  const engine = await SandboxEngine.open();
  const make: GuestMaker = { engine, limits: { ...defaultLimits, ...limits }, clock };
  return {
    loadProduct: (source) => toUploadedProduct(source, new UploadedSource(source, make)),
    validateProduct: (source) => validate(source, make),
    settled: () => engine.refilled(),
  };
}

function validate(source: string, make: GuestMaker): ProductValidation {
  const uploaded = new UploadedSource(source, make);
  try {
    const { hooks, sourceDigest: _digest, dispose: _dispose, ...terms } = toUploadedProduct(source, uploaded);
    const product: Product = { ...terms, hooks };
    const impure = findImpureHook(product, source, make);
    if (impure !== undefined)
      return {
        kind: "invalid",
        problem: {
          code: "IMPURE",
          message: `${impure} answered the same occasion in two ways; keep nothing between calls (HOOK-4)`,
        },
      };
    return { kind: "valid", terms, hooks: hookKinds.filter((kind) => hooks?.[kind] !== undefined) };
  } catch (fault) {
    if (fault instanceof ProductSourceError) return { kind: "invalid", problem: fault.problem };
    if (fault instanceof SandboxLimitError)
      return { kind: "invalid", problem: { code: "LIMIT_EXCEEDED", message: fault.message } };
    throw fault;
  } finally {
    uploaded.dispose();
  }
}

/** Every probe twice in one guest, then in a second one from last to first: an answer may depend on neither count nor order. */
function findImpureHook(product: Product, source: string, make: GuestMaker): HookKind | undefined {
  const probes = probesOf(product);
  const forwards = new UploadedSource(source, make);
  const backwards = new UploadedSource(source, make);
  try {
    const answers = probes.map(({ kind, text }) => forwards.callUnwatched(kind, text));
    const again = probes.map(({ kind, text }) => forwards.callUnwatched(kind, text));
    const reversed = [...probes]
      .reverse()
      .map(({ kind, text }) => backwards.callUnwatched(kind, text))
      .reverse();
    return probes.find((_, place) => answers[place] !== again[place] || answers[place] !== reversed[place])?.kind;
  } finally {
    forwards.dispose();
    backwards.dispose();
  }
}
