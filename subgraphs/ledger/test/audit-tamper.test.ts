import {
  canonicalJson,
  createHistoryCheck,
  GENESIS,
  linkOf,
  recordText,
  type AuditJson,
  type Checkpoint,
  type HistoryReport,
} from "@florin/audit";
import type { Transaction } from "@florin/db";
import { readAuditRecords } from "@florin/db/ledger";
import { instantFromMicros } from "@florin/kernel";
import fc from "fast-check";
import {
  deposit,
  expectCompleted,
  expectRejected,
  openTestBook,
  posting,
  transfer,
  usd,
  withdrawal,
  type TestBook,
} from "./test-book.js";
import { terms } from "./terms-harness.js";

// audit.tamper, of the tables. Of exports and proofs: packages/audit/test/tamper-export.test.ts.
const BOOK = 1;
const tables = ["posting_instruction_batch", "posting_instruction", "posting", "operation", "resource_change"];
/** Where events stand in the outbox is no part of what was booked: INV-4's rule on positions looks after it (docs/invariants.md, I7). */
const unaudited = new Set(["posting_instruction_batch.outbox_position"]);

let book: TestBook;
beforeAll(async () => {
  book = await openTestBook();
  await bookEverything(book);
  await book.writer.stop(5_000); // or its lease would be renewed in the head, which is changed here too
});
afterAll(() => book.stop());

/** Every kind of record and every column filled somewhere. */
async function bookEverything({ writer, openWallet, fundedWallet }: TestBook): Promise<void> {
  const [payer, payee] = [await fundedWallet("100.00"), await openWallet()];
  const details = { note: 'rent "März" 🏠', n: 1.5, list: [null, true, { b: 1, a: "x" }] };
  await expectCompleted(writer.submit(transfer(payer, payee, "10.00", { details, clientBatchId: "march" })));
  await expectRejected(writer.submit(withdrawal(payer, "1000.00", { details: { secret: 1 } })), "INSUFFICIENT_FUNDS");
  const hold = {
    type: "OUTBOUND_AUTHORISATION",
    target: { accountId: payer },
    counterparty: { internalCode: "CASH_OUT" },
    money: usd("20.00"),
    clientTransactionId: "hold-1",
    details: { merchant: "Café" },
    paymentDevice: "card-1",
    advice: true,
    expiresAfterMicros: 3_600_000_000n,
  } as const;
  await expectCompleted(writer.submit(posting([hold], { type: "PAYMENT" })));
  const settlement = { type: "SETTLEMENT", clientTransactionId: "hold-1", amount: "25.00", final: true } as const;
  await expectCompleted(writer.submit(posting([settlement], { type: "PAYMENT" })));
  const late = deposit(payee, "5.00", { valueAt: instantFromMicros(BigInt(Date.now()) * 1000n) });
  await expectCompleted(writer.submit(late));
  await expectCompleted(
    writer.submit(posting([], { type: "REVERSAL", reversal: { id: late.commandId, mode: "NOW" } })),
  );
  const wallet = await fundedWallet("1.00");
  await writer.submit(terms({ type: "flag", accountId: wallet, name: "VIP", value: true }));
  await writer.submit(
    terms({ type: "restriction", code: "NOBODY_DEFINED_IT", target: { level: "ACCOUNT", accountId: wallet } }),
  );
}

async function check(tx: Transaction, checkpoints: readonly Checkpoint[] = []): Promise<HistoryReport> {
  const history = createHistoryCheck({ checkpoints });
  for await (const item of readAuditRecords(tx, { bookId: BOOK }))
    if (item.kind === "record") history.add(item.entry);
    else history.addStray(item.seq, item.what);
  return history.finish();
}

const inSnapshot = <T>(work: (tx: Transaction) => Promise<T>): Promise<T> =>
  book.admin.transaction(async (tx) => {
    await tx`set transaction isolation level repeatable read`;
    return await work(tx);
  });

test("AUD-1, INV-4: what the writer booked is what it chained, record by record, and the books count up", async () => {
  const report = await inSnapshot(check);
  expect(report).toMatchObject({ findings: [], unchained: 0 });
  expect(report.records).toBeGreaterThanOrEqual(11);
  expect(report.freeTextsProven).toBeGreaterThanOrEqual(3);
  const [head] = await book.admin.sql<{ seq: bigint; link: Uint8Array }[]>`select seq, link from ledger.head`;
  expect({ seq: head?.seq.toString(), link: Buffer.from(report.link) }).toEqual({
    seq: report.lastSeq,
    link: head && Buffer.from(head.link),
  });
});

test("AUD-1: free JSON that has been in a jsonb column has the text that it had when it was hashed", async () => {
  const any = fc.jsonValue({ stringUnit: "grapheme", maxDepth: 4 });
  const values = fc.sample(any, 500).map((value) => JSON.stringify(value));
  const rows = await book.admin.sql<{ stored: AuditJson }[]>`
    select value::jsonb as stored from unnest(${values}::text[]) with ordinality as v (value, place) order by place`;
  expect(rows.map(({ stored }) => canonicalJson(stored))).toEqual(
    values.map((text) => canonicalJson(JSON.parse(text))),
  );
});

/** An expression that is another value of the same type, as near to the old one as it gets; of null, some value. */
const other: Readonly<Record<string, (column: string) => string>> = {
  uuid: (c) =>
    `overlay(coalesce(${c}, gen_random_uuid())::text placing case right(${c}::text, 1) when '0' then '1' else '0' end from 36)::uuid`,
  text: (c) => `coalesce(overlay(${c} placing case left(${c}, 1) when 'A' then 'B' else 'A' end from 1 for 1), 'A')`,
  int2: (c) => `coalesce(${c}, 0) + 1`,
  int4: (c) => `coalesce(${c}, 0) + 1`,
  int8: (c) => `coalesce(${c}, 0) + 1000`,
  numeric: (c) => `coalesce(${c} + 0.0000001, 1)`,
  timestamptz: (c) => `coalesce(${c}, now()) + interval '1 microsecond'`,
  jsonb: (c) =>
    `case when jsonb_typeof(${c}) = 'object' then ${c} || '{"x": 1}' else coalesce(${c}, '[]') || '[1]' end`,
  bytea: (c) => `coalesce(set_byte(${c}, 0, get_byte(${c}, 0) # 1), decode(repeat('00', 32), 'hex'))`,
};

interface Target {
  readonly table: string;
  readonly column: string;
  readonly isNull: boolean;
  readonly ctid: string;
  readonly seq: bigint;
}

/** Of each audited column a row where it is filled and one where it is empty, with the seq of the record that the row is part of. */
async function listTargets(tx: Transaction): Promise<(Target & { readonly type: string })[]> {
  const columns = await tx<{ table: string; column: string; type: string }[]>`
    select table_name as "table", column_name as "column", udt_name as type from information_schema.columns
    where table_schema = 'ledger' and table_name = any(${tables}) order by table_name, ordinal_position`;
  const seqOf: Readonly<Record<string, string>> = {
    posting_instruction: "(select k.seq from ledger.posting_instruction_batch k where k.batch_id = t.batch_id)",
    operation: "(select k.seq from ledger.posting_instruction_batch k where k.batch_id = t.batch_id)",
  };
  const targets: (Target & { type: string })[] = [];
  for (const { table, column, type } of columns.filter(({ table, column }) => !unaudited.has(`${table}.${column}`)))
    for (const isNull of [false, true]) {
      const [row] = await tx.unsafe<{ ctid: string; seq: bigint }[]>(
        `select t.ctid::text, ${seqOf[table] ?? "t.seq"} as seq from ledger.${table} t
         where t.${column} is ${isNull ? "" : "not"} null
           ${table === "operation" ? "and t.batch_id is not null" : ""} order by 2 limit 1`,
      );
      if (row !== undefined) targets.push({ table, column, isNull, type, ...row });
    }
  return targets;
}

/** As a superuser with triggers, keys and checks out of the way; undone in the end. */
async function dropDefences(tx: Transaction): Promise<void> {
  await tx`set local session_replication_role = replica`;
  const constraints = await tx<{ statement: string }[]>`
    select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) as statement
    from pg_constraint where contype in ('c', 'u', 'f') and conrelid = any(${tables.map((name) => `ledger.${name}`)}::regclass[])`;
  for (const { statement } of constraints) await tx.unsafe(statement);
}

test("audit.tamper: any changed column of any audited table is named, with the first bad seq", async () => {
  const missed: string[] = [];
  const filled = new Set<string>();
  await inSnapshot(async (tx) => {
    const targets = await listTargets(tx);
    await dropDefences(tx);
    for (const { table, column, isNull, type, ctid, seq } of targets) {
      const expression = other[type]?.(column);
      if (expression === undefined) throw new Error(`say how a ${type} is changed: ${table}.${column}`);
      if (!isNull) filled.add(`${table}.${column}`);
      const report = await inTrial(tx, async (step) => {
        const changed = await step.unsafe(
          `update ledger.${table} set ${column} = ${expression} where ctid = '${ctid}' returning 1`,
        );
        expect(changed).toHaveLength(1);
        return await check(step);
      });
      if (report.firstBadSeq !== seq.toString())
        missed.push(
          `${table}.${column}${isNull ? " (was null)" : ""} of seq ${seq}: ${JSON.stringify(report.findings)}`,
        );
    }
    throw new Rollback();
  }).catch(ignoreRollback);
  expect(missed).toEqual([]);
  expect(filled.size).toBeGreaterThan(60);
});

class Rollback extends Error {}
const ignoreRollback = (error: unknown): void => {
  if (!(error instanceof Rollback)) throw error;
};

/** Runs in a savepoint and takes back what was done. */
async function inTrial<T>(tx: Transaction, work: (step: Transaction) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  await tx
    .savepoint(async (step) => {
      result = { value: await work(step as Transaction) };
      throw new Rollback();
    })
    .catch(ignoreRollback);
  return result!.value;
}

test("audit.tamper: tables that were rewritten and chained again verify by themselves, and not against an older checkpoint", async () => {
  await inSnapshot(async (tx) => {
    const { link, lastSeq, knownAt, treeSize, treeRoot } = await check(tx);
    const kept: Checkpoint = {
      origin: "florin.test/book/main",
      size: treeSize,
      root: treeRoot,
      seq: BigInt(lastSeq!),
      link,
      knownAt: knownAt!,
    };
    expect(await check(tx, [kept])).toMatchObject({ findings: [], checkpointsFitted: 1 });
    await tx`set local session_replication_role = replica`;
    await tx`update ledger.operation set principal = 'usr_somebody_else' where type = 'BOOK_TRANSFER'`;
    await chainAgain(tx);
    expect(await check(tx)).toMatchObject({ findings: [] });
    const caught = await check(tx, [kept]);
    expect(caught.findings).toMatchObject([{ seq: lastSeq, rule: "AUD-2" }]);
    throw new Rollback();
  }).catch(ignoreRollback);
});

async function chainAgain(tx: Transaction): Promise<void> {
  let link = GENESIS;
  const seqs: { readonly seq: string; readonly link: Buffer }[] = [];
  for await (const item of readAuditRecords(tx, { bookId: BOOK }))
    if (item.kind === "record") {
      link = linkOf(link, recordText(item.entry.record));
      seqs.push({ seq: item.entry.record.seq, link: Buffer.from(link) });
    }
  for (const { seq, link } of seqs) {
    await tx`update ledger.posting_instruction_batch set link = ${link} where seq = ${seq}::bigint`;
    await tx`update ledger.resource_change set link = ${link} where seq = ${seq}::bigint`;
  }
  await tx`update ledger.head set link = ${Buffer.from(link)}`;
}

test.each(tables)("audit.tamper: a row of %s that is gone, or one more, is named", async (table) => {
  await inSnapshot(async (tx) => {
    await dropDefences(tx);
    const firstBad = async (statement: string) =>
      (
        await inTrial(tx, async (step) => {
          await step.unsafe(statement);
          return await check(step);
        })
      ).firstBadSeq;
    const which = `(select ctid from ledger.${table} ${table === "operation" ? "where batch_id is not null" : ""} limit 1)`;
    expect(await firstBad(`delete from ledger.${table} where ctid = ${which}`)).toBeDefined();
    await tx.unsafe(`create temp table one_more on commit drop as select * from ledger.${table} where ctid = ${which}`);
    if (table === "operation") await tx`update one_more set operation_id = gen_random_uuid()`;
    if (table === "posting_instruction") await tx`update one_more set ordinal = ordinal + 1`;
    if (table === "posting") await tx`update one_more set account_seq = account_seq + 1000`;
    if (table === "resource_change") await tx`update one_more set seq = seq + 1000`;
    if (table === "posting_instruction_batch")
      await tx`update one_more set seq = seq + 1000, batch_id = gen_random_uuid(), outbox_position = null`;
    expect(await firstBad(`insert into ledger.${table} select * from one_more`)).toBeDefined();
    throw new Rollback();
  }).catch(ignoreRollback);
});

test.each(["seq = seq + 1", "known_at = known_at + interval '1 microsecond'", "link = sha256(link)"])(
  "audit.tamper: a head that is not the last record's is named: %s",
  async (change) => {
    await inSnapshot(async (tx) => {
      await tx.unsafe(`update ledger.head set ${change}`);
      const { findings, lastSeq } = await check(tx);
      expect(findings).toMatchObject([{ seq: lastSeq, what: expect.stringContaining("the head of the book") }]);
      throw new Rollback();
    }).catch(ignoreRollback);
  },
);

test("AUD-4: erasing what was written freely leaves a chain that verifies, and nothing of the text", async () => {
  await inSnapshot(async (tx) => {
    const before = await check(tx);
    const [erased] = await tx<{ count: number }[]>`
      select ledger.erase_free_text(${BOOK}::smallint, array(select batch_id from ledger.posting_instruction_batch)) as count`;
    expect(erased?.count).toBe(before.freeTextsProven);
    expect(await check(tx)).toMatchObject({
      findings: [],
      freeTextsProven: 0,
      freeTextsAbsent: before.freeTextsProven,
      link: before.link,
    });
    const left = await tx`
      select from ledger.posting_instruction_batch where details is not null or details_salt is not null or proposed <> 'null'
      union all select from ledger.posting_instruction where details is not null`;
    expect(left).toHaveLength(0);
    throw new Rollback();
  }).catch(ignoreRollback);
});

test("AUD-4: erasure is the one change that these rows know: of nothing else, and not back", async () => {
  const batch = "update ledger.posting_instruction_batch set";
  for (const change of [
    `${batch} details = '{"other": 1}' where details is not null`,
    `${batch} details = null, details_salt = null, status = 'REJECTED'`,
    `${batch} details_digest = null`,
    "update ledger.posting_instruction set type = 'OTHER', details = null",
    "delete from ledger.posting_instruction",
  ])
    await expect(book.admin.sql.unsafe(change)).rejects.toThrow("is append-only");
});

test("AUD-4: the platform's own role may not erase", async () => {
  const attempt = book.admin.transaction(async (tx) => {
    await tx`set local role florin_ledger`;
    await tx`select ledger.erase_free_text(${BOOK}::smallint, '{}')`;
  });
  await expect(attempt).rejects.toThrow("permission denied for function erase_free_text");
});

test.each([
  "principal",
  "idempotency_key",
  "fingerprint",
  "type",
  "status",
  "rejection_code",
  "account_id",
  "created_at",
  "completed_at",
])("audit.tamper: an operation that is no batch's is held against its own record: %s", async (column) => {
  await inSnapshot(async (tx) => {
    await dropDefences(tx);
    const [{ type }] = await tx<[{ type: string }]>`
        select udt_name as type from information_schema.columns
        where table_schema = 'ledger' and table_name = 'operation' and column_name = ${column}`;
    const row = "(select ctid from ledger.operation where batch_id is null order by status limit 1)";
    await tx.unsafe(`update ledger.operation set ${column} = ${other[type]!(column)} where ctid = ${row}`);
    expect((await check(tx)).findings.map(({ what }) => what).join()).toContain(
      "of no batch, is not as its record tells",
    );
    throw new Rollback();
  }).catch(ignoreRollback);
});

test("audit.tamper: an operation that is no batch's and is gone is missed", async () => {
  await inSnapshot(async (tx) => {
    await dropDefences(tx);
    await tx`delete from ledger.operation where batch_id is null`;
    expect((await check(tx)).findings.map(({ what }) => what).join()).toContain(
      "of no batch, is not as its record tells",
    );
    throw new Rollback();
  }).catch(ignoreRollback);
});
