import { chown, stat, statfs } from "node:fs/promises";
import { connectDatabase } from "@florin/db";
import { RequestError } from "@florin/kernel";
import { eventually, startSmallDisk, type SmallDisk } from "@florin/testkit";
import type { PostingCommand } from "../src/writer/command.js";
import { deposit, openTestBook, type TestBook } from "./test-book.js";

// The tables that grow with each posting stand on a small disk of their own. PostgreSQL then refuses with 53100 and stays up; a full disk
// under its log would stop it, and that is what docs/failover.md is about.

const MIB = 1024 * 1024;
const describeAsRoot = process.getuid?.() === 0 ? describe : describe.skip;
let disk: SmallDisk | undefined;
let book: TestBook;

async function moveToDisk(path: string): Promise<void> {
  const [server] = await book.admin.sql<{ directory: string }[]>`select current_setting('data_directory') as directory`;
  const { uid, gid } = await stat(server!.directory);
  await chown(path, uid, gid);
  await book.admin.sql.unsafe(`create tablespace ${tablespace} location '${path}'`);
  for (const table of ["posting", "posting_instruction", "outbox"])
    await book.admin.sql.unsafe(`alter table ledger.${table} set tablespace ${tablespace}`);
}

/** No byte more than what is used. */
async function fill(small: SmallDisk): Promise<void> {
  const { bsize, blocks, bfree } = await statfs(small.path);
  await small.resize((blocks - bfree) * bsize);
}

const tablespace = `small_disk_${process.pid}`;

describeAsRoot("a disk that is full", () => {
  beforeEach(async () => {
    book = await openTestBook({ commandTimeoutMs: 2_000 });
    disk = await startSmallDisk(64 * MIB);
  });
  afterEach(async () => {
    await book.stop();
    const cluster = connectDatabase({
      url: process.env["FLORIN_TEST_CLUSTER_URL"]!,
      applicationName: "test",
      maxConnections: 1,
    });
    await cluster.sql.unsafe(`drop tablespace if exists ${tablespace}`);
    await cluster.stop();
    await disk?.stop();
  });

  test("stops deposits without refusing or losing one; with room again the same keys go through, once", async () => {
    if (disk === undefined) return console.warn("skipped: this container may not mount a tmpfs");
    const ada = await book.openWallet();
    await moveToDisk(disk.path);
    await fill(disk);

    const acknowledged: PostingCommand[] = [];
    const unknown: PostingCommand[] = [];
    const told = new Set<unknown>();
    await eventually(async () => {
      const commands = Array.from({ length: 50 }, () => deposit(ada, "1.00"));
      await Promise.all(
        commands.map(async (command) => {
          try {
            const outcome = await book.writer.submit({ ...command });
            told.add(outcome.kind === "operation" ? outcome.operation.status : outcome.kind);
            acknowledged.push(command);
          } catch (error) {
            told.add(error instanceof RequestError ? error.code : error);
            unknown.push(command);
          }
        }),
      );
      return unknown.length > 0;
    }, 45_000);
    told.delete("COMPLETED"); // while the last pages had room
    expect([...told]).toEqual(["TEMPORARILY_UNAVAILABLE"]);

    await disk.resize(64 * MIB);
    for (const command of [...unknown, ...acknowledged]) {
      await eventually(() =>
        book.writer.submit({ ...command }).then(
          (outcome) => outcome.kind === "operation" && outcome.operation.status === "COMPLETED",
          () => false,
        ),
      );
    }
    expect(await book.balanceOf(ada)).toBe(`${acknowledged.length + unknown.length}.00`);
    expect(await book.findings()).toEqual([]);
  });
});
