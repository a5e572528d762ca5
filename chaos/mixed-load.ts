import { setTimeout as pause } from "node:timers/promises";
import type { Database } from "@florin/db";
import { formatId, type Uuid } from "@florin/kernel";
import {
  checkBooks,
  checkIdempotentHistory,
  createHistory,
  eventually,
  type History,
  type StoredOperation,
} from "@florin/testkit";
import { createPatientClient, type PatientClient } from "./patient-client.js";

/**
 * People who deposit, pay one another and open accounts, all the time, in every way that passes through the whole platform: half of the
 * money calls do not wait, and each is asked for under its own key until the answer is final. Work comes in bursts, so that the
 * processes' idle paths are walked too. What they were told is the oracle.
 */
export interface MixedLoad {
  readonly people: readonly Person[];
  /** What clients met on the way to their answers, by kind. */
  readonly met: ReadonlyMap<string, number>;
  finished(): number;
  /** Until so many more requests are final. */
  untilMore(count: number): Promise<void>;
  /** Whole units that somebody else was told to have brought into a wallet of these people. */
  expect(wallet: string, units: number): void;
  /** No new request; those under way are asked for until they are final. */
  stop(): Promise<void>;
  /** Everything that is wrong: in what clients were told, and with the books once they are at rest. */
  judge(admin: Database, url: string, settleMs: number): Promise<string[]>;
}

export interface Person {
  readonly name: string;
  readonly id: string;
  readonly wallet: string;
  token(): Promise<string>;
}

/** What a client wants, once, however often it asks. */
interface Wish {
  readonly key: string;
  readonly from?: string;
  readonly to?: string;
}

export interface MixedLoadOptions {
  /** Starts every key, so that loads on one database are told apart. */
  readonly prefix: string;
  /** The control: who asks again asks under a new key, as a client without keys would. */
  readonly forgetsKeys?: boolean;
}

const PEOPLE = 4;
const PATIENCE_MS = 90_000;
const BURST_MS = 900;
const QUIET_MS = 700;
const BETWEEN_MS = 15;
/** Access tokens live ten minutes. */
const TOKEN_AGE_MS = 4 * 60_000;
/** Between a wish's own key and the number of a forgetful client's try. */
const TRY = "~";

const REGISTER = `mutation ($input: RegisterInput!) { register(input: $input) {
  accessToken user { id accounts(first: 1) { edges { node { id } } } } } }`;
const LOGIN = "mutation ($input: LoginInput!) { login(input: $input) { accessToken } }";
const OPEN = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id status } } }";

/** Resolves when everybody has a wallet that the ledger knows, and works. */
export async function startMixedLoad(urls: readonly string[], options: MixedLoadOptions): Promise<MixedLoad> {
  let tries = 0;
  const again = (variables: unknown): unknown => {
    const { input } = variables as { readonly input?: { readonly idempotencyKey?: string } };
    if (options.forgetsKeys !== true || input?.idempotencyKey === undefined) return variables;
    return { input: { ...input, idempotencyKey: `${input.idempotencyKey}${TRY}${++tries}` } };
  };
  const setup = createPatientClient(urls);
  const client = createPatientClient(urls, again);
  const names = Array.from({ length: PEOPLE }, (_, index) => `${options.prefix}-person-${index}`);
  const people = await Promise.all(names.map((name) => register(setup, name)));
  return new Load(client, people, options.prefix);
}

async function register(client: PatientClient, name: string): Promise<Person> {
  const email = `${name}@example.test`;
  const password = `a long secret of ${name}`;
  const { register: registered } = await client.ask<{
    register: { accessToken: string; user: { id: string; accounts: { edges: { node: { id: string } }[] } } };
  }>(REGISTER, {
    input: { email, password, fullName: name, country: "US", currency: "USD", idempotencyKey: name },
  });
  let { accessToken } = registered;
  let issuedAt = performance.now();
  const token = async (): Promise<string> => {
    if (performance.now() - issuedAt < TOKEN_AGE_MS) return accessToken;
    const input = { identifier: email, password };
    const { login } = await client.ask<{ login: { accessToken: string } }>(LOGIN, { input });
    issuedAt = performance.now();
    return (accessToken = login.accessToken);
  };
  const wallet = registered.user.accounts.edges[0]?.node.id ?? "";
  const known = "query ($ids: [ID!]) { balances(accountIds: $ids) { accountSeq } }";
  await client.ask(known, { ids: [wallet] }, accessToken);
  return { name, id: registered.user.id, wallet, token };
}

class Load implements MixedLoad {
  readonly people: readonly Person[];
  readonly met: ReadonlyMap<string, number>;
  readonly #client: PatientClient;
  readonly #prefix: string;
  readonly #money: History<Wish> = createHistory<Wish>();
  /** By key; the account that each answer named. */
  readonly #opened = new Map<string, string>();
  readonly #faults: string[] = [];
  readonly #brought = new Map<string, number>();
  readonly #running: Promise<unknown>;
  #finished = 0;
  #isStopping = false;

  constructor(client: PatientClient, people: readonly Person[], prefix: string) {
    this.#client = client;
    this.people = people;
    this.met = client.met;
    this.#prefix = prefix;
    this.#running = Promise.all(people.flatMap((_, index) => [this.#moveMoney(index), this.#openAccounts(index)]));
  }

  finished(): number {
    return this.#finished;
  }

  async untilMore(count: number): Promise<void> {
    const target = this.#finished + count;
    await eventually(() => this.#finished >= target, PATIENCE_MS);
  }

  expect(wallet: string, units: number): void {
    this.#brought.set(wallet, (this.#brought.get(wallet) ?? 0) + units);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    this.#money.close();
  }

  async #moveMoney(index: number): Promise<void> {
    const me = this.people[index] as Person;
    const other = this.people[(index + 1) % PEOPLE] as Person;
    let process = this.#money.newProcess();
    for (let number = 0; !this.#isStopping; number++) {
      await this.#burst();
      const key = `${this.#prefix}-${index}-${number}`;
      const isTransfer = number % 3 === 2;
      const wish: Wish = isTransfer ? { key, from: me.wallet, to: other.wallet } : { key, to: me.wallet };
      const invocation = this.#money.invoke(process, isTransfer ? "bookTransfer" : "deposit", wish);
      try {
        if (await this.#move(me, wish, number % 2 === 0)) invocation.ok();
        else invocation.fail();
      } catch (error) {
        invocation.info();
        process = this.#money.newProcess();
        this.#faults.push(`not-final: ${key}: ${String(error)}`);
      }
      this.#finished++;
    }
  }

  /** true: completed. false: refused for good. 1.00 each time. */
  async #move(me: Person, { key, from, to }: Wish, isUnwaited: boolean): Promise<boolean> {
    const [field, type] = from === undefined ? ["deposit", "DepositInput"] : ["bookTransfer", "BookTransferInput"];
    const accounts = from === undefined ? { accountId: to } : { fromAccountId: from, toAccountId: to };
    const amount = { amount: "1.00", currency: "USD" };
    const input = { ...accounts, amount, idempotencyKey: key, ...(isUnwaited ? { waitMs: 0 } : {}) };
    const query = `mutation ($input: ${type}!) { done: ${field}(input: $input) { operation { status } } }`;
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      type Done = { readonly done: { readonly operation: { readonly status: string } } };
      const { done } = await this.#client.ask<Done>(query, { input }, await me.token());
      if (done.operation.status === "COMPLETED") return true;
      if (done.operation.status === "REJECTED") return false;
      if (performance.now() > deadline) throw new Error(`still ${done.operation.status}`);
      await pause(BETWEEN_MS);
    }
  }

  async #openAccounts(index: number): Promise<void> {
    const me = this.people[index] as Person;
    for (let number = 0; !this.#isStopping; number++) {
      await this.#burst();
      await pause(200);
      const key = `${this.#prefix}-open-${index}-${number}`;
      const input = { productId: "wallet", currency: "USD", name: "One more", idempotencyKey: key, waitMs: 2_000 };
      try {
        for (const _time of ["first", "again"]) {
          type Opened = { readonly openAccount: { readonly account: { readonly id: string } } };
          const { openAccount } = await this.#client.ask<Opened>(OPEN, { input }, await me.token());
          const before = this.#opened.get(key);
          if (before !== undefined && before !== openAccount.account.id)
            this.#faults.push(`doubled: ${key} opened ${before} and ${openAccount.account.id}`);
          this.#opened.set(key, openAccount.account.id);
        }
      } catch (error) {
        this.#faults.push(`not-final: ${key}: ${String(error)}`);
      }
      this.#finished++;
    }
  }

  async #burst(): Promise<void> {
    await pause(BETWEEN_MS);
    while (performance.now() % (BURST_MS + QUIET_MS) > BURST_MS && !this.#isStopping) await pause(BETWEEN_MS);
  }

  async judge(admin: Database, url: string, settleMs: number): Promise<string[]> {
    let books: string[] = [];
    await eventually(async () => {
      books = await checkBooks(url, { isAtRest: true });
      return books.length === 0;
    }, settleMs).catch(() => undefined);
    const stored = await admin.sql<StoredOperation[]>`
      select split_part(idempotency_key, ${TRY}, 1) as key, status from ledger.operation
      where idempotency_key like ${`${this.#prefix}-%`}`;
    const anomalies = checkIdempotentHistory(this.#money.entries, stored).map(({ kind, what }) => `${kind}: ${what}`);
    return [...this.#faults, ...anomalies, ...(await this.#compare(admin)), ...books];
  }

  /** From what clients were told alone: every cent of every wallet, and every account that each person opened. */
  async #compare({ sql }: Database): Promise<string[]> {
    const expected = new Map(this.people.map(({ wallet }) => [wallet, this.#brought.get(wallet) ?? 0]));
    for (const { type, value } of this.#money.entries) {
      if (type === "info") return []; // then nobody can tell from outside
      if (type !== "ok") continue;
      if (value.from !== undefined) expected.set(value.from, (expected.get(value.from) ?? 0) - 1);
      if (value.to !== undefined) expected.set(value.to, (expected.get(value.to) ?? 0) + 1);
    }
    const rows = await sql<{ id: Uuid; net: string }[]>`
      select account_id as id, sum(total_credit - total_debit)::numeric(38, 0)::text as net from ledger.balance group by account_id`;
    const actual = new Map(rows.map(({ id, net }) => [formatId("account", id), net]));
    const money = [...expected].flatMap(([wallet, whole]) =>
      (actual.get(wallet) ?? "0") === String(whole)
        ? []
        : [`money: ${wallet} holds ${actual.get(wallet) ?? "0"}; its owner was told ${whole}`],
    );
    const owned = await sql<{ key: string; id: Uuid }[]>`
      select idempotency_key as key, entity_id as id from accounts.idempotency_key
      where operation = 'openAccount' and idempotency_key like ${`${this.#prefix}-open-%`}`;
    const kept = new Map(owned.map(({ key, id }) => [key, formatId("account", id)]));
    const accounts = [...this.#opened].flatMap(([key, id]) =>
      kept.get(key) === id ? [] : [`lost: ${key} was told of ${id}; the database has ${kept.get(key) ?? "none"}`],
    );
    return [...money, ...accounts];
  }
}
