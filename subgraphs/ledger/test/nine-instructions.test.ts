import { formatId, type Instant, type Uuid } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger } from "@florin/telemetry";
import { findClientTransactionHistory } from "@florin/db/ledger";
import { createHoldExpirer } from "../src/tasks/expire-holds.js";
import type {
  CloseAccountCommand,
  PostingCommand,
  ProposedAuthorisation,
  ProposedInstruction,
} from "../src/writer/command.js";
import {
  deposit,
  expectCompleted,
  expectRejected,
  openCommand,
  openTestBook,
  posting,
  PRINCIPAL,
  transfer,
  usd,
  withdrawal,
  type TestBook,
} from "./test-book.js";

let book: TestBook;
let holds = 0;
beforeAll(async () => {
  book = await openTestBook();
});
afterEach(async () => {
  expect(await book.findings()).toEqual([]);
});
afterAll(() => book.stop());

const accountText = (accountId: Uuid): string => formatId("account", accountId);

function closeCommand(accountId: Uuid): CloseAccountCommand {
  const { commandId, principal, idempotencyKey, fingerprint, correlationId, createdAt } = openCommand({});
  return {
    commandId,
    principal,
    idempotencyKey,
    fingerprint,
    correlationId,
    createdAt,
    kind: "account.close",
    accountId,
  };
}

const CARDS = { internalCode: "CARD_SETTLEMENT" };
const newHold = () => `hold-${++holds}`;
const authorise = (
  accountId: Uuid,
  id: string,
  amount: string,
  more: Partial<ProposedAuthorisation> = {},
): ProposedAuthorisation => ({
  type: "OUTBOUND_AUTHORISATION",
  target: { accountId },
  counterparty: CARDS,
  money: usd(amount),
  clientTransactionId: id,
  ...more,
});
const adjust = (clientTransactionId: string, delta: string): ProposedInstruction => ({
  type: "AUTHORISATION_ADJUSTMENT",
  clientTransactionId,
  delta,
});
const settle = (clientTransactionId: string, amount?: string, final?: boolean): ProposedInstruction => ({
  type: "SETTLEMENT",
  clientTransactionId,
  amount,
  final,
});
const release = (clientTransactionId: string): ProposedInstruction => ({ type: "RELEASE", clientTransactionId });
const submit = (instructions: readonly ProposedInstruction[], more: Partial<PostingCommand> = {}) =>
  book.writer.submit(posting(instructions, more));

/** COMMITTED and the sum of both pending phases, at DEFAULT, in a liability account's sense. */
async function netsOf(accountId: Uuid): Promise<string> {
  const rows = await book.admin.sql<{ phase: string; net: string }[]>`
    select phase, (total_credit - total_debit)::numeric(38, 2)::text as net from ledger.balance
    where account_id = ${accountId} order by phase`;
  return rows.map(({ phase, net }) => `${phase} ${net}`).join(", ");
}

async function stateOf(clientTransactionId: string) {
  const history = await findClientTransactionHistory(book.admin.sql, PRINCIPAL, clientTransactionId);
  return history?.state;
}

describe("holds", () => {
  test("each change is kept in its own phase, and the next one starts from it (CT-2, CT-3, INV-3)", async () => {
    const ada = await book.fundedWallet("500.00");
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "100.00")]));
    await expectCompleted(submit([adjust(id, "20.00")]));
    await expectCompleted(submit([settle(id, "50.00")]));
    expect(await netsOf(ada)).toBe("COMMITTED 450.00, PENDING_OUT -70.00");
    expect(await stateOf(id)).toMatchObject({ status: "PARTIALLY_SETTLED", outstanding: 700_000_000n, isFinal: false });
    await expectCompleted(submit([settle(id, "90.00", true)]));
    expect(await netsOf(ada)).toBe("COMMITTED 360.00, PENDING_OUT 0.00");
    expect(await stateOf(id)).toMatchObject({ status: "CLOSED", closedBy: "SETTLED", overSettled: 200_000_000n });
    for (const late of [adjust(id, "1.00"), settle(id, "1.00"), release(id)])
      await expectRejected(submit([late]), "CLIENT_TRANSACTION_CLOSED"); // CT-5
  });

  test("two settlements at once follow one another: the second sees the first (CT-3)", async () => {
    const ada = await book.fundedWallet("500.00");
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "100.00", { allowOverSettlement: false })]));
    const outcomes = await Promise.all([submit([settle(id, "60.00")]), submit([settle(id, "60.00")])]);
    const statuses = outcomes.map((outcome) => outcome.kind === "operation" && outcome.operation.status).sort();
    expect(statuses).toEqual(["COMPLETED", "REJECTED"]);
    expect(await netsOf(ada)).toBe("COMMITTED 440.00, PENDING_OUT -40.00");
  });

  test("opener and follow-ups of one batch apply in list order (CT-7)", async () => {
    const ada = await book.fundedWallet("100.00");
    const id = newHold();
    await expectRejected(submit([settle(id, "10.00"), authorise(ada, id, "10.00")]), "CLIENT_TRANSACTION_NOT_FOUND");
    await expectCompleted(submit([authorise(ada, id, "10.00"), adjust(id, "5.00"), settle(id)]));
    expect(await netsOf(ada)).toBe("COMMITTED 85.00, PENDING_OUT 0.00");
  });

  test("a follow-up of what nobody opened is refused, whatever its amount (CT-8)", async () => {
    for (const one of [adjust("nobody", "1.00"), settle("nobody", "1.123456789"), settle("nobody"), release("nobody")])
      await expectRejected(submit([one]), "CLIENT_TRANSACTION_NOT_FOUND");
  });

  test("another client's hold is not there (CT-1)", async () => {
    const ada = await book.fundedWallet("100.00");
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "10.00")]));
    await expectRejected(submit([release(id)], { principal: "ptr_other" }), "CLIENT_TRANSACTION_NOT_FOUND");
    await expectCompleted(submit([release(id)]));
  });

  test("accounts that are named again must be the opener's (CT-2)", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("100.00"), book.openWallet()]);
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "10.00")]));
    const again = { type: "RELEASE", clientTransactionId: id } as const;
    await expectRejected(submit([{ ...again, target: { accountId: bo } }]), "CLIENT_TRANSACTION_MISMATCH");
    await expectCompleted(submit([{ ...again, target: { accountId: ada }, counterparty: CARDS }]));
  });

  test("settled to nothing and not final it stays open; the release then has no legs (CT-4)", async () => {
    const ada = await book.fundedWallet("100.00");
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "10.00")]));
    await expectCompleted(submit([settle(id, "10.00")]));
    expect(await stateOf(id)).toMatchObject({ status: "PARTIALLY_SETTLED", outstanding: 0n });
    await expectCompleted(submit([release(id)]));
    expect(await stateOf(id)).toMatchObject({ status: "CLOSED", closedBy: "RELEASED" });
    const [row] = await book.admin.sql<{ n: string }[]>`
      select count(p.*)::text as n from ledger.posting_instruction i
      left join ledger.posting p on p.batch_id = i.batch_id where i.client_transaction_id = ${id} and i.type = 'RELEASE'`;
    expect(row!.n).toBe("0");
  });

  test("over-settlement is taken unless the authorisation forbids it (PI-3)", async () => {
    const ada = await book.fundedWallet("100.00");
    const [open, strict] = [newHold(), newHold()];
    await expectCompleted(
      submit([authorise(ada, open, "10.00"), authorise(ada, strict, "10.00", { allowOverSettlement: false })]),
    );
    await expectCompleted(submit([settle(open, "12.00", true)]));
    await expectRejected(submit([settle(strict, "12.00", true)]), "SETTLEMENT_EXCEEDS_AUTHORISATION");
    await expectCompleted(submit([release(strict)]));
    expect(await netsOf(ada)).toBe("COMMITTED 88.00, PENDING_OUT 0.00");
  });

  test("a hard settlement leaves what authorise and settle leave (PI-1)", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("50.00"), book.fundedWallet("50.00")]);
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "20.00")]));
    await expectCompleted(submit([settle(id)]));
    await expectCompleted(book.writer.submit(withdrawal(bo, "20.00")));
    expect(await book.balanceOf(ada)).toBe(await book.balanceOf(bo));
  });

  test("what is held cannot be spent, and what is expected neither (PI-2)", async () => {
    const ada = await book.fundedWallet("50.00");
    const [out, inward] = [newHold(), newHold()];
    await expectCompleted(submit([authorise(ada, out, "30.00")]));
    const expected = authorise(ada, inward, "100.00", { type: "INBOUND_AUTHORISATION" });
    await expectCompleted(submit([expected]));
    await expectRejected(book.writer.submit(withdrawal(ada, "20.01")), "INSUFFICIENT_FUNDS");
    await expectRejected(submit([adjust(out, "20.01")]), "INSUFFICIENT_FUNDS");
    await expectCompleted(book.writer.submit(withdrawal(ada, "20.00")));
    await expectCompleted(submit([settle(inward)])); // PI-5
    expect(await netsOf(ada)).toBe("COMMITTED 130.00, PENDING_IN 0.00, PENDING_OUT -30.00");
  });

  test("amounts that are zero, negative or too fine are refused and never rounded (PI-6, MON-2)", async () => {
    const ada = await book.fundedWallet("50.00");
    const id = newHold();
    await expectRejected(submit([authorise(ada, id, "0")]), "AMOUNT_NOT_POSITIVE");
    await expectCompleted(submit([authorise(ada, id, "10.00")]));
    await expectRejected(submit([settle(id, "-1.00")]), "AMOUNT_NOT_POSITIVE");
    await expectRejected(submit([settle(id, "1.005")]), "AMOUNT_SCALE");
    await expectRejected(submit([settle(id, "1.00000000001")]), "AMOUNT_SCALE");
    await expectRejected(submit([adjust(id, "-10.01")]), "ADJUSTMENT_BELOW_ZERO");
    await expectCompleted(submit([release(id)]));
  });

  test("what was done is kept with each instruction, and adds up at any value and known time (CT-9)", async () => {
    const ada = await book.fundedWallet("50.00");
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "10.00"), adjust(id, "-2.00"), settle(id, "5.00"), release(id)]));
    const history = await findClientTransactionHistory(book.admin.sql, PRINCIPAL, id);
    const changes = history!.records.map(({ type, change }) => [
      type,
      ...[change.authorised, change.adjusted, change.settled, change.released].map((amount) => amount / 10_000_000n),
      change.closedBy,
    ]);
    expect(changes).toEqual([
      ["OUTBOUND_AUTHORISATION", 10n, 0n, 0n, 0n, undefined],
      ["AUTHORISATION_ADJUSTMENT", 0n, -2n, 0n, 0n, undefined],
      ["SETTLEMENT", 0n, 0n, 5n, 0n, undefined],
      ["RELEASE", 0n, 0n, 0n, 3n, "RELEASED"],
    ]);
  });
});

describe("expiry (CT-6)", () => {
  const HOUR = 3_600_000_000n;
  let ahead = 0n;
  let timed: TestBook;
  const clock = { now: () => (systemClock.now() + ahead) as Instant };
  beforeAll(async () => {
    timed = await openTestBook({ clock });
  });
  afterAll(async () => {
    expect(await timed.findings()).toEqual([]);
    await timed.stop();
  });
  const expirerOf = (one: TestBook) =>
    createHoldExpirer({
      database: one.admin,
      writer: one.writer,
      clock,
      logger: createLogger({ name: "test", level: "silent" }),
    });

  test("what has expired is released under its opener's client, in order, once; what has not stays", async () => {
    const ada = await timed.fundedWallet("100.00");
    const [late, early, never] = [newHold(), newHold(), newHold()];
    await expectCompleted(
      timed.writer.submit(posting([authorise(ada, late, "10.00", { expiresAfterMicros: HOUR + HOUR / 60n })])),
    );
    await expectCompleted(timed.writer.submit(posting([authorise(ada, early, "20.00", { expiresAfterMicros: HOUR })])));
    await expectCompleted(timed.writer.submit(posting([authorise(ada, never, "30.00")])));
    const expirer = expirerOf(timed);
    expect(await expirer.expireDue()).toBe(0);
    ahead += 2n * HOUR;
    expect(
      (await Promise.all([expirer.expireDue(), expirerOf(timed).expireDue()])).some((released) => released === 2),
    ).toBe(true);
    expect(await expirer.expireDue()).toBe(0);
    const rows = await timed.admin.sql<{ id: string; origin: string; closedBy: string }[]>`
      select i.client_transaction_id as id, k.origin, c.closed_by as "closedBy" from ledger.posting_instruction i
      join ledger.posting_instruction_batch k using (batch_id)
      join ledger.client_transaction c on c.client_id = i.client_id and c.client_transaction_id = i.client_transaction_id
      where i.type = 'RELEASE' and k.client_id = ${PRINCIPAL} order by k.seq`;
    expect([...rows]).toEqual([early, late].map((id) => ({ id, origin: "EXPIRY", closedBy: "EXPIRED" })));
    await expectRejected(timed.writer.submit(posting([settle(late)])), "CLIENT_TRANSACTION_CLOSED");
  });

  test("a settlement that comes after the expiry is refused, or taken as a hard one when the opener says so", async () => {
    const ada = await timed.fundedWallet("100.00");
    const [strict, lenient] = [newHold(), newHold()];
    const expiresAfterMicros = HOUR;
    const open = [
      authorise(ada, strict, "10.00", { expiresAfterMicros }),
      authorise(ada, lenient, "10.00", { expiresAfterMicros, onExpired: "CONVERT_TO_HARD_SETTLEMENT" }),
    ];
    await expectCompleted(timed.writer.submit(posting(open)));
    ahead += 2n * HOUR;
    await expectRejected(timed.writer.submit(posting([settle(strict, "5.00")])), "CLIENT_TRANSACTION_EXPIRED");
    await expectCompleted(timed.writer.submit(posting([settle(lenient, "5.00")])));
    const [row] = await timed.admin.sql<{ effect: Record<string, unknown> }[]>`
      select effect from ledger.posting_instruction where client_transaction_id = ${lenient} and type = 'SETTLEMENT'`;
    expect(row!.effect).toMatchObject({ isConverted: true, closedBy: "SETTLED" });
    expect(await expirerOf(timed).expireDue()).toBe(1);
    expect(await timed.balanceOf(ada)).toBe("95.00");
  });

  test("a process without the lease expires nothing", async () => {
    const { writer } = timed.startWriter({ clock });
    const options = { database: timed.admin, clock, logger: createLogger({ name: "test", level: "silent" }) };
    expect(writer.isLeader()).toBe(false);
    expect(await createHoldExpirer({ ...options, writer }).expireDue()).toBe(0);
  });
});

describe("custom instructions", () => {
  const legs = (from: Uuid, to: Uuid, more: Record<string, unknown> = {}): ProposedInstruction => ({
    type: "CUSTOM_INSTRUCTION",
    legs: [
      { account: { accountId: from }, side: "DEBIT", money: usd("3.00"), ...more },
      { account: { accountId: to }, side: "CREDIT", money: usd("3.00"), ...more },
    ],
  });

  test("move between any legs that balance; others are refused", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("10.00"), book.openWallet()]);
    await expectCompleted(submit([legs(ada, bo)]));
    expect([await book.balanceOf(ada), await book.balanceOf(bo)]).toEqual(["7.00", "3.00"]);
    const [debit] = (legs(ada, bo) as Extract<ProposedInstruction, { type: "CUSTOM_INSTRUCTION" }>).legs;
    await expectRejected(submit([{ type: "CUSTOM_INSTRUCTION", legs: [debit!, debit!] }]), "INSTRUCTION_UNBALANCED");
  });

  test("other addresses and pending phases need a permission of their own (§2.3)", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("10.00"), book.openWallet()]);
    await expectRejected(submit([legs(ada, bo, { address: "POT" })]), "ADDRESS_NOT_PERMITTED");
    await expectRejected(submit([legs(ada, bo, { phase: "PENDING_OUT" })]), "PENDING_NOT_PERMITTED");
    await expectCompleted(submit([legs(ada, bo, { address: "POT" })], { permissions: ["posting.address"] }));
  });

  test("are grouped under one client transaction that stays open (CT-1)", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("10.00"), book.openWallet()]);
    const id = newHold();
    for (let i = 0; i < 2; i++)
      await expectCompleted(submit([{ ...legs(ada, bo), clientTransactionId: id } as ProposedInstruction]));
    expect(await stateOf(id)).toMatchObject({ kind: "CUSTOM", status: "OPEN_CUSTOM" });
    await expectRejected(submit([release(id)]), "CLIENT_TRANSACTION_MISMATCH");
  });
});

describe("reversal (T-8)", () => {
  const reverse = (id: Uuid, mode: "NOW" | "AT_ORIGINAL_VALUE" = "NOW", more: Partial<PostingCommand> = {}) =>
    book.writer.submit(
      posting([], { type: "REVERSAL", reversal: { id, mode }, fingerprint: `reverse ${id} ${mode}`, ...more }),
    );
  async function batchOf(command: PostingCommand): Promise<Uuid> {
    const outcome = await book.writer.submit(command);
    if (outcome.kind !== "operation" || outcome.operation.batchId === undefined) throw new Error("no batch");
    return outcome.operation.batchId;
  }

  test("books every leg back, once, whichever name the batch is given", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("10.00"), book.openWallet()]);
    const command = transfer(ada, bo, "4.00");
    await expectCompleted(book.writer.submit(command));
    const outcome = await reverse(command.commandId);
    expect(outcome).toMatchObject({
      operation: { type: "REVERSAL", status: "COMPLETED", accountId: ada, amount: usd("4.00") },
    });
    expect([await book.balanceOf(ada), await book.balanceOf(bo)]).toEqual(["10.00", "0.00"]);
    await expectRejected(reverse(command.commandId), "ALREADY_REVERSED");
  });

  test("two at once: one of them is told that it was done before", async () => {
    const [ada, bo] = await Promise.all([book.fundedWallet("10.00"), book.openWallet()]);
    const batchId = await batchOf(transfer(ada, bo, "4.00"));
    const outcomes = await Promise.all([reverse(batchId), reverse(batchId)]);
    const codes = outcomes.map((one) => one.kind === "operation" && (one.operation.rejection?.code ?? "DONE")).sort();
    expect(codes).toEqual(["ALREADY_REVERSED", "DONE"]);
  });

  test("is at its own value time or now, and is itself never reversed", async () => {
    const ada = await book.fundedWallet("10.00");
    const command = withdrawal(ada, "4.00");
    const batchId = await batchOf(command);
    const outcome = await reverse(batchId, "AT_ORIGINAL_VALUE");
    const reversal = outcome.kind === "operation" ? outcome.operation.batchId! : undefined;
    const rows = await book.admin.sql<{ valueAt: bigint }[]>`
      select value_at as "valueAt" from ledger.posting_instruction_batch where batch_id in (${batchId}, ${reversal!})`;
    expect(rows[0]!.valueAt).toBe(rows[1]!.valueAt);
    await expectRejected(reverse(reversal!), "NOT_REVERSIBLE");
  });

  test("needs the funds, and is refused for holds, for refused batches and for none at all", async () => {
    const ada = await book.openWallet();
    const brought = await batchOf(deposit(ada, "4.00"));
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00")));
    await expectRejected(reverse(brought), "INSUFFICIENT_FUNDS");
    const held = await batchOf(posting([authorise(ada, newHold(), "1.00")]));
    await expectRejected(reverse(held), "NOT_REVERSIBLE");
    const refused = await batchOf(withdrawal(ada, "100.00"));
    await expectRejected(reverse(refused), "NOT_REVERSIBLE");
    await expectRejected(reverse(randomIds.next()), "NOT_REVERSIBLE");
  });
});

describe("advices", () => {
  test("money for an account that cannot take it lies on SUSPENSE and says whose it was (PI-4)", async () => {
    const nobody = randomIds.next();
    const [one] = deposit(nobody, "7.00").instructions;
    await expectRejected(submit([one!]), "ACCOUNT_NOT_FOUND");
    const command = posting([{ ...one!, advice: true }]);
    await expectCompleted(book.writer.submit(command));
    const [row] = await book.admin.sql<{ code: string; remarks: unknown; details: Record<string, unknown> }[]>`
      select a.code, k.remarks, i.details from ledger.operation o
      join ledger.posting_instruction_batch k using (batch_id) join ledger.posting_instruction i using (batch_id)
      join ledger.posting p using (batch_id) join ledger.account a on a.account_id = p.account_id
      where o.operation_id = ${command.commandId} and p.side = 'CREDIT'`;
    expect(row).toMatchObject({ code: "SUSPENSE", remarks: { suspended: [0] } });
    expect(row!.details["suspended"]).toMatchObject({ codes: ["ACCOUNT_NOT_FOUND"] });
  });
});

describe("backdating", () => {
  test("a debit that overdraws the past and not the present is taken and marked (BAL-2)", async () => {
    const ada = await book.openWallet();
    const opened = systemClock.now();
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await expectCompleted(book.writer.submit(withdrawal(ada, "10.00")));
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    const command = withdrawal(ada, "5.00", { valueAt: opened });
    await expectCompleted(book.writer.submit(command));
    const [row] = await book.admin.sql<
      { remarks: { intermediateNegative: { windows: { from: string; to: string }[] }[] } }[]
    >`
      select k.remarks from ledger.operation o join ledger.posting_instruction_batch k using (batch_id)
      where o.operation_id = ${command.commandId}`;
    expect(row!.remarks.intermediateNegative).toHaveLength(1);
    expect(row!.remarks.intermediateNegative[0]!.windows).toHaveLength(2);
    const unmarked = withdrawal(ada, "1.00", { valueAt: systemClock.now() });
    await expectCompleted(book.writer.submit(unmarked));
    const [silent] = await book.admin.sql<{ remarks: unknown }[]>`
      select k.remarks from ledger.operation o join ledger.posting_instruction_batch k using (batch_id)
      where o.operation_id = ${unmarked.commandId}`;
    expect(silent!.remarks).toBeNull();
  });

  test("events of a booking into an earlier business day name the days that it changes (T-7)", async () => {
    let now = systemClock.now();
    const timed = await openTestBook({ clock: { now: () => now } });
    try {
      const ada = await timed.fundedWallet("10.00");
      const day0 = now;
      now = (now + 2n * 86_400_000_000n) as Instant;
      await expectCompleted(timed.writer.submit(withdrawal(ada, "1.00", { valueAt: day0 })));
      await expectCompleted(timed.writer.submit(withdrawal(ada, "1.00")));
      const rows = await timed.admin.sql<{ days: string[] }[]>`
        select payload->'affectedBusinessDates' as days from ledger.outbox
        where type = 'account.posted' and key = ${accountText(ada)} and (payload->>'backdated')::boolean`;
      expect(rows.map(({ days }) => days.length)).toEqual([2]); // the other withdrawal says nothing of the kind
    } finally {
      await timed.stop();
    }
  });
});

describe("closing an account", () => {
  test("waits for its open authorisations, also those that hold nothing any more (HOOK-7)", async () => {
    const ada = await book.fundedWallet("10.00");
    const id = newHold();
    await expectCompleted(submit([authorise(ada, id, "10.00"), settle(id, "10.00")]));
    const close = () => book.writer.submit(closeCommand(ada));
    expect(await close()).toMatchObject({ rejection: { code: "CLIENT_TRANSACTION_OPEN" } });
    await expectCompleted(submit([release(id)]));
    expect(await close()).toMatchObject({ rejection: undefined });
  });
});

describe("batches", () => {
  test("a refused one is kept and told with everything that was found, in order of precedence (PIB-1, PIB-2)", async () => {
    const ada = await book.openWallet();
    const [poor] = withdrawal(ada, "5.00").instructions;
    const [same] = transfer(ada, ada, "1.00").instructions;
    const command = posting([poor!, settle("nobody", "1.00"), same!]);
    await expectRejected(book.writer.submit(command), "SAME_ACCOUNT");
    const rows = await book.admin.sql<{ payload: { rejections: { code: string; instructionIndex: number }[] } }[]>`
      select payload from ledger.outbox
      where type = 'posting_instruction_batch.rejected' and key = ${formatId("operation", command.commandId)}`;
    expect(rows).toHaveLength(1);
    expect(rows[0]!.payload.rejections.map(({ code, instructionIndex }) => [code, instructionIndex])).toEqual([
      ["SAME_ACCOUNT", 2],
      ["CLIENT_TRANSACTION_NOT_FOUND", 1],
      ["INSUFFICIENT_FUNDS", 0],
    ]);
  });

  test("may share a client batch id, which is not the key (PIB-3)", async () => {
    const ada = await book.openWallet();
    for (let i = 0; i < 2; i++)
      await expectCompleted(book.writer.submit(deposit(ada, "1.00", { clientBatchId: "day-end" })));
    expect(await book.balanceOf(ada)).toBe("2.00");
  });

  test("a request that is delivered again waits for nothing and gets the answer of the first (IDEM-6)", async () => {
    const ada = await book.fundedWallet("10.00");
    const command = posting([authorise(ada, newHold(), "4.00", { expiresAfterMicros: 60_000_000_000n })]);
    expect(await book.writer.enqueue(command)).toBe("durable");
    await expectCompleted(book.writer.submit(command));
    expect(await book.writer.enqueue(command)).toBe("durable");
    const again = await book.writer.submit({ ...command, createdAt: systemClock.now() });
    expect(again).toMatchObject({ isReplay: true, operation: { status: "COMPLETED" } });
    expect(await netsOf(ada)).toBe("COMMITTED 10.00, PENDING_OUT -4.00");
  });

  test("the same key at another client is another operation (IDEM-1)", async () => {
    const ada = await book.openWallet();
    for (const principal of ["usr_one", "usr_two"])
      await expectCompleted(book.writer.submit(deposit(ada, "1.00", { principal, idempotencyKey: "shared" })));
    expect(await book.balanceOf(ada)).toBe("2.00");
  });
});
