import { connectDatabase, fingerprintOf, operationIdOf, type Database } from "@florin/db";
import { ensureProducts } from "@florin/db/ledger";
import {
  parseDecimal,
  productLibrary,
  type Amount,
  type CurrencyCode,
  type Instant,
  type Json,
  type Money,
  type Uuid,
} from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { checkBooks, createTestDatabase } from "@florin/testkit";
import type {
  AccountReference,
  LedgerWriter,
  OpenAccountCommand,
  PostingCommand,
  ProposedInstruction,
  WriterOutcome,
} from "../src/writer/command.js";
import { createLedgerWriter, type LedgerWriterOptions } from "../src/writer/ledger-writer.js";

/** Short, so that tests of a change of hands are too. */
export const TEST_LEASE_MS = 600;
export const PRINCIPAL = "usr_tester";
export const usd = (amount: string): Money => ({
  amount: parseDecimal(amount, 7) as Amount,
  currency: "USD" as CurrencyCode,
});
const CASH_IN: AccountReference = { internalCode: "CASH_IN" };
const CASH_OUT: AccountReference = { internalCode: "CASH_OUT" };

/** A book on a database of its own, with a writer, and everything that must be stopped. */
export interface TestBook {
  readonly url: string;
  /** As the superuser: looks past roles, for assertions and for faults. */
  readonly admin: Database;
  readonly writer: LedgerWriter;
  /** Another process on the same book. */
  startWriter(options?: Partial<LedgerWriterOptions> & { readonly url?: string }): {
    readonly writer: LedgerWriter;
    readonly database: Database;
  };
  /** As if its process had died: its connections are gone for good, and the lease is not given back. */
  crash(writer: LedgerWriter): Promise<void>;
  openWallet(): Promise<Uuid>;
  fundedWallet(amount: string): Promise<Uuid>;
  /** Available at DEFAULT as text: credits minus debits of a liability account. */
  balanceOf(accountId: Uuid): Promise<string>;
  /** Rules that the books break; asserts nothing itself. */
  findings(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function openTestBook(options: Partial<LedgerWriterOptions> = {}): Promise<TestBook> {
  const testDatabase = await createTestDatabase();
  const { url } = testDatabase;
  const admin = connectDatabase({ url, applicationName: "florin-test-admin", maxConnections: 2 });
  const started: { writer: LedgerWriter; database: Database }[] = [];
  function startWriter({ url: own = url, ...more }: Partial<LedgerWriterOptions> & { readonly url?: string } = {}) {
    const database = connectDatabase({
      url: own,
      area: "ledger",
      applicationName: "florin-test-ledger",
      maxConnections: 4,
      idleInTransactionMs: more.leaseMs ?? TEST_LEASE_MS,
      plans: "probes",
    });
    const writer = createLedgerWriter({
      database,
      clock: systemClock,
      ids: randomIds,
      products: productLibrary,
      logger: createLogger({ name: "test", level: "silent" }),
      metrics: createMetrics({ processMetrics: false }),
      holder: `test-${started.length}`,
      leaseMs: TEST_LEASE_MS,
      ...more,
    });
    started.push({ writer, database });
    return { writer, database };
  }
  const seeder = connectDatabase({ url, area: "ledger", applicationName: "florin-test-seed", maxConnections: 1 });
  await ensureProducts(seeder, productLibrary, randomIds, systemClock);
  await seeder.stop();
  const { writer } = startWriter(options);

  const openWallet = async () => {
    const command = openCommand({});
    await expectOpened(writer.submit(command));
    return command.accountId;
  };
  return {
    url,
    admin,
    writer,
    startWriter,
    crash: async (doomed) => {
      await started.find(({ writer }) => writer === doomed)?.database.stop();
    },
    openWallet,
    fundedWallet: async (amount) => {
      const accountId = await openWallet();
      await expectCompleted(writer.submit(deposit(accountId, amount)));
      return accountId;
    },
    balanceOf: async (accountId) => {
      const rows = await admin.sql<{ net: string }[]>`
        select coalesce(sum(total_credit - total_debit), 0)::numeric(38, 2)::text as net
        from ledger.balance where account_id = ${accountId}`;
      return rows[0]!.net;
    },
    findings: () => checkBooks(url, { areas: ["ledger"] }),
    stop: async () => {
      for (const { writer, database } of started) {
        await writer.stop(5_000);
        await database.stop();
      }
      await admin.stop();
      await testDatabase.drop();
    },
  };
}

let keys = 0;

export function posting(
  instructions: readonly ProposedInstruction[],
  more: Partial<PostingCommand> = {},
): PostingCommand {
  const principal = more.principal ?? PRINCIPAL;
  const idempotencyKey = more.idempotencyKey ?? `key-${++keys}`;
  return {
    kind: "posting",
    type: "OTHER",
    commandId: operationIdOf(principal, idempotencyKey),
    fingerprint: fingerprintOf({ instructions: instructions.map((one) => describeInstruction(one)) }),
    correlationId: `test-${keys}`,
    createdAt: systemClock.now(),
    instructions,
    ...more,
    principal,
    idempotencyKey,
  };
}

function describeInstruction(instruction: ProposedInstruction): Json {
  const text = JSON.stringify(instruction, (_name, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
  return JSON.parse(text) as Json;
}

export function deposit(accountId: Uuid, amount: string, more: Partial<PostingCommand> = {}): PostingCommand {
  const instruction: ProposedInstruction = {
    type: "INBOUND_HARD_SETTLEMENT",
    target: { accountId },
    counterparty: CASH_IN,
    money: usd(amount),
  };
  return posting([instruction], { type: "DEPOSIT", account: accountId, amount: usd(amount), ...more });
}

export function withdrawal(accountId: Uuid, amount: string, more: Partial<PostingCommand> = {}): PostingCommand {
  const instruction: ProposedInstruction = {
    type: "OUTBOUND_HARD_SETTLEMENT",
    target: { accountId },
    counterparty: CASH_OUT,
    money: usd(amount),
  };
  return posting([instruction], { type: "WITHDRAWAL", account: accountId, amount: usd(amount), ...more });
}

export function transfer(from: Uuid, to: Uuid, amount: string, more: Partial<PostingCommand> = {}): PostingCommand {
  const instruction: ProposedInstruction = {
    type: "TRANSFER",
    target: { accountId: from },
    counterparty: { accountId: to },
    money: usd(amount),
  };
  return posting([instruction], { type: "BOOK_TRANSFER", account: from, amount: usd(amount), ...more });
}

export function openCommand(more: Partial<OpenAccountCommand>): OpenAccountCommand {
  const commandId = randomIds.next();
  return {
    kind: "account.open",
    commandId,
    principal: "svc:accounts",
    idempotencyKey: commandId,
    fingerprint: "open",
    correlationId: "test-open",
    createdAt: systemClock.now(),
    accountId: randomIds.next(),
    owners: [PRINCIPAL],
    product: "wallet",
    currency: "USD",
    parameters: {},
    ...more,
  };
}

export async function expectOpened(outcome: Promise<WriterOutcome>): Promise<void> {
  expect(await outcome).toMatchObject({ kind: "account", rejection: undefined });
}

export async function expectCompleted(outcome: Promise<WriterOutcome>): Promise<void> {
  expect(await outcome).toMatchObject({ kind: "operation", operation: { status: "COMPLETED" } });
}

export async function expectRejected(outcome: Promise<WriterOutcome>, code: string): Promise<void> {
  expect(await outcome).toMatchObject({ kind: "operation", operation: { status: "REJECTED", rejection: { code } } });
}

/** Later than any real one: for bounds of value time. */
export const inAnHour = (): Instant => (systemClock.now() + 3_600_000_000n) as Instant;
