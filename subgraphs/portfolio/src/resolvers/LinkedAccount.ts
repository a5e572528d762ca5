import { assertInput } from "@florin/kernel";
import type { PortfolioContext } from "../context.js";
import { toHoldingSource } from "./holding-source.js";
import { toLiabilitySource } from "./liability-source.js";

interface Reference {
  readonly id: string;
}

const MAX_VERSIONS = 50;
const DEFAULT_VERSIONS = 10;

/**
 * What portfolio adds to accounts' LinkedAccount. An account that it has not heard of yet has nothing here, and neither has somebody
 * else's: accounts says NOT_FOUND of those.
 */
export const LinkedAccount = {
  __resolveReference: ({ id }: Reference) => ({ id }),
  liability: async ({ id }: Reference, _args: unknown, { readers }: PortfolioContext) => {
    const account = await readers.findLinkedAccount(id);
    const [row] = account === undefined ? [] : await readers.listLiabilitiesOf(account);
    return account === undefined || row === undefined ? null : toLiabilitySource(row.content, row, account.isOwner);
  },
  liabilityHistory: async (
    { id }: Reference,
    { first }: { readonly first?: number | null },
    { readers }: PortfolioContext,
  ) => {
    const count = first ?? DEFAULT_VERSIONS;
    if (count < 1 || count > MAX_VERSIONS)
      assertInput([{ path: "first", code: "PAGE_SIZE", message: `Ask for 1 to ${MAX_VERSIONS} at once.` }]);
    const account = await readers.findLinkedAccount(id);
    if (account === undefined) return [];
    const rows = await readers.listLiabilityHistoryOf(account);
    return rows.slice(0, count).map(({ capturedAt, content }) => ({
      capturedAt,
      liability: content === null ? null : toLiabilitySource(content, account, account.isOwner),
    }));
  },
  holdings: async ({ id }: Reference, _args: unknown, { readers }: PortfolioContext) => {
    const account = await readers.findLinkedAccount(id);
    const rows = account === undefined ? undefined : await readers.findHoldingsOf(account);
    return rows?.map(toHoldingSource) ?? null;
  },
};
