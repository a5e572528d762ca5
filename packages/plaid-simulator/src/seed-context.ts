import type { SeedContext } from "./seed-users/seed-user.js";
import type { SimItem, SimulatorWorld } from "./world.js";

/** What a seed user needs to write data for one Item. An account that has gone keeps the id it had. */
export function seedContext(world: SimulatorWorld, item: Pick<SimItem, "itemId" | "transactions">): SeedContext {
  return {
    today: world.today(),
    daysRequested: item.transactions.daysRequested,
    accountId: (key) => accountIdOf(world, item.itemId, key),
    nextTransactionId: () => world.ids.next("transaction"),
    nextInvestmentTransactionId: () => world.ids.next("investment-transaction"),
    securityId: (key) => world.ids.of(`security/${key}`),
  };
}

/** Every Item has ids of its own for the same account. */
export function accountIdOf(world: SimulatorWorld, itemId: string, key: string): string {
  return world.ids.of(`account/${itemId}/${key}`);
}
