import { connectDatabase } from "@florin/db";
import type { Instant, Uuid } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { COMMIT_COMPLETE, eventually, startTcpProxy, type TcpProxy } from "@florin/testkit";
import type { LedgerCommand, LedgerWriter, PostingCommand, WriterOutcome } from "../src/writer/command.js";
import type { LedgerWriterOptions } from "../src/writer/ledger-writer.js";
import { deposit, openCommand, openTestBook, posting, transfer, usd, withdrawal, type TestBook } from "./test-book.js";

// The writer's own dangers: two commits under way, decided in a memory that is ahead of the database, on a connection that may end.

/** So that a wave of commands is several commits, and each is worth sending behind another. */
const MAX_BATCH = 40;
const LEASE_MS = 5_000;

/** The writer asks the time once for each commit that it decides. */
let decided = 0;
const countingClock = {
  now: (): Instant => {
    decided++;
    return systemClock.now();
  },
};
const options: Partial<LedgerWriterOptions> = { maxBatch: MAX_BATCH, leaseMs: LEASE_MS, clock: countingClock };

let book: TestBook;
beforeEach(async () => {
  book = await openTestBook(options);
});
afterEach(async () => {
  expect(await book.findings()).toEqual([]);
  await book.stop();
});

const isCompleted = (outcome: WriterOutcome): boolean =>
  outcome.kind === "operation" && outcome.operation.status === "COMPLETED" && !outcome.isReplay;

const cents = (count: number): string => (count / 100).toFixed(2);

const transfers = (from: Uuid, to: Uuid, count: number): PostingCommand[] =>
  Array.from({ length: count }, () => transfer(from, to, "0.01"));

/**
 * Submits while the head's row is locked, so that the commits stand behind each other; lets go when two are under way.
 * `meanwhile` happens in the transaction that holds the row, just before.
 */
async function withTwoUnderWay(
  writer: LedgerWriter,
  commands: readonly LedgerCommand[],
  meanwhile: string | (() => unknown) = () => undefined,
): Promise<PromiseSettledResult<WriterOutcome>[]> {
  const holder = connectDatabase({ url: book.url, applicationName: "holder", maxConnections: 1 });
  let answers: Promise<PromiseSettledResult<WriterOutcome>[]> = Promise.resolve([]);
  try {
    await holder.transaction(async (tx) => {
      await tx`select 1 from ledger.head for update`;
      const before = decided;
      answers = Promise.allSettled(commands.map((command) => writer.submit(command)));
      await eventually(() => decided - before >= 2, 20_000);
      if (typeof meanwhile === "string") await tx.unsafe(meanwhile);
      else meanwhile();
    });
    return await answers;
  } finally {
    await holder.stop();
  }
}

function outcomesOf(results: readonly PromiseSettledResult<WriterOutcome>[]): WriterOutcome[] {
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

/** A writer behind a proxy, which leads when this resolves. */
async function startBehindProxy(more: Partial<LedgerWriterOptions> = {}) {
  await book.writer.stop(5_000);
  const { hostname, port } = new URL(book.url);
  const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
  const { writer } = book.startWriter({ ...options, ...more, url: proxy.url(book.url) });
  await eventually(() => writer.isLeader(), 20_000);
  const stop = async () => {
    await writer.stop(5_000);
    await book.crash(writer);
    await proxy.stop();
  };
  return { writer, proxy, stop };
}

async function submitUntilKnown(writer: LedgerWriter, command: LedgerCommand): Promise<WriterOutcome> {
  return await eventually(async () => {
    try {
      return await writer.submit(command);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "TEMPORARILY_UNAVAILABLE") return undefined;
      throw error;
    }
  }, 60_000);
}

describe("two commits under way", () => {
  test("the database refuses the first: the second is sent again, the others of the first go through, the bad one is told", async () => {
    const ada = await book.fundedWallet("10.00");
    const bo = await book.openWallet();
    const before = transfers(ada, bo, 10);
    const bad = transfer(ada, bo, "5.00", { details: { memo: "no database text holds \0" } });
    const after = transfers(ada, bo, 2 * MAX_BATCH - 11);
    const results = await withTwoUnderWay(book.writer, [...before, bad, ...after]);
    expect(results[10]).toMatchObject({ status: "rejected", reason: { code: "INTERNAL" } });
    const good = outcomesOf(results.filter((_result, index) => index !== 10));
    expect(good.every(isCompleted)).toBe(true);
    expect(await book.balanceOf(bo)).toBe(cents(good.length));
    expect(isCompleted(await book.writer.submit(transfer(ada, bo, "0.01")))).toBe(true);
  });

  test("the answer to the first COMMIT is lost: both are found or sent again, each once, and told as done", async () => {
    const { writer, proxy, stop } = await startBehindProxy();
    try {
      const ada = await fundedThrough(writer, "10.00");
      const bo = await fundedThrough(writer, "0.01");
      for (let round = 0; round < 3; round++) {
        const cut = { hasFired: false };
        const results = await withTwoUnderWay(writer, transfers(ada, bo, 2 * MAX_BATCH), () => {
          void proxy.cutAfter(COMMIT_COMPLETE, { forward: round === 1 }).fired.then(() => (cut.hasFired = true));
        });
        expect(outcomesOf(results).every(isCompleted)).toBe(true);
        expect(cut.hasFired).toBe(true);
      }
      expect(await book.balanceOf(bo)).toBe(cents(6 * MAX_BATCH + 1));
    } finally {
      await stop();
    }
  });

  test("another process takes the lease: neither is written under the old epoch, and every caller is told what the heir did", async () => {
    const ada = await book.fundedWallet("10.00");
    const bo = await book.openWallet();
    const heir = book.startWriter(options).writer; // its name is test-1
    const theft = `update ledger.head set epoch = epoch + 1, holder = 'test-1', lease_until = clock_timestamp() + interval '5 s'`;
    const results = await withTwoUnderWay(book.writer, transfers(ada, bo, 2 * MAX_BATCH), theft);
    expect(outcomesOf(results).every(isCompleted)).toBe(true);
    expect([book.writer.isLeader(), heir.isLeader()]).toEqual([false, true]);
    expect(await book.balanceOf(bo)).toBe(cents(2 * MAX_BATCH));
  });

  test("the writer is told to stop: it finishes both, and what it could not finish is told as unknown, never as refused", async () => {
    const ada = await book.fundedWallet("10.00");
    const bo = await book.openWallet();
    let stopped: Promise<void> = Promise.resolve();
    const results = await withTwoUnderWay(book.writer, transfers(ada, bo, 3 * MAX_BATCH), () => {
      stopped = book.writer.stop(10_000);
    });
    await stopped;
    const done = results.filter((result) => result.status === "fulfilled");
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
    expect(outcomesOf(done).every(isCompleted)).toBe(true);
    expect(done.length).toBeGreaterThanOrEqual(2 * MAX_BATCH);
    expect(await book.balanceOf(bo)).toBe(cents(done.length));
  });

  async function fundedThrough(writer: LedgerWriter, amount: string): Promise<Uuid> {
    const accountId = await openThrough(writer);
    expect(isCompleted(await writer.submit(deposit(accountId, amount)))).toBe(true);
    return accountId;
  }
});

describe("a row that was changed behind the writer's back", () => {
  test("is not written over: its account stands still until it is put right, and everybody else goes on", async () => {
    const ada = await book.fundedWallet("1.00");
    const bo = await book.fundedWallet("1.00");
    const shift = (by: number) => book.admin.sql`
      update ledger.balance set account_seq = account_seq + ${by} where account_id = ${ada} and phase = 'COMMITTED'`;
    await shift(7);
    const [moved, still] = await Promise.allSettled([
      book.writer.submit(deposit(bo, "1.00")),
      book.writer.submit(deposit(ada, "1.00")),
    ]);
    expect(moved).toMatchObject({ status: "fulfilled", value: { operation: { status: "COMPLETED" } } });
    expect(still).toMatchObject({ status: "rejected", reason: { code: "INTERNAL" } });
    expect([await book.balanceOf(ada), await book.balanceOf(bo)]).toEqual(["1.00", "2.00"]);
    await shift(-7);
    expect(isCompleted(await book.writer.submit(deposit(ada, "1.00")))).toBe(true);
    expect(await book.balanceOf(ada)).toBe("2.00");
  });
});

describe("a memory that is too small for what is under way", () => {
  test("knows every account and every hold that a commit uses, while the one before makes room", async () => {
    await book.writer.stop(5_000);
    const { writer } = book.startWriter({ ...options, memoryLimit: 10 });
    const accounts = await Promise.all(Array.from({ length: 60 }, () => openThrough(writer)));
    const funded = accounts.map((accountId) => deposit(accountId, "100.00"));
    expect((await submitAll(writer, funded)).every(isCompleted)).toBe(true);
    const holds = accounts.map((accountId, index) => authorise(accountId, `hold-${index}`, "10.00"));
    expect((await submitAll(writer, holds)).every(isCompleted)).toBe(true);
    const held = { open: 60 * 10, settled: 0 };
    for (let wave = 0; wave < 6; wave++) {
      const settled = accounts.map((_accountId, index) => settle(`hold-${index}`, "1.00"));
      const moved = accounts.flatMap((from, index) => [
        transfer(from, accounts[(index + wave + 7) % 60]!, "0.01"),
        transfer(from, accounts[(index + 3 * wave + 31) % 60]!, "0.01"),
      ]);
      const opened = Array.from({ length: 5 }, () => openThrough(writer)); // reads more before it decides
      const repeated = submitAll(writer, funded);
      expect(refusals(await submitAll(writer, interleave(settled, moved)))).toEqual([]);
      expect((await repeated).every((one) => one.kind === "operation" && one.isReplay)).toBe(true);
      await Promise.all(opened);
      held.settled += 60;
    }
    const [sums] = await book.admin.sql<{ authorised: string; settled: string; money: string }[]>`
      select sum(authorised)::numeric(38, 2)::text as authorised, sum(settled)::numeric(38, 2)::text as settled,
        (select sum(total_credit - total_debit)::numeric(38, 2)::text from ledger.balance
          where account_id = any(${accounts}::uuid[]) and phase = 'COMMITTED') as money
      from ledger.client_transaction where client_transaction_id like 'hold-%'`;
    expect(sums).toEqual({
      authorised: `${held.open}.00`,
      settled: `${held.settled}.00`,
      money: `${6_000 - held.settled}.00`,
    });
  });
});

describe("random commands under random cuts", () => {
  const seed = Number(process.env["FLORIN_SEED"] ?? 20_261_121);

  test(`3 000 of them (FLORIN_SEED=${seed}): every answer is true, every effect is there once, the books are in order`, async () => {
    const { writer, proxy, stop } = await startBehindProxy({ memoryLimit: 10 });
    try {
      const random = createRandom(seed);
      const accounts = await Promise.all(Array.from({ length: 24 }, () => openThrough(writer)));
      const load = new RandomLoad(accounts, random);
      let faults = 0;
      for (let wave = 0; wave < 20; wave++) {
        const commands = Array.from({ length: 150 }, () => load.next());
        if (wave % 4 !== 0) faults += strikeSoon(proxy, random);
        const answers = commands.map(async (command) => {
          if (random() < 0.1) await writer.enqueue(command).catch(() => undefined); // in doubt: submitted under its key all the same
          load.note(command, await submitUntilKnown(writer, command));
        });
        await Promise.all(answers);
        proxy.heal();
      }
      expect(faults).toBeGreaterThan(10);
      expect(load.contradictions).toEqual([]);
      const stored = await book.admin.sql<{ id: Uuid; status: string }[]>`
        select operation_id as id, status from ledger.operation`;
      expect(new Map(stored.map(({ id, status }) => [id, status]))).toEqual(load.told);
      for (const accountId of accounts)
        expect(await committedOf(accountId)).toBe(cents(load.committed.get(accountId)!));
      await eventually(async () => (await book.admin.sql`select from ledger.command`).length === 0, 20_000);
    } finally {
      await stop();
    }
  }, 180_000);
});

/** Returns 1 for each fault that will come. */
function strikeSoon(proxy: TcpProxy, random: () => number): number {
  if (random() < 0.7) proxy.cutAfter(COMMIT_COMPLETE, { nth: 1 + Math.floor(random() * 3), forward: random() < 0.3 });
  else setImmediate(() => proxy.reset());
  return 1;
}

async function committedOf(accountId: Uuid): Promise<string> {
  const [row] = await book.admin.sql<{ net: string }[]>`
    select coalesce(sum(total_credit - total_debit), 0)::numeric(38, 2)::text as net
    from ledger.balance where account_id = ${accountId} and phase = 'COMMITTED'`;
  return row!.net;
}

/** Makes commands, and says what the book must be when they were answered as they were. Amounts in cents. */
class RandomLoad {
  readonly committed: Map<Uuid, number>;
  /** By operation: what its callers were told. */
  readonly told = new Map<Uuid, string>();
  readonly contradictions: string[] = [];
  readonly #effects = new Map<Uuid, (move: (accountId: Uuid, amount: number) => void) => void>();
  readonly #accounts: readonly Uuid[];
  readonly #random: () => number;
  readonly #made: PostingCommand[] = [];
  readonly #holds: { readonly id: string; readonly accountId: Uuid; readonly amount: number }[] = [];

  constructor(accounts: readonly Uuid[], random: () => number) {
    this.#accounts = accounts;
    this.#random = random;
    this.committed = new Map(accounts.map((accountId) => [accountId, 0]));
  }

  next(): PostingCommand {
    const command = this.#choose();
    this.#made.push(command);
    return command;
  }

  note(command: PostingCommand, outcome: WriterOutcome): void {
    const { commandId } = command;
    if (outcome.kind !== "operation") {
      this.contradictions.push(`${commandId}: ${outcome.kind}`);
      return;
    }
    const { status } = outcome.operation;
    const before = this.told.get(commandId);
    if (before !== undefined && before !== status) this.contradictions.push(`${commandId}: ${before}, then ${status}`);
    this.told.set(commandId, status);
    if (before !== undefined || status !== "COMPLETED") return;
    this.#effects.get(commandId)?.((accountId, amount) =>
      this.committed.set(accountId, this.committed.get(accountId)! + amount),
    );
  }

  #choose(): PostingCommand {
    const dice = this.#random();
    const amount = 1 + this.#below(2_000);
    const from = this.#accounts[this.#below(this.#accounts.length)]!;
    const to = this.#accounts[this.#below(this.#accounts.length)]!;
    if (dice < 0.1 && this.#made.length > 0) return this.#made[this.#below(this.#made.length)]!;
    if (dice < 0.3) return this.#with(deposit(from, cents(amount)), (move) => move(from, amount));
    if (dice < 0.4) return this.#with(withdrawal(from, cents(amount)), (move) => move(from, -amount));
    if (dice < 0.55) return this.#authorise(from, amount);
    if (dice < 0.7 && this.#holds.length > 0) return this.#followUp();
    return this.#with(transfer(from, from === to ? this.#other(from) : to, cents(amount)), (move) => {
      move(from, -amount);
      move(from === to ? this.#other(from) : to, amount);
    });
  }

  #authorise(accountId: Uuid, amount: number): PostingCommand {
    const id = `random-${this.#holds.length}`;
    this.#holds.push({ id, accountId, amount });
    return authorise(accountId, id, cents(amount));
  }

  /** Of any hold, also one that was refused, is closed, or has not been answered. */
  #followUp(): PostingCommand {
    const { id, accountId, amount } = this.#holds[this.#below(this.#holds.length)]!;
    if (this.#random() < 0.3) return posting([{ type: "RELEASE", clientTransactionId: id }]);
    const part = 1 + this.#below(amount);
    return this.#with(settle(id, cents(part)), (move) => move(accountId, -part));
  }

  #with(command: PostingCommand, effect: (move: (accountId: Uuid, amount: number) => void) => void): PostingCommand {
    this.#effects.set(command.commandId, effect);
    return command;
  }

  #other(accountId: Uuid): Uuid {
    return this.#accounts[(this.#accounts.indexOf(accountId) + 1) % this.#accounts.length]!;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

async function openThrough(writer: LedgerWriter): Promise<Uuid> {
  const command = openCommand({});
  expect(await submitUntilKnown(writer, command)).toMatchObject({ kind: "account", rejection: undefined });
  return command.accountId;
}

async function submitAll(writer: LedgerWriter, commands: readonly LedgerCommand[]): Promise<WriterOutcome[]> {
  return await Promise.all(commands.map((command) => writer.submit(command)));
}

function authorise(accountId: Uuid, clientTransactionId: string, amount: string): PostingCommand {
  const counterparty = { internalCode: "CARD_SETTLEMENT" };
  const money = usd(amount);
  return posting([{ type: "OUTBOUND_AUTHORISATION", target: { accountId }, counterparty, money, clientTransactionId }]);
}

const settle = (clientTransactionId: string, amount: string): PostingCommand =>
  posting([{ type: "SETTLEMENT", clientTransactionId, amount }]);

function refusals(outcomes: readonly WriterOutcome[]): string[] {
  return outcomes.flatMap((one) =>
    isCompleted(one) ? [] : one.kind === "operation" ? one.operation.rejection!.code : one.kind,
  );
}

function interleave<T>(few: readonly T[], many: readonly T[]): T[] {
  const each = Math.ceil(many.length / few.length);
  return few.flatMap((one, index) => [one, ...many.slice(index * each, (index + 1) * each)]);
}

/** mulberry32 */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
