import { randomUUID } from "node:crypto";
import { connectDatabase } from "@florin/db";
import { ensureProducts } from "@florin/db/ledger";
import { productLibrary } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createHistory, startFlorinCluster, startTestRedis, type History } from "@florin/testkit";
import { deposit, openCommand } from "../subgraphs/ledger/test/test-book.js";
import { createLedgerWriter } from "../subgraphs/ledger/src/writer/ledger-writer.js";
import { createPatientClient } from "./patient-client.js";

/** A way for clients to bring money into the ledger. */
export interface DepositDoor {
  /** 1.00 under this key, by this client. "unknown": it may have happened; the same key may be sent again. Throws when refused. */
  deposit(client: number, key: string): Promise<"ok" | "unknown">;
  stop(): Promise<void>;
}

/** The ledger's writer in this process, at most as fast as its batches. */
export async function openWriterDoor(databaseUrl: string): Promise<DepositDoor> {
  const database = connectDatabase({
    ...{ url: databaseUrl, area: "ledger", applicationName: "florin-ledger-writer", maxConnections: 4 },
  });
  await ensureProducts(database, productLibrary, randomIds, systemClock);
  const writer = createLedgerWriter({
    database,
    clock: systemClock,
    ids: randomIds,
    products: productLibrary,
    logger: createLogger({ name: "chaos", level: "silent" }),
    metrics: createMetrics({ processMetrics: false }),
    holder: "chaos",
  });
  const wallet = openCommand({});
  await writer.submit(wallet);
  return {
    deposit: async (_client, key) => {
      const command = deposit(wallet.accountId, "1.00", { idempotencyKey: key });
      const outcome = await writer.submit(command).catch(() => undefined);
      if (outcome === undefined) return "unknown";
      if (outcome.kind === "operation" && outcome.operation.status === "COMPLETED") return "ok";
      throw new Error(`deposit ${key} was refused: ${outcome.kind}`);
    },
    stop: async () => {
      await writer.stop(1_000);
      await database.stop();
    },
  };
}

const DEPOSIT =
  "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status rejection { code } } } }";
const REGISTER = `mutation ($input: RegisterInput!) {
  register(input: $input) { accessToken user { accounts(first: 1) { edges { node { id } } } } } }`;

/** The distributed form as real processes: a gateway, an accounts, two ledgers, Redis; each client is a person with a wallet. */
export async function openProcessesDoor(databaseUrl: string, clients: number): Promise<DepositDoor> {
  const redis = await startTestRedis();
  const environment = { LOG_LEVEL: "warn", DATABASE_URL: databaseUrl };
  const cluster = await startFlorinCluster({ databaseUrl, redisUrl: redis.url, ledgers: 2, environment }).catch(
    async (error: unknown) => {
      await redis.stop();
      throw error;
    },
  );
  const stop = async (): Promise<void> => {
    await cluster.stop();
    await redis.stop();
  };
  try {
    const client = createPatientClient(cluster.gateways.map((gateway) => gateway.url));
    const people = await Promise.all(Array.from({ length: clients }, () => register(client)));
    return {
      deposit: async (index, key) => {
        const { token, wallet } = people[index]!;
        const amount = { amount: "1.00", currency: "USD" };
        const input = { accountId: wallet, amount, idempotencyKey: key, waitMs: 2_000 };
        const answer = await client.ask<DepositAnswer>(DEPOSIT, { input }, token).catch(() => undefined);
        if (answer === undefined) return "unknown";
        const { status, rejection } = answer.deposit.operation;
        if (status === "REJECTED") throw new Error(`deposit ${key} was refused: ${rejection?.code ?? "no code"}`);
        return status === "COMPLETED" ? "ok" : "unknown"; // PENDING is an answer too: the same key again waits for the end
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface DepositAnswer {
  readonly deposit: { readonly operation: { readonly status: string; readonly rejection: { code: string } | null } };
}

async function register(client: ReturnType<typeof createPatientClient>): Promise<{ token: string; wallet: string }> {
  const { register: registered } = await client.ask<{
    register: { accessToken: string; user: { accounts: { edges: { node: { id: string } }[] } } };
  }>(REGISTER, {
    input: {
      email: `depositor-${randomUUID()}@example.test`,
      password: "a long enough secret",
      fullName: "Depositor",
      country: "US",
      currency: "USD",
      idempotencyKey: randomUUID(),
    },
  });
  return { token: registered.accessToken, wallet: registered.user.accounts.edges[0]?.node.id ?? "" };
}

export interface KeyedDeposit {
  readonly key: string;
}

export interface Depositors {
  readonly history: History<KeyedDeposit>;
  acknowledged(): number;
  askedAgain(): number;
  /** Milliseconds of `performance.now()`. */
  firstAcknowledgedAfter(at: number): number;
  /** No new deposit; those under way are asked for until each is known. */
  finish(): Promise<void>;
  /** Gives up what is not known yet. */
  stop(): Promise<void>;
}

/** Each client deposits again and again, each time under a key of its own, and asks under the same key until it is told. */
export function startDepositors(door: DepositDoor, clients: number, keyPrefix: string): Depositors {
  const history = createHistory<KeyedDeposit>();
  let [acknowledged, askedAgain, isFinishing, isStopped] = [0, 0, false, false];
  const run = async (client: number): Promise<void> => {
    let process = history.newProcess();
    for (let number = 0; !isFinishing; number++) {
      const value = { key: `${keyPrefix}${client}-${number}` };
      for (let isKnown = false; !isKnown && !isStopped;) {
        const invocation = history.invoke(process, "deposit", value);
        isKnown = (await door.deposit(client, value.key)) === "ok";
        if (isKnown) {
          invocation.ok();
          acknowledged++;
        } else {
          invocation.info();
          askedAgain++;
          process = history.newProcess();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
  };
  const running = Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
  running.catch(() => undefined); // `finish` tells
  return {
    history,
    acknowledged: () => acknowledged,
    askedAgain: () => askedAgain,
    firstAcknowledgedAfter: (at) =>
      (history.entries.find((entry) => entry.type === "ok" && entry.time > at * 1_000)?.time ?? Number.NaN) / 1_000,
    finish: async () => {
      isFinishing = true;
      await running;
    },
    stop: async () => {
      isFinishing = isStopped = true;
      await door.stop();
      await running.catch(() => undefined);
      history.close();
    },
  };
}
