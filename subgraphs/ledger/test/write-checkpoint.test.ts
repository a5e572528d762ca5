import { createCheckpointSigner, createHistoryCheck, parseCheckpoint, verifyCheckpoint } from "@florin/audit";
import type { Transaction } from "@florin/db";
import { listCheckpointNotes, readAuditRecords } from "@florin/db/ledger";
import { createLogger, createMetrics } from "@florin/telemetry";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpointFile } from "../src/tasks/checkpoint-file.js";
import { HistoryChanged, startCheckpoints, type CheckpointTask } from "../src/tasks/write-checkpoint.js";
import { deposit, expectCompleted, openTestBook, type TestBook } from "./test-book.js";

const ORIGIN = "florin.test/book/main";
const signer = createCheckpointSigner(ORIGIN, new Uint8Array(32).fill(4));

let book: TestBook;
let directory: string;
let path: string;
beforeEach(async () => {
  [book, directory] = await Promise.all([openTestBook(), mkdtemp(join(tmpdir(), "florin-checkpoints-"))]);
  path = join(directory, "checkpoints.jsonl");
});
afterEach(async () => {
  await book.stop();
  await rm(directory, { recursive: true });
});

function start(): CheckpointTask & { readonly metrics: ReturnType<typeof createMetrics> } {
  const metrics = createMetrics({ processMetrics: false });
  const task = startCheckpoints({
    database: book.admin,
    isLeader: () => true,
    signer,
    origin: ORIGIN,
    file: { path, store: openCheckpointFile(path) },
    logger: createLogger({ name: "test", level: "silent" }),
    metrics,
    everyMs: 0,
  });
  return { ...task, metrics };
}

const notesInFile = async () =>
  (await readFile(path, "utf8")).split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line).checkpoint]));

test("AUD-2: checkpoints go on from each other across restarts, stand in two places, and the history fits them all", async () => {
  const accountId = await book.fundedWallet("10.00");
  expect(await start().write()).toBe(2n);
  expect(await start().write()).toBe(2n);
  for (let n = 0; n < 5; n++) await expectCompleted(book.writer.submit(deposit(accountId, "1.00")));
  expect(await start().write()).toBe(7n);

  const notes = await listCheckpointNotes(book.admin.sql, 1);
  expect(notes.map((note) => verifyCheckpoint(note, signer.verifierKey))).toMatchObject([
    { seq: 2n, size: 2 },
    { seq: 7n, size: 7 },
  ]);
  expect(await notesInFile()).toEqual(notes);
  expect(await readFile(`${path}.key`, "utf8")).toBe(`${signer.verifierKey}\n`);
  const history = createHistoryCheck({ checkpoints: notes.map(parseCheckpoint) });
  await book.admin.transaction(async (tx: Transaction) => {
    for await (const item of readAuditRecords(tx, { bookId: 1 })) if (item.kind === "record") history.add(item.entry);
  });
  expect(history.finish()).toMatchObject({ findings: [], checkpointsFitted: 2, treeSize: 7 });
});

test("AUD-2: what the file lacks after a crash is appended, behind a line that was cut off", async () => {
  await book.fundedWallet("10.00");
  await start().write();
  const [note] = await listCheckpointNotes(book.admin.sql, 1);
  await rm(path);
  await appendFile(path, '{"checkpoint":"half');
  await start().write();
  const [half, whole] = (await readFile(path, "utf8")).split("\n");
  expect(half).toBe('{"checkpoint":"half');
  expect(JSON.parse(whole ?? "")).toEqual({ checkpoint: note });
});

test("AUD-2: a history that was rewritten, checkpoints in the database and all, is not signed over", async () => {
  await book.fundedWallet("10.00");
  const task = start();
  await task.write();
  await book.admin.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`delete from ledger.audit_checkpoint`;
    await tx`update ledger.posting_instruction_batch set link = sha256(link)`;
  });
  await expect(task.write()).rejects.toThrow(HistoryChanged);
  expect(await listCheckpointNotes(book.admin.sql, 1)).toEqual([]);
});

test("AUD-2: a record that is missing in the order is not passed over", async () => {
  await book.fundedWallet("10.00");
  await start().write();
  await book.fundedWallet("10.00");
  await book.admin.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`delete from ledger.resource_change where seq = 3`;
  });
  await expect(start().write()).rejects.toThrow("Record 3 is missing before 4");
});

test("AUD-2: a book without records has no checkpoint, and a table of them is append-only", async () => {
  expect(await start().write()).toBeUndefined();
  await book.fundedWallet("1.00");
  await start().write();
  await expect(book.admin.sql`update ledger.audit_checkpoint set note = ''`).rejects.toThrow("append-only");
});
