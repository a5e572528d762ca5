import { connectDatabase, type Transaction } from "@florin/db";
import { randomIds } from "@florin/resilience";
import { createSeededRandom } from "../../chaos/seeded-random.js";
import { connectAdmin } from "./bench-book.js";
import { runClosedLoop, type LoopResult } from "./closed-loop.js";

/**
 * What one would write first: a transaction per transfer, eight statements between BEGIN and COMMIT, each awaited. Idempotency key, row
 * locks in order, two postings, two balances, outbox; no statuses, restrictions, guards, hooks, clocks or audit. The same driver, prepared
 * statements, a database of its own on the same cluster.
 */
export interface SingleTransactions {
  run(seconds: number): Promise<LoopResult>;
  findFaults(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

const CALLERS = 16;
const FUNDS = "100000000.00";

export async function prepareSingleTransactions(
  url: string,
  options: { readonly accounts: number; readonly seed: number },
): Promise<SingleTransactions> {
  const admin = connectAdmin(url);
  await admin.sql.unsafe(`
    create table operation (operation_id uuid primary key, idempotency_key text not null unique, amount numeric not null,
      completed_at timestamptz not null default now());
    create table balance (account integer primary key, amount numeric not null check (amount >= 0), account_seq bigint not null)
      with (fillfactor = 50);
    create table posting (account integer not null references balance, account_seq bigint not null, operation_id uuid not null
      references operation, side text not null, amount numeric not null, after numeric not null, primary key (account, account_seq));
    create table outbox (event_id uuid primary key, operation_id uuid not null, payload jsonb not null);
    insert into balance select n, ${FUNDS}, 0 from generate_series(0, ${options.accounts - 1}) n;
    analyze;`);
  const database = connectDatabase({ url, applicationName: "florin-bench-single", maxConnections: CALLERS });
  const random = createSeededRandom(options.seed);
  let completed = 0;
  return {
    run: async (seconds) => {
      const result = await runClosedLoop({ callers: CALLERS, seconds }, async () => {
        const from = random.below(options.accounts);
        const to = (from + 1 + random.below(options.accounts - 1)) % options.accounts;
        const cents = String(1 + random.below(999));
        await database.transaction((tx) => transfer(tx, from, to, `0.${cents.padStart(3, "0")}`));
      });
      completed += result.answers;
      return result;
    },
    findFaults: async () => {
      const [sums] = await admin.sql<{ isRight: boolean; operations: number }[]>`
        select (select count(*)::int from operation) as operations,
          (select sum(amount) from balance) = ${FUNDS}::numeric * ${options.accounts}::int
          and not exists (select from posting group by operation_id
            having sum(case side when 'DEBIT' then amount else -amount end) <> 0) as "isRight"`;
      const isRight = sums?.isRight === true && sums.operations === completed;
      return isRight ? [] : [`single transactions: ${completed} answered, ${JSON.stringify(sums)}`];
    },
    stop: async () => {
      await database.stop();
      await admin.stop();
    },
  };
}

async function transfer(tx: Transaction, from: number, to: number, amount: string): Promise<void> {
  const operationId = randomIds.next();
  const known = await tx`select operation_id from operation where idempotency_key = ${operationId}`;
  if (known.length > 0) throw new Error("a fresh key is taken");
  const locked = await tx<{ account: number; amount: string; seq: bigint }[]>`
    select account, amount::text as amount, account_seq as seq from balance
    where account = any(${[from, to]}::integer[]) order by account for update`;
  const debtor = locked.find(({ account }) => account === from);
  const creditor = locked.find(({ account }) => account === to);
  if (debtor === undefined || creditor === undefined) throw new Error("an account is missing");
  await tx`insert into operation (operation_id, idempotency_key, amount) values (${operationId}, ${operationId}, ${amount})`;
  await tx`insert into posting values (${from}, ${debtor.seq + 1n}, ${operationId}, 'DEBIT', ${amount}, ${debtor.amount}::numeric - ${amount}::numeric)`;
  await tx`insert into posting values (${to}, ${creditor.seq + 1n}, ${operationId}, 'CREDIT', ${amount}, ${creditor.amount}::numeric + ${amount}::numeric)`;
  await tx`update balance set amount = amount - ${amount}::numeric, account_seq = account_seq + 1 where account = ${from}`;
  await tx`update balance set amount = amount + ${amount}::numeric, account_seq = account_seq + 1 where account = ${to}`;
  await tx`insert into outbox values (${randomIds.next()}, ${operationId}, ${tx.json({ from, to, amount })})`;
}
