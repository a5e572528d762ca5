import { createCheckpointSigner } from "@florin/audit";
import { formatId, formatTransactionId, type Uuid } from "@florin/kernel";
import { createLogger, createMetrics } from "@florin/telemetry";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runFlorin } from "../apps/cli/src/index.js";
import { openCheckpointFile } from "../subgraphs/ledger/src/tasks/checkpoint-file.js";
import { startCheckpoints } from "../subgraphs/ledger/src/tasks/write-checkpoint.js";
import { deposit, expectCompleted, openTestBook, transfer, type TestBook } from "../subgraphs/ledger/test/test-book.js";

// `florin audit`, from a book that its writer booked and its leaseholder signed to proofs that need neither.
const ORIGIN = "florin.test/book/main";
const signer = createCheckpointSigner(ORIGIN, new Uint8Array(32).fill(5));
const key = signer.verifierKey;

let book: TestBook;
let directory: string;
let payer: Uuid;
const inDirectory = (name: string) => join(directory, name);

beforeAll(async () => {
  [book, directory] = await Promise.all([openTestBook(), mkdtemp(join(tmpdir(), "florin-audit-"))]);
  payer = await book.fundedWallet("100.00");
  const payee = await book.openWallet();
  const details = { note: "rent\u2028März" };
  await expectCompleted(book.writer.submit(transfer(payer, payee, "30.00", { details })));
  await sign();
  await expectCompleted(book.writer.submit(deposit(payee, "1.00")));
  await sign();
});
afterAll(async () => {
  await book.stop();
  await rm(directory, { recursive: true });
});

async function sign(): Promise<void> {
  const path = inDirectory("checkpoints.jsonl");
  const task = startCheckpoints({
    database: book.admin,
    isLeader: () => true,
    signer,
    origin: ORIGIN,
    file: { path, store: openCheckpointFile(path) },
    logger: createLogger({ name: "test", level: "silent" }),
    metrics: createMetrics({ processMetrics: false }),
    everyMs: 0,
  });
  await task.write();
}

async function florin(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const exitCode = await runFlorin(["audit", ...args], {
    environment: { databaseUrl: args.includes("--live") || args[0] !== "verify" ? book.url : undefined },
    write: (text) => void (out += text),
    writeError: (text) => void (err += text),
  });
  return { exitCode, out, err };
}

test("AUD-3: an export is verified with no server, as a table and as JSON", async () => {
  const file = inDirectory("book.jsonl");
  expect(await florin("export", "--to", file, "--with-free-text")).toMatchObject({ exitCode: 0, err: "" });
  const table = await florin("verify", file, "--public-key", key, "--checkpoints", inDirectory("checkpoints.jsonl"));
  expect(table).toMatchObject({ exitCode: 0, err: "" });
  expect(table.out).toMatch(/records +5, up to seq 5 /);
  expect(table.out).toMatch(/checkpoints that fit +4, up to seq 5/);
  expect(table.out).toMatch(/their signatures +checked/);
  expect(table.out).toMatch(/free text +1 proven, 0 erased/);
  const json = await florin("verify", file, "--output", "json");
  expect(JSON.parse(json.out)).toMatchObject({ findings: [], records: 5, areSignaturesChecked: false });
  // What is there is not written over, and without free text nothing of it leaves the database.
  expect(await florin("export", "--to", file)).toMatchObject({ exitCode: 1, err: expect.stringContaining("EEXIST") });
  const bare = await florin("export");
  expect(bare.out).not.toContain("rent");
  expect(bare.out.split("\n")).toHaveLength(1 + 2 + 5 + 1 + 1);
});

test("audit.tamper: a changed export, and changed tables, are named by record; a rewritten history by a checkpoint kept elsewhere", async () => {
  const { out } = await florin("export");
  const changed = inDirectory("changed.jsonl");
  const amount = /"seq":"4".*"amount":"([0-9.]+)"/.exec(out)?.[1] ?? "";
  await writeFile(changed, out.replaceAll(`"amount":"${amount}"`, `"amount":"${amount}1"`));
  const offline = await florin("verify", changed);
  expect(offline).toMatchObject({ exitCode: 1, err: expect.stringContaining("from seq 4 on") });
  expect(offline.out).toContain("AUD-1");

  await book.admin.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update ledger.posting set value_at = value_at - interval '1 microsecond' where seq = 4 and side = 'DEBIT'`;
  });
  const live = await florin("verify", "--live", "--output", "json");
  expect(live.exitCode).toBe(1);
  expect(JSON.parse(live.out)).toMatchObject({ firstBadSeq: "4", findings: [{ seq: "4", rule: "AUD-1" }] });
  await book.admin.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update ledger.posting set value_at = value_at + interval '1 microsecond' where seq = 4 and side = 'DEBIT'`;
  });
  expect(await florin("verify", "--live", "--public-key", key)).toMatchObject({ exitCode: 0 });

  const other = inDirectory("other.jsonl");
  const forged = signer.sign({
    origin: ORIGIN,
    size: 4,
    root: new Uint8Array(32),
    seq: 4n,
    link: new Uint8Array(32),
    knownAt: "2026-01-01T00:00:00.000000Z",
  });
  await writeFile(other, `{"half\n${JSON.stringify({ checkpoint: forged })}\n`);
  const caught = await florin("verify", "--live", "--checkpoints", other, "--public-key", key);
  expect(caught).toMatchObject({ exitCode: 1, err: expect.stringContaining("line 1 is no checkpoint") });
  expect(caught.out).toMatch(/4 +AUD-2 +the chain is not what it was/);
});

test.each([
  ["seq = seq + 1", "is not what its signed text says"],
  ["size = size - 2", "is not what its signed text says"],
  ["root = sha256(root)", "is not what its signed text says"],
  ["tree = tree || root", "is not what its signed text says"],
  ["note = replace(note, 'seq', 'sec')", "cannot be read"],
])("audit.tamper: a stored checkpoint with %s is named, and nothing is signed over it", async (change, what) => {
  const setLast = (expression: string) =>
    book.admin.transaction(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx.unsafe(`create table if not exists public.kept as select * from ledger.audit_checkpoint`);
      await tx.unsafe(`update ledger.audit_checkpoint set ${expression} where seq = 5`);
    });
  await setLast(change);
  const { out, exitCode } = await florin("verify", "--live", "--output", "json");
  expect(exitCode).toBe(1);
  expect(out).toContain(what);
  await expect(sign()).rejects.toThrow("florin audit verify --live");
  await book.admin.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`delete from ledger.audit_checkpoint`;
    await tx`insert into ledger.audit_checkpoint select * from public.kept`;
    await tx`drop table public.kept`;
  });
  expect(await florin("verify", "--live")).toMatchObject({ exitCode: 0 });
});

test("AUD-3: prove and verify-proof, out of the tables and out of an export", async () => {
  const [row] = await book.admin.sql<{ batchId: Uuid; operationId: Uuid }[]>`
    select batch_id as "batchId", operation_id as "operationId" from ledger.posting_instruction_batch where seq = 4`;
  const file = inDirectory("for-proofs.jsonl");
  await florin("export", "--to", file);
  const subjects = [
    formatTransactionId(payer, 2n),
    formatId("batch", row!.batchId),
    formatId("operation", row!.operationId),
    formatId("account", payer),
  ];
  for (const subject of subjects) {
    const live = await florin("prove", subject);
    const offline = await florin("prove", subject, "--export", file);
    expect(live).toMatchObject({ exitCode: 0, err: "" });
    expect(offline.out).toBe(live.out);
    const proof = inDirectory("proof.json");
    await writeFile(proof, live.out);
    const verified = await florin("verify-proof", proof, "--public-key", key);
    expect(verified).toMatchObject({ exitCode: 0, err: "" });
    expect(verified.out).toMatch(/record +seq 4, /);
  }
  const proof = inDirectory("balance.json");
  await florin("prove", formatId("account", payer), "--to", proof);
  const { out } = await florin("verify-proof", proof, "--public-key", inDirectory("checkpoints.jsonl.key"));
  expect(out).toMatch(/balance behind it +70\.0+ committed/);
  const json = await florin("verify-proof", proof, "--public-key", key, "--output", "json");
  expect(JSON.parse(json.out)).toMatchObject({ subject: { kind: "posting", accountSeq: "2" }, record: { seq: "4" } });
  await writeFile(proof, (await readFile(proof, "utf8")).replace("DEBIT", "DEBIU"));
  const refused = await florin("verify-proof", proof, "--public-key", key);
  expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining("Not proven") });
});

test.each([
  [[], "audit alone is no action"],
  [["verify"], "Verify an export, or --live"],
  [["verify", "x", "--live"], "Verify an export, or --live"],
  [["prove", "usr_x"], "cannot be proven"],
  [["verify-proof", "x"], "--public-key"],
  [["verify", "x", "--output", "xml"], "--output takes json"],
  [["export", "x"], "--to x"],
  [["verify", "x", "--lunch"], "--lunch"],
])("what is asked for wrongly is a misuse: %j", async (args, why) => {
  expect(await florin(...args)).toMatchObject({ exitCode: 2, err: expect.stringContaining(why) });
});

test("what is not there cannot be proven, and is said in words", async () => {
  const missing = formatId("account", "0190a2b4-7c1d-7e3f-8a5b-00000000000a" as Uuid);
  expect(await florin("prove", missing)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("under the last checkpoint"),
  });
  const empty = await openTestBook();
  const before = book;
  book = empty;
  expect(await florin("prove", missing)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("Nothing is signed yet"),
  });
  book = before;
  await empty.stop();
});
