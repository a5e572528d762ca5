import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { connectDatabase, type Database } from "@florin/db";
import { formatId, type Uuid } from "@florin/kernel";
import {
  checkBooks,
  checkIdempotentHistory,
  COMMIT_COMPLETE,
  createHistory,
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startTcpProxy,
  startTestRedis,
  type FlorinCluster,
  type FlorinPart,
  type History,
  type StoredOperation,
  type TcpProxy,
} from "@florin/testkit";
import { createPatientClient, EXPECTED, type PatientClient } from "./patient-client.js";

/**
 * Two ledger processes on one book, and whoever writes is struck down.
 *
 * Clients deposit, withdraw and transfer through the gateway, half of the calls with `waitMs: 0`, each operation under a key of its own,
 * and ask again under that key until the answer is final. Each round strikes the process that holds the lease:
 *
 *   kill    SIGKILL; started again when the other one leads
 *   cut     its database socket dies between a COMMIT and its answer
 *   freeze  SIGSTOP for longer than the lease, and woken when the other one leads
 *
 * Oracle: what the clients were told. Every operation told as COMPLETED is there once, every one told as REJECTED did not happen, and
 * each wallet holds exactly what its owner's completed operations add up to; then the books' own rules.
 *
 * The control has the fence off and the unique keys behind it dropped: a frozen writer that wakes goes on writing beside its heir, and
 * the same judgement must find something. It finds the book's order broken: two records with one number, two events at one position,
 * known_at going back. Not the balances: each still moves on only from where its writer saw it (MEMORY_STALE), which is kept here.
 */
export interface TwoWritersOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly control?: boolean;
  readonly onProgress?: (line: string) => void;
}

export interface TwoWritersReport {
  readonly seed: number;
  readonly rounds: number;
  readonly operations: number;
  readonly completed: number;
  readonly rejected: number;
  readonly struck: Readonly<Record<Strike, number>>;
  /** From the blow to a head that shows the other process. */
  readonly takeoverMs: { readonly max: number; readonly p50: number; readonly count: number };
  /** What clients met on the way, by kind. */
  readonly met: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

type Strike = "kill" | "cut" | "freeze";

const LEASE_MS = 1_000;
const TAKEOVER_LIMIT_MS = 5_000;
const PEOPLE = 4;
const CLIENTS = 12;
const BETWEEN_OPERATIONS_MS = 20;
const OPERATIONS_BETWEEN_ROUNDS = 40;
const GOES_ON_WITHIN_MS = 60_000;
const TOO_MANY_CENTS = "999999900";
/** Access tokens live ten minutes. */
const TOKEN_AGE_MS = 4 * 60_000;
const STRIKES: readonly Strike[] = ["kill", "freeze", "cut"];

export async function runTwoWriters(options: TwoWritersOptions): Promise<TwoWritersReport> {
  const testDatabase = await createTestDatabase();
  const redis = await startTestRedis();
  const proxies: TcpProxy[] = [];
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "two-writers-oracle", maxConnections: 2 });
  let cluster: FlorinCluster | undefined;
  try {
    const { hostname, port } = new URL(testDatabase.url);
    for (let index = 0; index < 2; index++)
      proxies.push(await startTcpProxy({ target: { host: hostname, port: Number(port) } }));
    if (options.control === true) await dropSecondFence(admin);
    cluster = await startFlorinCluster({
      databaseUrl: testDatabase.url,
      redisUrl: redis.url,
      ledgers: 2,
      environment: { LOG_LEVEL: "info", FLORIN_LEASE_MS: String(LEASE_MS) },
      environmentOf: (kind, index) =>
        kind === "ledger"
          ? {
              DATABASE_URL: proxies[index]?.url(testDatabase.url),
              ...(options.control === true ? { FLORIN_UNSAFE_NO_FENCE: "1" } : {}),
            }
          : undefined,
    });
    return await strikeInTurn({ cluster, proxies, admin, url: testDatabase.url }, options);
  } finally {
    await cluster?.stop();
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await admin.stop();
    await redis.stop();
    await testDatabase.drop();
  }
}

/** For controls. */
export const SECOND_FENCE_DOWN = `
  alter table ledger.posting_instruction_batch drop constraint if exists posting_instruction_batch_book_id_seq_key;
  alter table ledger.operation drop constraint if exists operation_pkey,
    drop constraint if exists operation_principal_idempotency_key_key;
  drop index if exists ledger.posting_instruction_batch_outbox_position;
  alter table ledger.outbox drop constraint if exists outbox_position_key;`;

interface Stage {
  readonly cluster: FlorinCluster;
  readonly proxies: readonly TcpProxy[];
  readonly admin: Database;
  readonly url: string;
}

/** What stands behind the head row: with it, a second writer's commit is refused by the database itself. */
async function dropSecondFence({ sql }: Database): Promise<void> {
  await sql.unsafe(SECOND_FENCE_DOWN);
}

async function strikeInTurn(stage: Stage, options: TwoWritersOptions): Promise<TwoWritersReport> {
  const urls = stage.cluster.gateways.map((part) => part.url);
  const client = createPatientClient(urls);
  const people = await registerPeople(createPatientClient(urls), client);
  const load = startLoad(client, people);
  const struck: Record<Strike, number> = { kill: 0, cut: 0, freeze: 0 };
  const takeovers: number[] = [];
  const violations: string[] = [];
  try {
    for (let round = 0; round < options.rounds; round++) {
      // The control needs a writer that wakes beside its heir.
      const strike = options.control === true ? "freeze" : (STRIKES[round % STRIKES.length] ?? "kill");
      await load.untilMore(OPERATIONS_BETWEEN_ROUNDS);
      await pause(load.random(options.seed + round) * 200);
      const takeoverMs = await strikeHolder(stage, strike);
      struck[strike]++;
      if (takeoverMs !== undefined) takeovers.push(takeoverMs);
      options.onProgress?.(
        `round ${round + 1}: ${strike}${takeoverMs === undefined ? "" : `, taken over after ${Math.round(takeoverMs)} ms`}, ` +
          `${load.finished()} operations`,
      );
    }
    await load.untilMore(OPERATIONS_BETWEEN_ROUNDS);
  } catch (error) {
    violations.push(`stuck: ${String(error)}`);
  }
  violations.push(...(await load.stop()));
  if (options.control !== true) violations.push(...unexpected(client.met), ...slow(takeovers));
  violations.push(...(await judge(stage, load)));
  const ends = load.history.entries.map((entry) => entry.type);
  return {
    seed: options.seed,
    rounds: options.rounds,
    operations: load.finished(),
    completed: ends.filter((type) => type === "ok").length,
    rejected: ends.filter((type) => type === "fail").length,
    struck,
    takeoverMs: summarise(takeovers),
    met: Object.fromEntries(client.met),
    violations,
  };
}

/** Returns how long the book had nobody to write it; undefined where the holder stays. */
async function strikeHolder(stage: Stage, strike: Strike): Promise<number | undefined> {
  const holder = await findHolder(stage);
  const index = stage.cluster.ledgers.indexOf(holder);
  if (strike === "cut") {
    const cut = stage.proxies[index]?.cutAfter(COMMIT_COMPLETE);
    await eventually(() => cut?.hasFired === true, GOES_ON_WITHIN_MS);
    return undefined;
  }
  const { pid } = holder;
  const struckAt = performance.now();
  if (strike === "kill") await holder.kill();
  else holder.freeze();
  await eventually(async () => (await holderPid(stage.admin)) !== pid, GOES_ON_WITHIN_MS);
  const takeoverMs = performance.now() - struckAt;
  if (strike === "kill") await holder.restart();
  else {
    await pause(LEASE_MS / 2); // longer than the lease in all, with a batch or two of the heir's in between
    holder.resume();
  }
  return takeoverMs;
}

/** `holder` of the head names the process. */
async function holderPid({ sql }: Database): Promise<number | undefined> {
  const [head] = await sql<{ holder: string | null; isHeld: boolean }[]>`
    select holder, lease_until > clock_timestamp() as "isHeld" from ledger.head`;
  return head?.isHeld === true ? Number(head.holder?.split("-")[1]) : undefined;
}

async function findHolder({ cluster, admin }: Stage): Promise<FlorinPart> {
  return await eventually(async () => {
    const pid = await holderPid(admin);
    return cluster.ledgers.find((part) => part.pid === pid);
  }, GOES_ON_WITHIN_MS);
}

interface Person {
  readonly name: string;
  readonly wallet: string;
  readonly token: () => Promise<string>;
}

/** Amounts in cents. */
interface Action {
  readonly key: string;
  readonly kind: "deposit" | "withdraw" | "bookTransfer";
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly cents: string;
}

interface Load {
  readonly history: History<Action>;
  readonly people: readonly Person[];
  finished(): number;
  random(salt: number): number;
  /** Until so many more operations are final. */
  untilMore(count: number): Promise<void>;
  /** No new operation; those under way are asked for until they are final. Returns what never became final. */
  stop(): Promise<string[]>;
}

function startLoad(client: PatientClient, people: readonly Person[]): Load {
  const history = createHistory<Action>();
  const given: string[] = [];
  let [finished, isStopping] = [0, false];
  const runClient = async (index: number): Promise<void> => {
    let process = history.newProcess();
    for (let number = 0; !isStopping; number++) {
      const me = people[index % PEOPLE] as Person;
      const other = people[(index + 1 + (number % (PEOPLE - 1))) % PEOPLE] as Person;
      const action = planAction(me, other, `two-writers-${index}-${number}`, number);
      const invocation = history.invoke(process, action.kind, action);
      try {
        if (await perform(client, me, action, number % 2 === 0)) invocation.ok();
        else invocation.fail();
      } catch (error) {
        invocation.info();
        process = history.newProcess();
        given.push(`not-final: ${action.key}: ${String(error)}`);
      }
      finished++;
      await pause(BETWEEN_OPERATIONS_MS);
    }
  };
  const running = Promise.all(Array.from({ length: CLIENTS }, (_, index) => runClient(index)));
  return {
    history,
    people,
    finished: () => finished,
    random: (salt) => ((Math.imul(salt, 0x9e3779b1) >>> 0) % 1_000) / 1_000,
    untilMore: async (count) => {
      const target = finished + count;
      await eventually(() => finished >= target, GOES_ON_WITHIN_MS);
    },
    stop: async () => {
      isStopping = true;
      await running;
      history.close();
      return given;
    },
  };
}

/** Some withdrawals are more than there is: refusals must be final too. */
function planAction(me: Person, other: Person, key: string, number: number): Action {
  const cents = number % 12 === 5 ? TOO_MANY_CENTS : String(100 + ((number * 37) % 400));
  if (number % 4 === 1) return { key, kind: "withdraw", from: me.wallet, to: undefined, cents };
  if (number % 4 === 3) return { key, kind: "bookTransfer", from: me.wallet, to: other.wallet, cents };
  return { key, kind: "deposit", from: undefined, to: me.wallet, cents };
}

/** true: completed. false: refused by the ledger, for good. Throws when it is neither after a minute. */
async function perform(client: PatientClient, me: Person, action: Action, isUnwaited: boolean): Promise<boolean> {
  const { kind, cents } = action;
  const type = kind === "bookTransfer" ? "BookTransferInput" : kind === "deposit" ? "DepositInput" : "WithdrawInput";
  const query = `mutation ($input: ${type}!) { ${kind}(input: $input) { operation { id status rejection { code } } } }`;
  const accounts =
    kind === "bookTransfer"
      ? { fromAccountId: action.from, toAccountId: action.to }
      : { accountId: action.from ?? action.to };
  const amount = { amount: formatCents(BigInt(cents)), currency: "USD" };
  const input = { ...accounts, amount, idempotencyKey: action.key, ...(isUnwaited ? { waitMs: 0 } : {}) };
  const deadline = performance.now() + GOES_ON_WITHIN_MS;
  for (;;) {
    const data = await client.ask<Record<string, { operation: { status: string } }>>(
      query,
      { input },
      await me.token(),
    );
    const status = data[kind]?.operation.status;
    if (status === "COMPLETED") return true;
    if (status === "REJECTED") return false;
    if (performance.now() > deadline) throw new Error(`still ${status ?? "without a status"}`);
    await pause(BETWEEN_OPERATIONS_MS);
  }
}

const REGISTER = `mutation ($input: RegisterInput!) { register(input: $input) {
  accessToken user { accounts(first: 1) { edges { node { id } } } } } }`;
const LOGIN = `mutation ($input: LoginInput!) { login(input: $input) { accessToken } }`;

/** With wallets that the ledger knows: until then a deposit meets NOT_FOUND, which is none of the load's business. */
async function registerPeople(setup: PatientClient, client: PatientClient): Promise<readonly Person[]> {
  return Promise.all(
    Array.from({ length: PEOPLE }, async (_, index) => {
      const person = await register(setup, client, `writer-${index}`);
      const query = "query ($ids: [ID!]) { balances(accountIds: $ids) { accountSeq } }";
      await setup.ask(query, { ids: [person.wallet] }, await person.token());
      return person;
    }),
  );
}

async function register(setup: PatientClient, client: PatientClient, name: string): Promise<Person> {
  const email = `${name}@example.com`;
  const password = `${randomUUID()}-${name}`;
  const { register: registered } = await setup.ask<{
    register: { accessToken: string; user: { accounts: { edges: { node: { id: string } }[] } } };
  }>(REGISTER, {
    input: { email, password, fullName: name, country: "US", currency: "USD", idempotencyKey: name },
  });
  const wallet = registered.user.accounts.edges[0]?.node.id;
  if (wallet === undefined) throw new Error(`${name} was registered without a wallet`);
  let { accessToken } = registered;
  let issuedAt = performance.now();
  const token = async (): Promise<string> => {
    if (performance.now() - issuedAt < TOKEN_AGE_MS) return accessToken;
    issuedAt = performance.now();
    const { login } = await client.ask<{ login: { accessToken: string } }>(LOGIN, {
      input: { identifier: email, password },
    });
    return (accessToken = login.accessToken);
  };
  return { name, wallet, token };
}

async function judge({ admin, url }: Stage, { history, people }: Load): Promise<string[]> {
  // What was told as undecided to a client that gave up may still wait for the writer.
  const isDrained = async () => (await admin.sql`select from ledger.command limit 1`).length === 0;
  const left = await eventually(isDrained, GOES_ON_WITHIN_MS).then(
    () => [],
    () => ["not-final: commands still wait for the writer"],
  );
  const stored = await admin.sql<StoredOperation[]>`
    select idempotency_key as key, status from ledger.operation where idempotency_key like 'two-writers-%'
    union all select idempotency_key, 'PENDING' from ledger.command where idempotency_key like 'two-writers-%'`;
  return [
    ...left,
    ...checkIdempotentHistory(history.entries, stored).map(({ kind, what }) => `${kind}: ${what}`),
    ...(await compareWallets(admin, history, people)),
    ...(await checkBooks(url, { areas: ["ledger"] })),
  ];
}

/** To the cent, from what the clients were told alone. */
async function compareWallets(
  { sql }: Database,
  history: History<Action>,
  people: readonly Person[],
): Promise<string[]> {
  if (history.entries.some((entry) => entry.type === "info")) return []; // then nobody can tell from outside
  const expected = new Map(people.map((person) => [person.wallet, 0n]));
  const add = (wallet: string | undefined, cents: bigint) => {
    if (wallet !== undefined) expected.set(wallet, (expected.get(wallet) ?? 0n) + cents);
  };
  for (const { type, value } of history.entries) {
    if (type !== "ok") continue;
    add(value.to, BigInt(value.cents));
    add(value.from, -BigInt(value.cents));
  }
  const owned = await sql<{ id: Uuid; cents: string }[]>`
    select b.account_id as id,
      (sum(b.total_credit - b.total_debit) * 100)::numeric(38, 0)::text as cents
    from ledger.balance b join ledger.account a using (book_id, account_id) where a.kind = 'CUSTOMER' group by b.account_id`;
  const actual = new Map(owned.map((row) => [formatId("account", row.id), BigInt(row.cents)]));
  return [...expected].flatMap(([wallet, cents]) =>
    (actual.get(wallet) ?? 0n) === cents
      ? []
      : [`money: ${wallet} holds ${formatCents(actual.get(wallet) ?? 0n)}; its owner was told ${formatCents(cents)}`],
  );
}

function unexpected(met: ReadonlyMap<string, number>): string[] {
  return [...met].flatMap(([kind, count]) => (EXPECTED.has(kind) ? [] : [`a client met ${kind}, ${count} times`]));
}

function slow(takeovers: readonly number[]): string[] {
  return takeovers.flatMap((ms) =>
    ms > TAKEOVER_LIMIT_MS ? [`slow: the book had no writer for ${Math.round(ms)} ms`] : [],
  );
}

function summarise(values: readonly number[]): TwoWritersReport["takeoverMs"] {
  const sorted = [...values].sort((a, b) => a - b).map(Math.round);
  return { max: sorted.at(-1) ?? 0, p50: sorted[Math.floor(sorted.length / 2)] ?? 0, count: sorted.length };
}

function formatCents(cents: bigint): string {
  const sign = cents < 0n ? "-" : "";
  const text = (cents < 0n ? -cents : cents).toString().padStart(3, "0");
  return `${sign}${text.slice(0, -2)}.${text.slice(-2)}`;
}
