import type { PortfolioContext } from "../../context.js";
import { toLiabilitySource } from "../liability-source.js";

export async function liabilities(
  _parent: unknown,
  args: { readonly virtualAccountId?: string | null },
  { readers }: PortfolioContext,
) {
  const { userId, isOwner } = readers.openPortfolio(args.virtualAccountId ?? undefined);
  const rows = await readers.listLiabilities(userId);
  const ofKind = (kind: string) =>
    rows.filter((row) => row.kind === kind).map((row) => toLiabilitySource(row.content, row, isOwner));
  return {
    credit: ofKind("CREDIT"),
    mortgage: ofKind("MORTGAGE"),
    student: ofKind("STUDENT"),
    loan: ofKind("LOAN"),
    lineOfCredit: ofKind("LINE_OF_CREDIT"),
  };
}
