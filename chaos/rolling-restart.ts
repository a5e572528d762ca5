import { randomUUID } from "node:crypto";
import {
  checkBooks,
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startTestRedis,
  type FlorinCluster,
  type FlorinPart,
} from "@florin/testkit";
import { followTransactions } from "./live-follower.js";
import { createPatientClient, EXPECTED, type PatientClient } from "./patient-client.js";

/**
 * Every process is restarted in turn, under load, and nobody notices more than that they had to ask again.
 *
 * Two gateways, two accounts, two ledgers, a portfolio. Eight people stand in a ring and each sends 1.00 to the next, again and again, each transfer
 * under a key of its own; one of them is followed live. A round stops each of the seven processes with SIGTERM, one after the other, and
 * starts it again; the next is not touched before it is ready and transfers have gone on.
 *
 * Violations: an answer that was neither data nor TEMPORARILY_UNAVAILABLE nor a refused connection; a process that did not exit with
 * 0; a transfer that happened more or less than once; a live event missed or repeated; anything that is wrong with the books.
 *
 * The control has no drain and no key: the gateways die by a fault point between the transfer and its answer, and the clients ask again
 * under a new key, so transfers must be found doubled.
 */
export interface RollingRestartOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly control?: boolean;
  /** One process of each kind in a round, instead of all. */
  readonly oneOfEach?: boolean;
  readonly onProgress?: (line: string) => void;
}

export interface RollingRestartReport {
  readonly seed: number;
  readonly restarts: number;
  readonly transfers: number;
  /** What clients met, by kind. */
  readonly met: Readonly<Record<string, number>>;
  readonly liveEvents: number;
  readonly liveResumed: number;
  /** The longest time between two finished transfers, all clients together. */
  readonly longestPauseMs: number;
  readonly violations: readonly string[];
}

const PEOPLE = 8;
const START_AMOUNT = "100000.00";
const DRAIN_MS = 500;
const BETWEEN_RESTARTS = 24;
const GOES_ON_WITHIN_MS = 90_000;
const CONTROL_DIES_AT = 60;

interface Person {
  readonly token: string;
  readonly wallet: string;
}

export async function runRollingRestart(options: RollingRestartOptions): Promise<RollingRestartReport> {
  const database = await createTestDatabase();
  const redis = await startTestRedis();
  let cluster: FlorinCluster | undefined;
  try {
    cluster = await startFlorinCluster({
      databaseUrl: database.url,
      redisUrl: redis.url,
      ...{ gateways: 2, accounts: 2, ledgers: 2 },
      environment: { LOG_LEVEL: "warn", FLORIN_DRAIN_MS: String(DRAIN_MS) },
      environmentOf: (kind) =>
        options.control === true && kind === "gateway"
          ? { FLORIN_FAULT: `gateway.answer.before-send:${CONTROL_DIES_AT}:kill` }
          : undefined,
    });
    return await restartInTurn(cluster, database.url, options);
  } finally {
    await cluster?.stop();
    await redis.stop();
    await database.drop();
  }
}

async function restartInTurn(
  cluster: FlorinCluster,
  databaseUrl: string,
  options: RollingRestartOptions,
): Promise<RollingRestartReport> {
  const urls = cluster.gateways.map((gateway) => gateway.url);
  const violations: string[] = [];
  const people = await registerPeople(createPatientClient(urls));
  const load = startLoad(urls, people, options.control === true);
  const [followed] = people;
  const live = followTransactions(urls, followed!.wallet, () => followed!.token);
  let restarts = 0;
  try {
    await eventually(() => live.transactionIds.length > 0 && load.finished() >= BETWEEN_RESTARTS, GOES_ON_WITHIN_MS);
    for (let round = 1; round <= options.rounds; round++) {
      const parts =
        options.control === true
          ? cluster.gateways
          : inOrder(cluster, options.seed + round, options.oneOfEach === true);
      for (const part of parts) {
        if (options.control === true) await dieAndComeBack(part);
        else await restart(part, violations);
        restarts++;
        const before = load.finished();
        await eventually(() => load.finished() >= before + BETWEEN_RESTARTS, GOES_ON_WITHIN_MS);
        options.onProgress?.(`round ${round}: ${part.name} restarted, ${load.finished()} transfers`);
      }
    }
    await load.stop();
    violations.push(...(await judge(urls, people, load, live, databaseUrl)));
  } finally {
    live.stop();
    await load.stop();
  }
  const met = load.met();
  if (options.control !== true)
    for (const [kind, times] of Object.entries(met))
      if (!EXPECTED.has(kind)) violations.push(`clients met ${kind} ${times} times`);
  return {
    ...{ seed: options.seed, restarts, transfers: load.finished(), met, violations },
    ...{ liveEvents: live.transactionIds.length, liveResumed: live.resumed, longestPauseMs: load.longestPauseMs() },
  };
}

/** All parts once, beginning elsewhere each time. */
function inOrder(cluster: FlorinCluster, start: number, oneOfEach: boolean): readonly FlorinPart[] {
  const parts = oneOfEach
    ? cluster.parts.filter((part, at) => cluster.parts.findIndex(({ kind }) => kind === part.kind) === at)
    : cluster.parts;
  const first = start % parts.length;
  return [...parts.slice(first), ...parts.slice(0, first)];
}

async function restart(part: FlorinPart, violations: string[]): Promise<void> {
  const { code, signal } = await part.stop();
  if (code !== 0) violations.push(`${part.name} ended with ${signal ?? `exit code ${code}`} instead of 0`);
  await part.restart();
}

async function dieAndComeBack(part: FlorinPart): Promise<void> {
  await part.exited;
  await part.restart({});
}

async function registerPeople(client: PatientClient): Promise<readonly Person[]> {
  return Promise.all(Array.from({ length: PEOPLE }, (_, index) => registerPerson(client, index)));
}

async function registerPerson(client: PatientClient, index: number): Promise<Person> {
  const { register } = await client.ask<{
    register: { accessToken: string; user: { accounts: { edges: { node: { id: string } }[] } } };
  }>(
    `mutation ($input: RegisterInput!) {
      register(input: $input) { accessToken user { accounts(first: 1) { edges { node { id } } } } } }`,
    {
      input: {
        email: `ring-${index}-${randomUUID()}@example.test`,
        password: "a long enough secret",
        fullName: `Ring ${index}`,
        country: "US",
        currency: "USD",
        idempotencyKey: randomUUID(),
      },
    },
  );
  const person = { token: register.accessToken, wallet: register.user.accounts.edges[0]?.node.id ?? "" };
  const amount = { amount: START_AMOUNT, currency: "USD" };
  const input = { accountId: person.wallet, amount, idempotencyKey: randomUUID(), waitMs: 10_000 };
  const query = "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }";
  await client.ask(query, { input }, person.token);
  return person;
}

interface Load {
  finished(): number;
  /** Transfers that person has been told are done. */
  readonly sentBy: readonly number[];
  met(): Readonly<Record<string, number>>;
  longestPauseMs(): number;
  /** Every transfer that was begun is finished when this resolves. */
  stop(): Promise<void>;
}

const TRANSFER =
  "mutation ($input: BookTransferInput!) { bookTransfer(input: $input) { operation { status rejection { code } } } }";

function startLoad(urls: readonly string[], people: readonly Person[], isControl: boolean): Load {
  const sentBy = people.map(() => 0);
  const newKey = (variables: unknown): unknown => {
    const { input } = variables as { input: object };
    return { input: { ...input, idempotencyKey: randomUUID() } };
  };
  const clients = people.map((_, index) =>
    createPatientClient([...urls.slice(index % 2), ...urls.slice(0, index % 2)], isControl ? newKey : undefined),
  );
  let isStopped = false;
  let lastAt = performance.now();
  let longestPauseMs = 0;

  async function run(index: number): Promise<void> {
    const [from, to] = [people[index]!, people[(index + 1) % people.length]!];
    while (!isStopped) {
      const input = {
        fromAccountId: from.wallet,
        toAccountId: to.wallet,
        amount: { amount: "1.00", currency: "USD" },
        idempotencyKey: randomUUID(),
        waitMs: 5_000,
      };
      await untilCompleted(clients[index]!, input, from.token);
      sentBy[index] = (sentBy[index] ?? 0) + 1;
      longestPauseMs = Math.max(longestPauseMs, performance.now() - lastAt);
      lastAt = performance.now();
    }
  }
  const running = Promise.all(people.map((_, index) => run(index)));
  running.catch(() => undefined); // told by stop
  return {
    sentBy,
    finished: () => sentBy.reduce((sum, count) => sum + count, 0),
    met: () => {
      const all: Record<string, number> = {};
      for (const { met } of clients) for (const [kind, times] of met) all[kind] = (all[kind] ?? 0) + times;
      return all;
    },
    longestPauseMs: () => Math.round(longestPauseMs),
    stop: async () => {
      isStopped = true;
      await running;
    },
  };
}

/** PENDING is an answer too: the same key again waits for the end. */
async function untilCompleted(client: PatientClient, input: object, token: string): Promise<void> {
  for (;;) {
    const { bookTransfer } = await client.ask<{
      bookTransfer: { operation: { status: string; rejection: { code: string } | null } };
    }>(TRANSFER, { input }, token);
    const { status, rejection } = bookTransfer.operation;
    if (status === "COMPLETED") return;
    if (status !== "PENDING") throw new Error(`a transfer ended ${status} (${rejection?.code ?? "no code"})`);
  }
}

async function judge(
  urls: readonly string[],
  people: readonly Person[],
  load: Load,
  live: ReturnType<typeof followTransactions>,
  databaseUrl: string,
): Promise<readonly string[]> {
  const violations: string[] = [...live.faults.map((fault) => `the subscription failed: ${fault}`)];
  const client = createPatientClient(urls);
  for (const [index, person] of people.entries()) {
    const history = await readHistory(client, person);
    const sent = history.filter(({ direction, amount }) => direction === "DEBIT" && amount.amount === "1.00").length;
    if (sent !== load.sentBy[index])
      violations.push(`person ${index} was told of ${load.sentBy[index]} transfers; the ledger has ${sent}`);
    if (index === 0) violations.push(...(await judgeLive(live, history)));
  }
  return [...violations, ...(await checkBooks(databaseUrl))];
}

/** From the first event on, what came live is exactly the account's own history. */
async function judgeLive(
  live: ReturnType<typeof followTransactions>,
  history: readonly { readonly id: string }[],
): Promise<readonly string[]> {
  const ids = history.map(({ id }) => id);
  const first = ids.indexOf(live.transactionIds[0] ?? "");
  if (first < 0) return ["the first live event is not in the account's history"];
  const expected = ids.slice(first);
  await eventually(() => live.transactionIds.length >= expected.length, 30_000).catch(() => undefined);
  const at = expected.findIndex((id, index) => live.transactionIds[index] !== id);
  if (at >= 0)
    return [`live event ${at} of ${expected.length} is ${live.transactionIds[at] ?? "missing"}, not ${expected[at]}`];
  return live.transactionIds.length > expected.length ? ["the last live events were repeated"] : [];
}

interface TransactionJson {
  readonly id: string;
  readonly direction: string;
  readonly amount: { readonly amount: string };
}

/** Oldest first. */
async function readHistory(client: PatientClient, person: Person): Promise<readonly TransactionJson[]> {
  const found: TransactionJson[] = [];
  for (let after: string | null = null; ;) {
    const { account }: HistoryPage = await client.ask<HistoryPage>(
      `query ($id: ID!, $after: Cursor) { account(id: $id) { transactions(first: 100, after: $after) {
        edges { node { id direction amount { amount } } } pageInfo { hasNextPage endCursor } } } }`,
      { id: person.wallet, after },
      person.token,
    );
    found.push(...account.transactions.edges.map(({ node }) => node));
    if (!account.transactions.pageInfo.hasNextPage) return found.reverse();
    after = account.transactions.pageInfo.endCursor;
  }
}

interface HistoryPage {
  readonly account: {
    readonly transactions: {
      readonly edges: readonly { readonly node: TransactionJson }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
  };
}
