import { randomIds, systemClock } from "@florin/resilience";
import { createAccountsArea, type AccountsArea, type AccountsAreaOptions } from "@florin/subgraph-accounts";
import { createPlatformSealer, ISSUER, snapshotKeyOf, type AreaFoundations } from "./area-foundations.js";
import type { PlaidTools } from "./plaid-tools.js";
import { deriveSecret } from "./secrets.js";

export function composeAccounts(
  foundations: AreaFoundations,
  own: Pick<AccountsAreaOptions, "verifyServiceToken" | "replicaUrl"> & {
    /** undefined: nobody can link accounts here. */
    readonly plaid: PlaidTools | undefined;
  },
): Promise<AccountsArea> {
  const { masterKey, isDemo, ...shared } = foundations;
  const { plaid, ...rest } = own;
  return createAccountsArea({
    ...shared,
    ...rest,
    linked: plaid && {
      openPlaid: plaid.openPlaid,
      vault: plaid.vault,
      policy: plaid.policy,
      obtainDemoToken: plaid.obtainDemoToken,
      snapshotKey: snapshotKeyOf(masterKey),
    },
    clock: systemClock,
    ids: randomIds,
    sealer: createPlatformSealer(masterKey),
    masterKey: deriveSecret(masterKey, "accounts"),
    issuer: ISSUER,
    demo: isDemo,
  });
}
