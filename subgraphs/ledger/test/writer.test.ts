import { createOutboxStore } from "@florin/db";
import { randomIds, systemClock } from "@florin/resilience";
import { formatId, instantFromMicros, type Uuid } from "@florin/kernel";
import type { CloseAccountCommand } from "../src/writer/command.js";
import {
  deposit,
  expectCompleted,
  expectOpened,
  expectRejected,
  inAnHour,
  openCommand,
  openTestBook,
  posting,
  transfer,
  withdrawal,
  type TestBook,
} from "./test-book.js";

let book: TestBook;
beforeAll(async () => {
  book = await openTestBook();
});
afterEach(async () => {
  expect(await book.findings()).toEqual([]);
});
afterAll(() => book.stop());

function closeCommand(accountId: Uuid): CloseAccountCommand {
  const { commandId, principal, idempotencyKey, fingerprint, correlationId, createdAt } = openCommand({});
  const base = { commandId, principal, idempotencyKey, fingerprint, correlationId, createdAt };
  return { ...base, kind: "account.close", accountId, changeId: "cmd_request" };
}

describe("moving money", () => {
  test("a deposit, a withdrawal and a transfer change the balances and nothing else", async () => {
    const [ada, bo] = await Promise.all([book.openWallet(), book.openWallet()]);
    await expectCompleted(book.writer.submit(deposit(ada, "100.00")));
    await expectCompleted(book.writer.submit(withdrawal(ada, "30.00")));
    await expectCompleted(book.writer.submit(transfer(ada, bo, "20.50")));
    expect(await book.balanceOf(ada)).toBe("49.50");
    expect(await book.balanceOf(bo)).toBe("20.50");
  });

  test("refuses to overdraw a wallet, by a cent, and to the cent it does not", async () => {
    const ada = await book.fundedWallet("10.00");
    await expectRejected(book.writer.submit(withdrawal(ada, "10.01")), "INSUFFICIENT_FUNDS");
    await expectCompleted(book.writer.submit(withdrawal(ada, "10.00")));
    expect(await book.balanceOf(ada)).toBe("0.00");
  });

  test("a refusal stays a refusal when the same call comes after the account was funded (IDEM-4)", async () => {
    const ada = await book.openWallet();
    const call = withdrawal(ada, "5.00");
    await expectRejected(book.writer.submit(call), "INSUFFICIENT_FUNDS");
    await expectCompleted(book.writer.submit(deposit(ada, "50.00")));
    const replay = await book.writer.submit({ ...call, createdAt: systemClock.now() });
    expect(replay).toMatchObject({ kind: "operation", isReplay: true, operation: { status: "REJECTED" } });
    expect(await book.balanceOf(ada)).toBe("50.00");
  });

  test("a batch is atomic, tells every violation, and is kept", async () => {
    const ada = await book.fundedWallet("10.00");
    const [good] = transfer(ada, await book.openWallet(), "1.00").instructions;
    const [unknown] = transfer(ada, randomIds.next(), "1.00").instructions;
    const [same] = transfer(ada, ada, "1.00").instructions;
    const command = posting([good!, same!, unknown!], { valueAt: inAnHour() });
    await expectRejected(book.writer.submit(command), "RECIPIENT_NOT_FOUND");
    const rows = await book.admin.sql<
      { rejections: { code: string; instructionIndex: number }[]; proposed: unknown[] }[]
    >`
      select rejections, proposed from ledger.posting_instruction_batch b join ledger.operation o using (batch_id)
      where o.operation_id = ${command.commandId}`;
    expect(rows[0]!.rejections.map(({ code, instructionIndex }) => [code, instructionIndex])).toEqual([
      ["RECIPIENT_NOT_FOUND", 2],
      ["SAME_ACCOUNT", 1],
      ["VALUE_IN_FUTURE", 0],
      ["VALUE_IN_FUTURE", 1],
      ["VALUE_IN_FUTURE", 2],
    ]);
    expect(rows[0]!.proposed).toHaveLength(3);
    expect(await book.balanceOf(ada)).toBe("10.00");
  });

  test("a later instruction of a batch may spend what an earlier one brought", async () => {
    const [ada, bo] = await Promise.all([book.openWallet(), book.openWallet()]);
    const [bring] = deposit(ada, "5.00").instructions;
    const [spend] = transfer(ada, bo, "5.00").instructions;
    await expectRejected(book.writer.submit(posting([spend!, bring!])), "INSUFFICIENT_FUNDS");
    await expectCompleted(book.writer.submit(posting([bring!, spend!])));
    expect(await book.balanceOf(bo)).toBe("5.00");
  });

  test("a client transaction id is taken once, for ever, and only within its client (CT-1)", async () => {
    const ada = await book.fundedWallet("10.00");
    const [one] = withdrawal(ada, "1.00").instructions;
    const named = { ...one!, clientTransactionId: "order-7" };
    await expectCompleted(book.writer.submit(posting([named])));
    await expectRejected(book.writer.submit(posting([named])), "CLIENT_TRANSACTION_CLOSED");
    await expectRejected(
      book.writer.submit(
        posting([
          { ...named, clientTransactionId: "order-8" },
          { ...named, clientTransactionId: "order-8" },
        ]),
      ),
      "CLIENT_TRANSACTION_CLOSED",
    );
    await expectCompleted(book.writer.submit(posting([named], { principal: "ptr_other" })));
    await expectRejected(
      book.writer.submit(posting([{ ...named, clientTransactionId: `${formatId("operation", randomIds.next())}:0` }])),
      "CLIENT_TRANSACTION_RESERVED",
    );
  });

  test("an advice is taken despite a lack of funds, and says so (PI-4)", async () => {
    const overdrawn = await openTestBook();
    try {
      const ada = await overdrawn.openWallet();
      const [one] = withdrawal(ada, "3.00").instructions;
      await expectCompleted(
        overdrawn.writer.submit(posting([{ ...one!, advice: true }], { details: { reference: "x" } })),
      );
      expect(await overdrawn.balanceOf(ada)).toBe("-3.00");
      const rows = await overdrawn.admin.sql<{ details: unknown; remarks: unknown }[]>`
        select details, remarks from ledger.posting_instruction_batch where details is not null`;
      expect(rows[0]).toEqual({
        details: { reference: "x" },
        remarks: { acceptedDespite: [{ instructionIndex: 0, code: "INSUFFICIENT_FUNDS" }] },
      });
      await expectRejected(overdrawn.writer.submit(withdrawal(ada, "0.01")), "INSUFFICIENT_FUNDS");
      await expectCompleted(overdrawn.writer.submit(deposit(ada, "1.00"))); // BAL-3: still below zero, and taken
    } finally {
      await overdrawn.stop();
    }
  });

  test("text that PostgreSQL cannot hold fails its own command and no other of the batch", async () => {
    const ada = await book.fundedWallet("10.00");
    const bad = withdrawal(ada, "1.00", { details: { reference: "\u0000" } });
    const settled = await Promise.allSettled([
      book.writer.submit(withdrawal(ada, "1.00")),
      book.writer.submit(bad),
      book.writer.submit(withdrawal(ada, "1.00")),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await book.balanceOf(ada)).toBe("8.00");
  });
});

describe("idempotency", () => {
  test("fifty equal calls at once are one effect and one operation, told to all", async () => {
    const ada = await book.openWallet();
    const call = deposit(ada, "7.00");
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => book.writer.submit({ ...call })));
    expect(new Set(outcomes.map((outcome) => outcome.kind === "operation" && outcome.operation.operationId))).toEqual(
      new Set([call.commandId]),
    );
    expect(await book.balanceOf(ada)).toBe("7.00");
  });

  test("the same key with another input does nothing, in flight and afterwards", async () => {
    const ada = await book.openWallet();
    const call = deposit(ada, "7.00", { idempotencyKey: "reused" });
    const other = deposit(ada, "8.00", { idempotencyKey: "reused" });
    const [first, inFlight] = await Promise.all([book.writer.submit(call), book.writer.submit(other)]);
    expect(first).toMatchObject({ kind: "operation" });
    expect(inFlight).toEqual({ kind: "key-reused" });
    expect(await book.writer.submit(other)).toEqual({ kind: "key-reused" });
    expect(await book.writer.enqueue(other)).toBe("key-reused");
    expect(await book.balanceOf(ada)).toBe("7.00");
  });

  test("the same key of another principal is another operation", async () => {
    const ada = await book.openWallet();
    await expectCompleted(book.writer.submit(deposit(ada, "1.00", { idempotencyKey: "mine" })));
    await expectCompleted(book.writer.submit(deposit(ada, "1.00", { idempotencyKey: "mine", principal: "usr_other" })));
    expect(await book.balanceOf(ada)).toBe("2.00");
  });

  test("a command that was made durable takes effect once, also when it is submitted too", async () => {
    const ada = await book.openWallet();
    const call = deposit(ada, "4.00");
    expect(await book.writer.enqueue(call)).toBe("durable");
    await expectCompleted(book.writer.submit(call));
    expect(await book.writer.enqueue(call)).toBe("durable");
    await expectCompleted(book.writer.submit(deposit(ada, "1.00")));
    expect(await book.balanceOf(ada)).toBe("5.00");
  });

  test("a full queue refuses at once and takes again when it has emptied", async () => {
    const small = await openTestBook({ queueLimit: 3 });
    try {
      const ada = await small.openWallet();
      const settled = await Promise.allSettled(
        Array.from({ length: 10 }, () => small.writer.submit(deposit(ada, "1.00"))),
      );
      const refused = settled.filter(({ status }) => status === "rejected");
      expect(refused).toHaveLength(7);
      expect(refused[0]).toMatchObject({ reason: { code: "TEMPORARILY_UNAVAILABLE" } });
      await expectCompleted(small.writer.submit(deposit(ada, "1.00")));
      expect(await small.balanceOf(ada)).toBe("4.00");
    } finally {
      await small.stop();
    }
  });
});

describe("many at once", () => {
  test.each([50, 5_000])("%i random transfers among ten funded accounts all succeed", async (count) => {
    const accounts = await Promise.all(Array.from({ length: 10 }, () => book.fundedWallet("100000.00")));
    const commands = Array.from({ length: count }, (_, index) => {
      const from = (index * 7919) % 10;
      const to = (from + 1 + ((index * 104_729) % 9)) % 10;
      return transfer(accounts[from]!, accounts[to]!, `${1 + (index % 20)}.${10 + (index % 90)}`);
    });
    const outcomes = await Promise.all(commands.map((command) => book.writer.submit(command)));
    expect(outcomes.every((outcome) => outcome.kind === "operation" && outcome.operation.status === "COMPLETED")).toBe(
      true,
    );
    const balances = await Promise.all(accounts.map((account) => book.balanceOf(account)));
    const cents = balances.reduce((sum, balance) => sum + BigInt(balance.replace(".", "")), 0n);
    expect(cents).toBe(100_000_000n);
  });

  test("ORD-2 of a hundred withdrawals at once exactly as many succeed as the wallet covers", async () => {
    const ada = await book.fundedWallet("37.00");
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => book.writer.submit(withdrawal(ada, "1.00"))));
    const completed = outcomes.filter((o) => o.kind === "operation" && o.operation.status === "COMPLETED");
    expect(completed).toHaveLength(37);
    expect(await book.balanceOf(ada)).toBe("0.00");
  });

  test("ORD-3 a hot account takes a thousand movements at once, numbered without a gap", async () => {
    const hot = await book.fundedWallet("1000.00");
    const ada = await book.openWallet();
    const commands = Array.from({ length: 1_000 }, () => transfer(hot, ada, "1.00"));
    const outcomes = await Promise.all(commands.map((command) => book.writer.submit(command)));
    expect(outcomes.every((o) => o.kind === "operation" && o.operation.status === "COMPLETED")).toBe(true);
    expect(await book.balanceOf(hot)).toBe("0.00");
    const [numbered] = await book.admin.sql`
      select min(account_seq)::int as first, max(account_seq)::int as last, count(*)::int as n
      from ledger.posting where account_id = ${hot}`;
    expect(numbered).toEqual({ first: 1, last: 1_001, n: 1_001 });
  });
});

describe("opening and closing accounts", () => {
  test.each([
    [{ product: "nope" }, "PRODUCT_UNKNOWN"],
    [{ currency: "XXX" }, "CURRENCY_UNKNOWN"],
    [{ product: "current_account", parameters: { arrangedOverdraft: "-1.00" } }, "PARAMETER_INVALID"],
    [{ product: "current_account", parameters: { arrangedOverdraft: 100 } }, "PARAMETER_INVALID"],
    [{ parameters: { surprise: "1" } }, "PARAMETER_INVALID"],
  ])("refuses to open with %j", async (more, code) => {
    const command = openCommand(more);
    expect(await book.writer.submit(command)).toMatchObject({ kind: "account", rejection: { code } });
    const events = await eventsAbout(command.accountId);
    expect(events).toMatchObject([{ type: "account.rejected", payload: { code } }]);
  });

  test("opening twice by the same id is one account, and each asker is answered", async () => {
    const first = openCommand({});
    await expectOpened(book.writer.submit(first));
    await expectOpened(book.writer.submit(openCommand({ accountId: first.accountId })));
    const events = await eventsAbout(first.accountId);
    expect(events.map((event) => event.type)).toEqual(["account.opened", "account.opened"]);
    expect(events[0]!.payload).toEqual(events[1]!.payload);
    expect(events[0]!.audience).toContain("usr_tester");
  });

  test("a current account may go to its arranged overdraft and no further", async () => {
    const overdraft = await openTestBook();
    try {
      const command = openCommand({ product: "current_account", parameters: { arrangedOverdraft: "50.00" } });
      await expectOpened(overdraft.writer.submit(command));
      await expectRejected(overdraft.writer.submit(withdrawal(command.accountId, "50.01")), "INSUFFICIENT_FUNDS");
      await expectCompleted(overdraft.writer.submit(withdrawal(command.accountId, "50.00")));
      expect(await overdraft.balanceOf(command.accountId)).toBe("-50.00");
    } finally {
      await overdraft.stop();
    }
  });

  test("an account with money cannot be closed; an empty one can, and then takes nothing more", async () => {
    const ada = await book.fundedWallet("1.00");
    expect(await book.writer.submit(closeCommand(ada))).toMatchObject({ rejection: { code: "BALANCE_NOT_ZERO" } });
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00")));
    await expectOpened(book.writer.submit(closeCommand(ada)));
    await expectRejected(book.writer.submit(deposit(ada, "1.00")), "ACCOUNT_NOT_OPEN");
    expect(await book.writer.submit(closeCommand(ada))).toMatchObject({ rejection: { code: "ACCOUNT_NOT_OPEN" } });
    expect(
      (await eventsAbout(ada)).map((event) => event.type).filter((type) => type.startsWith("account.close")),
    ).toEqual(["account.close_rejected", "account.closed", "account.close_rejected"]);
  });

  test("a closing and a withdrawal at the same moment have one legal order between them", async () => {
    for (let round = 0; round < 20; round++) {
      const ada = await book.fundedWallet("1.00");
      const calls = [() => book.writer.submit(closeCommand(ada)), () => book.writer.submit(withdrawal(ada, "1.00"))];
      const [first, second] = await Promise.all((round % 2 === 0 ? calls : calls.toReversed()).map((call) => call()));
      const outcomes = [first, second];
      const closing = outcomes.find((outcome) => outcome?.kind === "account");
      const cash = outcomes.find((outcome) => outcome?.kind === "operation");
      expect(cash).toMatchObject({ operation: { status: "COMPLETED" } });
      if (round % 2 === 0) expect(closing).toMatchObject({ rejection: { code: "BALANCE_NOT_ZERO" } });
      else expect(closing).toMatchObject({ rejection: undefined });
    }
  });

  async function eventsAbout(accountId: Uuid) {
    return await book.admin.sql<{ type: string; payload: unknown; audience: string[] }[]>`
      select type, payload, audience from ledger.outbox
      where key = ${formatId("account", accountId)} order by position`;
  }
});

describe("what is told", () => {
  test("an accepted batch tells each account its balance once, and the operation; nobody else may see it", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("10.00"), book.openWallet()]);
    const command = transfer(ada, bo, "2.50", { principal: "usr_caller" });
    const outcome = await book.writer.submit(command);
    const operationId = formatId("operation", command.commandId);
    const until = outcome.kind === "operation" ? outcome.outboxPosition : 0n;
    const stream = await createOutboxStore(book.admin, "ledger").range(until - 3n, 10);
    const events = stream.filter(({ changeId }) => changeId === operationId);
    const accounts = [ada, bo].map((accountId) => formatId("account", accountId)).sort();
    expect(events.map(({ type, key }) => [type, key])).toEqual([
      ["account.posted", accounts[0]],
      ["account.posted", accounts[1]],
      ["operation.completed", operationId],
    ]);
    const debited = events.find(({ key }) => key === formatId("account", ada));
    expect(debited!.payload).toMatchObject({
      accountSeq: "2",
      operationId,
      balance: { available: "7.50", committed: "7.50", pendingIn: "0.00", pendingOut: "0.00", currency: "USD" },
    });
    expect(debited!.audience).toEqual(["usr_tester", "role:staff", "role:auditor"]);
    expect(events[2]!.audience).toEqual(["usr_caller", "role:staff", "role:auditor"]);
    expect(outcome).toMatchObject({ outboxPosition: events[2]!.position });
  });

  test("ORD-1 known_at strictly increases along seq, also when the clock stands still or goes back", async () => {
    const ada = await book.fundedWallet("1.00");
    const now = systemClock.now();
    const other = await openTestBook({ clock: { now: () => now } });
    try {
      const bo = await other.openWallet();
      await Promise.all(Array.from({ length: 20 }, () => other.writer.submit(deposit(bo, "1.00", { createdAt: now }))));
      const rows = await other.admin.sql<{ knownAt: bigint }[]>`
        select known_at as "knownAt" from ledger.posting_instruction_batch order by seq`;
      expect(rows).toHaveLength(20);
      rows.forEach((row, index) => {
        if (index > 0) expect(row.knownAt > rows[index - 1]!.knownAt).toBe(true);
      });
      expect(await other.findings()).toEqual([]);
    } finally {
      await other.stop();
    }
    expect(await book.balanceOf(ada)).toBe("1.00");
  });

  test("a book whose clock was ahead goes on booking: a new account can be paid into at once", async () => {
    const ahead = await openTestBook({ clock: { now: () => inAnHour() } });
    try {
      const ada = await ahead.openWallet();
      await ahead.writer.stop(5_000);
      await expectCompleted(ahead.startWriter().writer.submit(deposit(ada, "1.00")));
      expect(await ahead.findings()).toEqual([]);
    } finally {
      await ahead.stop();
    }
  });

  test("a value time before the account was opened is refused", async () => {
    const ada = await book.openWallet();
    const command = deposit(ada, "1.00", { valueAt: instantFromMicros(1_000_000n) });
    await expectRejected(book.writer.submit(command), "BEFORE_OPENING");
  });
});
