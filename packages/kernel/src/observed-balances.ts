import { accountNets, coordinateKey, netOf, NO_TOTALS, type AccountNets } from "./balance.js";
import type { BalanceFilter } from "./data-requirement.js";
import type { HookAccount } from "./hook.js";
import { COMMERCIAL_BANK_MONEY, DEFAULT_ADDRESS, type Phase } from "./instruction.js";
import type { Amount } from "./money.js";
import type { BalanceSnapshot } from "./observation.js";

const PHASES: readonly Phase[] = ["COMMITTED", "PENDING_IN", "PENDING_OUT"];

/** An observation as a hook reads it: only at the addresses and phases that were declared (FET-1, FET-5); others throw. */
export class ObservedBalances {
  readonly #snapshot: BalanceSnapshot;
  readonly #account: HookAccount;
  readonly #addresses: readonly string[];
  readonly #phases: readonly Phase[];

  constructor(snapshot: BalanceSnapshot, filter: BalanceFilter, account: HookAccount) {
    this.#snapshot = snapshot;
    this.#account = account;
    this.#addresses = filter.addresses ?? [DEFAULT_ADDRESS];
    this.#phases = filter.phases ?? PHASES;
  }

  /** In the account's own sense: what it holds, or for an asset what is owed. Zero where nothing was ever posted. */
  net(address: string = DEFAULT_ADDRESS, phase: Phase = "COMMITTED", asset: string = COMMERCIAL_BANK_MONEY): Amount {
    this.#assertDeclared(address, phase);
    const { denomination, tside } = this.#account;
    return netOf(this.#snapshot[coordinateKey({ address, asset, denomination, phase })] ?? NO_TOTALS, tside);
  }

  /** At DEFAULT, with what is available (PI-2). */
  nets(): AccountNets {
    for (const phase of PHASES) this.#assertDeclared(DEFAULT_ADDRESS, phase);
    return accountNets((key) => this.#snapshot[key], this.#account.denomination, this.#account.tside);
  }

  #assertDeclared(address: string, phase: Phase): void {
    if (!this.#addresses.includes(address) || !this.#phases.includes(phase))
      throw new Error(`UNDECLARED_READ: ${address} ${phase} is not among what this observation asked for`);
  }
}
