import fc from "fast-check";
import type { Transaction } from "plaid";
import { appendToLog, currentTransactions, readSyncPage } from "../src/change-log.js";
import { SimulatorClock } from "../src/clock.js";
import { findInstitution } from "../src/institutions.js";
import { createItem } from "../src/item-lifecycle.js";
import { PlaidRefusal } from "../src/plaid-error.js";
import { buildTransaction } from "../src/seed-users/build-transaction.js";
import { userBig } from "../src/seed-users/big.js";
import type { Wire } from "../src/wire.js";
import { SimulatorWorld, type SimItem } from "../src/world.js";

type Held = Map<string, Wire<Transaction>>;

function newItem(): { world: SimulatorWorld; item: SimItem } {
  const settings = {
    seed: "log",
    clientId: "c",
    secret: "s",
    environment: "sandbox",
    notReadyCalls: 0,
    initialPullMs: 0,
    historicalPullMs: 0,
  } as const;
  const clock = new SimulatorClock({ mode: "virtual" });
  const nobody = { sendWebhook: () => undefined, findVerificationKey: () => undefined };
  const world = new SimulatorWorld(settings, { clock, ...nobody });
  const item = createItem(world, {
    institution: findInstitution("ins_109508")!,
    user: userBig,
    products: ["transactions"],
    webhook: null,
    daysRequested: 90,
    clientUserId: null,
  });
  return { world, item };
}

/** A client that does what Plaid's documentation says: it keeps a run's pages apart until the run is whole. */
class CorrectClient {
  readonly held: Held = new Map();
  #cursor = "";
  #run: { cursor: string; pages: ReturnType<typeof readSyncPage>[] } | undefined;

  constructor(
    readonly world: SimulatorWorld,
    readonly item: SimItem,
    readonly accountId: string | undefined,
  ) {}

  /** One page. @returns false when the run is whole */
  read(count: number): boolean {
    const run = (this.#run ??= { cursor: this.#cursor, pages: [] });
    let page: ReturnType<typeof readSyncPage>;
    try {
      page = readSyncPage(this.world, this.item, { cursor: run.cursor, count, accountId: this.accountId });
    } catch (refusal) {
      const code = refusal instanceof PlaidRefusal ? refusal.body.error_code : undefined;
      if (code !== "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION") throw refusal;
      this.#run = undefined;
      return true;
    }
    run.pages.push(page);
    run.cursor = page.nextCursor;
    if (page.hasMore) return true;
    this.#apply(run.pages);
    this.#cursor = run.cursor;
    this.#run = undefined;
    return false;
  }

  #apply(pages: readonly ReturnType<typeof readSyncPage>[]): void {
    for (const { added, modified, removed } of pages) {
      for (const it of added) expect(this.held.has(it.transaction_id)).toBe(false);
      for (const it of [...modified, ...removed]) expect(this.held.has(it.transaction_id)).toBe(true);
      for (const it of [...added, ...modified]) this.held.set(it.transaction_id, it);
      for (const it of removed) this.held.delete(it.transaction_id);
    }
  }
}

const change = fc.oneof(
  fc.record({ kind: fc.constant("add"), account: fc.nat(2), many: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("modify"), which: fc.nat() }),
  fc.record({ kind: fc.constant("remove"), which: fc.nat() }),
  fc.record({ kind: fc.constant("read"), count: fc.integer({ min: 1, max: 3 }) }),
);

it("a correct client ends with the truth, whatever changes between its pages, on the whole and on one account's stream", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), fc.boolean(), (steps, isOfOneAccount) => {
      const { world, item } = newItem();
      const accounts = item.accounts.map((it) => it.base.account_id);
      const client = new CorrectClient(world, item, isOfOneAccount ? accounts[0] : undefined);
      for (const step of steps) {
        const current = currentTransactions(item);
        if ("count" in step) client.read(step.count);
        else if ("many" in step) {
          const made = Array.from({ length: step.many }, () => newTransaction(world, accounts[step.account]!));
          appendToLog(world, item, made.map((transaction) => ({ kind: "added", transaction }))); // prettier-ignore
        } else if (current.length > 0) {
          const old = current[step.which % current.length]!;
          appendToLog(world, item, [
            step.kind === "modify"
              ? { kind: "modified", transaction: { ...old, amount: old.amount + 1 } }
              : { kind: "removed", transactionId: old.transaction_id, accountId: old.account_id },
          ]);
        }
      }
      for (let left = 500; client.read(2); left -= 1) expect(left).toBeGreaterThan(0);
      const truth = currentTransactions(item).filter((it) => !isOfOneAccount || it.account_id === accounts[0]);
      expect([...client.held.values()].sort(byId)).toEqual(truth.sort(byId));
    }),
    { numRuns: 150 },
  );
});

function newTransaction(world: SimulatorWorld, accountId: string): Wire<Transaction> {
  return buildTransaction({
    transactionId: world.ids.next("transaction"),
    accountId,
    date: "2026-01-01",
    amount: 1,
    name: "x",
    category: null,
  });
}

function byId(a: Wire<Transaction>, b: Wire<Transaction>): number {
  return a.transaction_id < b.transaction_id ? -1 : 1;
}
