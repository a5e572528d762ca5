// Experiment 2: the CPU budget of one write path with empty business logic.
//
//   accounts batch (n commands + outbox) → relay reads → ledger batch (inbox, operations, postings, outbox) → relay reads
//   → accounts batch (inbox, results). Everything set-based, one transaction a batch, real PostgreSQL with fsync on.
//
// Prints CPU µs per operation of Node and of PostgreSQL (all its processes, from /proc), by batch size; the last line is JSON.
import { startLocalPostgres } from "@florin/local-postgres";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import postgres from "postgres";

const operations = Number(process.env.OPERATIONS ?? 20_000);
const directory = await mkdtemp(join(tmpdir(), "florin-bench-"));
await chmod(directory, 0o755); // as root, PostgreSQL runs as another user that has to pass through
const cluster = await startLocalPostgres({ dataDirectory: join(directory, "data"), logFile: join(directory, "log") });
const sql = postgres(cluster.url, { max: 2, onnotice: () => {} });

await sql.unsafe(`
  create schema one; create schema two;
  create table one.command (id uuid primary key, account uuid not null, amount numeric not null, status text not null) with (fillfactor = 50);
  create table one.outbox (position bigint primary key, id uuid not null, payload jsonb not null);
  create table one.inbox (consumer text, id uuid, primary key (consumer, id));
  create table two.inbox (consumer text, id uuid, primary key (consumer, id));
  create table two.head (batch bigint not null, position bigint not null); insert into two.head values (0, 0);
  create table two.operation (id uuid primary key, amount numeric not null, status text not null);
  create table two.posting (account uuid, account_seq bigint, operation uuid not null, side text not null, amount numeric not null, after numeric not null, primary key (account, account_seq));
  create table two.balance (account uuid primary key, amount numeric not null, account_seq bigint not null) with (fillfactor = 50);
  create table two.outbox (position bigint primary key, id uuid not null, payload jsonb not null);`);

/** CPU microseconds that PostgreSQL's processes have used so far. Its backends are children of the postmaster. */
function postgresCpuMicros() {
  let ticks = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(pid) === cluster.pid)
        ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
      else if (Number(fields[1]) === cluster.pid) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // The process ended between the listing and the reading; what it used is in its parent's account.
    }
  }
  return ticks * 10_000; // clock ticks are 1/100 s
}

const hub = randomUUID();
let position = 0;
let ledgerPosition = 0;
let batchNumber = 0;
let hubSeq = 0;

async function oneBatch(size) {
  const ids = Array.from({ length: size }, () => randomUUID());
  const accounts = Array.from({ length: size }, () => randomUUID());
  const first = position + 1;
  position += size;
  await sql.begin((tx) => [
    tx`insert into one.command select id, account, 1, 'PENDING' from unnest(${ids}::uuid[], ${accounts}::uuid[]) t(id, account)`,
    tx`insert into one.outbox select ${first}::bigint + n - 1, id, jsonb_build_object('account', account)
       from unnest(${ids}::uuid[], ${accounts}::uuid[]) with ordinality t(id, account, n)`,
  ]);
  const commands = await sql`select position, id, payload from one.outbox where position >= ${first} order by position`;
  const event = { ids: commands.map((row) => row.id), accounts: commands.map((row) => row.payload.account) };
  const firstEvent = ledgerPosition + 1;
  ledgerPosition += size;
  batchNumber += 1;
  await sql.begin((tx) => [
    tx`insert into two.inbox select 'ledger', id from unnest(${event.ids}::uuid[]) t(id)`,
    tx`select account, amount, account_seq from two.balance where account = any(${[...event.accounts, hub].sort()}::uuid[]) order by account for update`,
    tx`insert into two.operation select id, 1, 'COMPLETED' from unnest(${event.ids}::uuid[]) t(id)`,
    tx`insert into two.posting select account, 1, id, 'CREDIT', 1, 1 from unnest(${event.ids}::uuid[], ${event.accounts}::uuid[]) t(id, account)
       union all select ${hub}::uuid, ${hubSeq}::bigint + n, id, 'DEBIT', 1, ${hubSeq}::bigint + n from unnest(${event.ids}::uuid[]) with ordinality t(id, n)`,
    tx`insert into two.balance select account, 1, 1 from unnest(${event.accounts}::uuid[]) t(account)
       union all select ${hub}::uuid, ${size}, ${hubSeq + size}
       on conflict (account) do update set amount = balance.amount + excluded.amount, account_seq = excluded.account_seq`,
    tx`insert into two.outbox select ${firstEvent}::bigint + n - 1, id, jsonb_build_object('status', 'COMPLETED') from unnest(${event.ids}::uuid[]) with ordinality t(id, n)`,
    tx`update two.head set batch = ${batchNumber}, position = ${ledgerPosition} where batch = ${batchNumber - 1}`,
  ]);
  hubSeq += size;
  const results = await sql`select id from two.outbox where position >= ${firstEvent} order by position`;
  const done = results.map((row) => row.id);
  await sql.begin((tx) => [
    tx`insert into one.inbox select 'accounts', id from unnest(${done}::uuid[]) t(id)`,
    tx`update one.command set status = 'COMPLETED' where id = any(${done}::uuid[])`,
  ]);
}

const rows = [];
for (const size of [1, 10, 100, 500]) {
  for (let i = 0; i < 5; i++) await oneBatch(size);
  const batches = Math.max(10, Math.floor(Math.min(operations, size * 400) / size));
  const node = process.cpuUsage();
  const database = postgresCpuMicros();
  const begun = performance.now();
  for (let i = 0; i < batches; i++) await oneBatch(size);
  const count = batches * size;
  const used = process.cpuUsage(node);
  const row = {
    batch: size,
    operations: count,
    nodeMicros: Math.round((used.user + used.system) / count),
    postgresMicros: Math.round((postgresCpuMicros() - database) / count),
    perSecond: Math.round((count / (performance.now() - begun)) * 1000),
  };
  rows.push({ ...row, totalMicros: row.nodeMicros + row.postgresMicros });
}
const [{ count: completed }] = await sql`select count(*)::int as count from one.command where status = 'COMPLETED'`;
const [{ version }] = await sql`select version()`;
if (completed !== position) throw new Error(`${completed} of ${position} operations completed`);
console.log(`write path with empty business logic; ${version.split(" on ")[0]}, Node ${process.version}`);
console.table(rows);
console.log(JSON.stringify({ bench: "write-path", budgetMicros: 300, rows }));
await sql.end();
await cluster.stop();
await rm(directory, { recursive: true, force: true });
