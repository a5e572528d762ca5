import fc from "fast-check";
import { asUuid, type Amount } from "@florin/kernel";
import { rollUp, type TrialBalanceAmounts } from "./chart-of-accounts.js";

const chart = [
  { code: "ASSETS", parentCode: null, name: "Assets" },
  { code: "LIABILITIES", parentCode: null, name: "Liabilities" },
  { code: "CASH", parentCode: "ASSETS", name: "Cash" },
  { code: "CASH_IN", parentCode: "CASH", name: "Cash in" },
  { code: "CUSTOMER_DEPOSITS", parentCode: "LIABILITIES", name: "Held for customers" },
];
const ACCOUNT = asUuid("01900000-0000-7000-8000-000000000001");
const row = (
  code: string,
  debit: number,
  credit: number,
  more: Partial<TrialBalanceAmounts> = {},
): TrialBalanceAmounts => ({
  accountId: ACCOUNT,
  code,
  tside: "ASSET",
  asset: "COMMERCIAL_BANK_MONEY",
  denomination: "USD",
  phase: "COMMITTED",
  debit: BigInt(debit) as Amount,
  credit: BigInt(credit) as Amount,
  ...more,
});

test("each node carries what lies below it, in the order of the tree; what the chart does not name stands by its side", () => {
  const nodes = rollUp(
    [
      row("CASH_IN", 10, 0),
      row("VAULT", 5, 1),
      row("wallet", 0, 14, { accountId: null, tside: "LIABILITY" }),
      row("CASH_IN", 3, 0, { denomination: "EUR" }),
    ],
    chart,
  );
  expect(
    nodes.map(({ denomination, depth, code, debit, credit }) => [denomination, depth, code, debit, credit]),
  ).toEqual([
    ["EUR", 0, "ASSETS", 3n, 0n],
    ["EUR", 1, "CASH", 3n, 0n],
    ["EUR", 2, "CASH_IN", 3n, 0n],
    ["USD", 0, "ASSETS", 15n, 1n],
    ["USD", 1, "CASH", 10n, 0n],
    ["USD", 2, "CASH_IN", 10n, 0n],
    ["USD", 1, "VAULT", 5n, 1n],
    ["USD", 0, "LIABILITIES", 0n, 14n],
    ["USD", 1, "CUSTOMER_DEPOSITS", 0n, 14n],
    ["USD", 2, "wallet", 0n, 14n],
  ]);
});

test("the roots of a book that balances sum to the same on both sides", () => {
  const movement = fc.tuple(fc.constantFrom("CASH_IN", "VAULT", "CASH"), fc.constantFrom("a", "b"), fc.nat(100));
  fc.assert(
    fc.property(fc.array(movement), (movements) => {
      const rows = movements.flatMap(([internal, product, amount]) => [
        row(internal, amount, 0),
        row(product, 0, amount, { accountId: null, tside: "LIABILITY" }),
      ]);
      const roots = rollUp(rows, chart).filter(({ depth }) => depth === 0);
      const sum = (pick: "debit" | "credit") => roots.reduce((total, node) => total + node[pick], 0n);
      expect([sum("debit"), sum("credit")]).toEqual(
        Array(2).fill(movements.reduce((total, [, , n]) => total + BigInt(n), 0n)),
      );
    }),
  );
});

test("a chart that goes round in a circle is told, not followed", () => {
  const circle = [
    { code: "A", parentCode: "B", name: "A" },
    { code: "B", parentCode: "A", name: "B" },
  ];
  expect(() => rollUp([row("A", 1, 1)], circle)).toThrow("circle");
});
