import {
  asUuid,
  instantFromMicros,
  runHook,
  type HookData,
  type HookKind,
  type HookOutcome,
  type Json,
} from "@florin/kernel";
import { openProductSandbox, type ProductSandbox, type SandboxOptions, type UploadedProduct } from "../src/index.js";

/** Machines that test are slow and shared: budgets that only a loop without end uses up, unless a test says otherwise. */
export function openPatientSandbox(options: SandboxOptions = {}): Promise<ProductSandbox> {
  return openProductSandbox({ ...options, limits: { loadMillis: 5_000, ...options.limits } });
}

const parameters = `{ fee: { description: "A fee.", kind: "AMOUNT_NOT_NEGATIVE", defaultValue: "2" } }`;

/** A product whose hooks are these lines, and whose module begins with that. */
export function sourceOf(hooks: string, top = ""): string {
  return `import { ${imported.join(", ")} } from "@florin/kernel";
${top}
export default defineProduct({
  code: "uploaded", name: "Uploaded", version: "1", tside: "LIABILITY", parameters: ${parameters},
  hooks: (on) => ({
    ${hooks}
  }),
});`;
}
const imported = ["defineProduct", "refuse", "round", "objectToSpendableBelow", "formatMinor", "formatInstant", "ZERO"];

/** A postPosting of this body; the answer is a notification with whatever the body returns as its details. */
export function telling(body: string, reads = "{}", top = ""): string {
  return sourceOf(
    `postPosting: on.postPosting(${reads}, (input) => ({
      notifications: [{ type: "told", details: (() => { ${body} })() ?? null }],
    })),`,
    top,
  );
}

export const me = {
  accountId: "00000000-0000-7000-8000-000000000001",
  denomination: "USD",
  tside: "LIABILITY",
  openedAt: 1_000n,
} as HookData["account"];

export const occasion: HookData<"postPosting"> = {
  account: me,
  effectiveAt: instantFromMicros(1_735_689_600_123_456n),
  parameters: { fee: "2.00", secret: "7" },
  flags: ["VIP", "SECRET"],
  occasion: { instructions: [], batchId: asUuid("00000000-0000-7000-8000-000000000005"), backdated: false },
};

export function post(
  product: UploadedProduct,
  more: Partial<HookData<"postPosting">> = {},
): HookOutcome<"postPosting"> {
  return runHook(product, "postPosting", { ...occasion, ...more });
}

/** What `telling` told. Throws when the hook failed. */
export function told(product: UploadedProduct, more: Partial<HookData<"postPosting">> = {}): Json | undefined {
  const outcome = post(product, more);
  if (outcome.kind !== "answered") throw new Error(JSON.stringify(outcome));
  return outcome.answer.notifications?.[0]?.details;
}

export function run<K extends HookKind>(product: UploadedProduct, kind: K, data: HookData<K>): HookOutcome<K> {
  return runHook(product, kind, data);
}
