import type { AccountBase } from "plaid";
import type { Wire } from "../wire.js";
import type { SeedAccount } from "./seed-user.js";

export interface AccountSketch {
  readonly key: string;
  readonly name: string;
  readonly officialName?: string | null;
  readonly mask: string | null;
  readonly type: Wire<AccountBase>["type"];
  readonly subtype: Wire<AccountBase>["subtype"];
  readonly available: number | null;
  readonly current: number | null;
  readonly limit?: number | null;
  readonly currency?: string;
  readonly holder?: Wire<AccountBase>["holder_category"];
}

/** An account of a seed user, with the members that are the same for all of them. */
export function buildAccount(sketch: AccountSketch): SeedAccount {
  return {
    key: sketch.key,
    base: {
      balances: {
        available: sketch.available,
        current: sketch.current,
        iso_currency_code: sketch.currency ?? "USD",
        limit: sketch.limit ?? null,
        unofficial_currency_code: null,
      },
      holder_category: sketch.holder ?? "personal",
      mask: sketch.mask,
      name: sketch.name,
      official_name: sketch.officialName ?? null,
      subtype: sketch.subtype,
      type: sketch.type,
    },
  };
}
