import { transform } from "@swc/core";
import { readFile } from "node:fs/promises";

const products = new URL("../../kernel/src/products/", import.meta.url);

/**
 * The source of a built-in product as somebody would upload it: without types, importing from the kernel by name, and with the one
 * product as its default export.
 */
export async function builtInSource(file: string, product: string): Promise<string> {
  const text = await readFile(new URL(file, products), "utf8");
  const { code } = await transform(text, {
    jsc: { target: "es2022", parser: { syntax: "typescript" } },
    module: { type: "nodenext" },
  });
  return `${code.replace(/from "\.\.\/[a-z-]+\.js"/g, 'from "@florin/kernel"')}\nexport default ${product};\n`;
}

export const builtIns = [
  { file: "wallet.ts", product: "wallet" },
  { file: "current-account.ts", product: "currentAccountV1" },
  { file: "current-account.ts", product: "currentAccount" },
  { file: "savings-account.ts", product: "savingsAccount" },
  { file: "credit-card.ts", product: "creditCard" },
  { file: "term-deposit.ts", product: "termDeposit" },
  { file: "personal-loan.ts", product: "personalLoan" },
] as const;
