// The tour of the README with real clients: `npm run tour` against a running platform (FLORIN_URL, default http://127.0.0.1:4000).
//
// `npm run tour -- --own` starts a platform of its own in a temporary home, does the tour, kills it with SIGKILL in the middle of
// traffic, starts it again and checks that everything acknowledged is there once. It leaves nothing running.
import { createClient } from "graphql-ws";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

let base = process.env.FLORIN_URL ?? "http://127.0.0.1:4000";
const password = "a long enough secret";
const say = (text) => console.log(`  ${text}`);

async function graph(query, variables, token) {
  const response = await fetch(`${base}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(15_000),
  });
  return response.json();
}

async function ok(query, variables, token) {
  const answer = await graph(query, variables, token);
  assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
  return answer.data;
}

const operationFields = "operation { id status rejection { code message } }";

async function register(name) {
  const input = {
    email: `${name}-${randomUUID()}@example.test`,
    password,
    fullName: name,
    country: "US",
    currency: "USD",
    idempotencyKey: randomUUID(),
  };
  const { register: session } = await ok(
    "mutation ($input: RegisterInput!) { register(input: $input) { accessToken user { id fullName } } }",
    { input },
  );
  return { token: session.accessToken, email: input.email, ...session.user };
}

async function openAccount(person, name) {
  const input = { productId: "current_account", currency: "USD", name, idempotencyKey: randomUUID() };
  const { openAccount: opened } = await ok(
    "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id status } rejection { code } } }",
    { input },
    person.token,
  );
  assert.equal(opened.account.status, "OPEN", JSON.stringify(opened));
  return opened.account.id;
}

const move = {
  deposit: (person, accountId, amount, idempotencyKey = randomUUID()) =>
    ok(
      `mutation ($input: DepositInput!) { done: deposit(input: $input) { ${operationFields} } }`,
      { input: { accountId, amount: { amount, currency: "USD" }, idempotencyKey } },
      person.token,
    ),
  withdraw: (person, accountId, amount) =>
    ok(
      `mutation ($input: WithdrawInput!) { done: withdraw(input: $input) { ${operationFields} } }`,
      { input: { accountId, amount: { amount, currency: "USD" }, idempotencyKey: randomUUID() } },
      person.token,
    ),
  transfer: (person, fromAccountId, toAccountId, amount, idempotencyKey = randomUUID()) =>
    ok(
      `mutation ($input: BookTransferInput!) { done: bookTransfer(input: $input) { ${operationFields} } }`,
      { input: { fromAccountId, toAccountId, amount: { amount, currency: "USD" }, reference: "tour", idempotencyKey } },
      person.token,
    ),
};

async function available(person, id) {
  const { account } = await ok(
    "query ($id: ID!) { account(id: $id) { balance { available { amount } } } }",
    { id },
    person.token,
  );
  return account.balance.available.amount;
}

async function allTransactions(person, id) {
  const found = [];
  for (let after = null; ;) {
    const { account } = await ok(
      "query ($id: ID!, $after: Cursor) { account(id: $id) { transactions(first: 100, after: $after) { edges { node { id accountSeq amount { amount } direction } } pageInfo { hasNextPage endCursor } } } }",
      { id, after },
      person.token,
    );
    found.push(...account.transactions.edges.map((edge) => edge.node));
    if (!account.transactions.pageInfo.hasNextPage) return found;
    after = account.transactions.pageInfo.endCursor;
  }
}

/** A live subscription to an account's transactions: what came, a way to wait for more, and a way to cut the socket. */
function follow(person, accountId, after) {
  const client = createClient({
    url: `${base.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${person.token}` },
  });
  const events = [];
  let failure;
  let wake = () => {};
  client.subscribe(
    {
      query: `subscription ($ids: [ID!], $after: Cursor) {
        transactionPosted(accountIds: $ids, after: $after) { cursor transaction { id accountSeq amount { amount } } } }`,
      variables: { ids: [accountId], after },
    },
    {
      next: (event) => {
        if (event.errors === undefined) events.push(event.data.transactionPosted);
        else failure = new Error(JSON.stringify(event.errors));
        wake();
      },
      error: (error) => {
        failure ??= error instanceof Error ? error : new Error(JSON.stringify(error));
        wake();
      },
      complete: () => wake(),
    },
  );
  return {
    events,
    async until(isEnough, what) {
      const deadline = Date.now() + 15_000;
      while (!isEnough(events)) {
        if (failure !== undefined) throw failure;
        assert.ok(
          Date.now() < deadline,
          `the subscription did not bring ${what} within 15 s; it brought ${events.length} events`,
        );
        await new Promise((resolve) => {
          wake = resolve;
          setTimeout(resolve, 200);
        });
      }
    },
    cut: () => client.terminate(),
  };
}

async function tour() {
  const [ada, bo] = [await register("Ada"), await register("Bo")];
  say(`registered ${ada.fullName} and ${bo.fullName}`);
  const [from, to] = [await openAccount(ada, "Everyday"), await openAccount(bo, "Savings jar")];
  say(`opened ${from} and ${to}`);

  const key = randomUUID();
  const first = (await move.deposit(ada, from, "100.00", key)).done.operation;
  assert.equal(first.status, "COMPLETED", JSON.stringify(first));
  const again = (await move.deposit(ada, from, "100.00", key)).done.operation;
  assert.equal(again.id, first.id);
  assert.equal(await available(ada, from), "100.00");
  say("deposited 100.00; the same key again did nothing more: 100.00 available");

  assert.equal((await move.withdraw(ada, from, "30.00")).done.operation.status, "COMPLETED");
  const refused = (await move.withdraw(ada, from, "1000.00")).done.operation;
  assert.equal(refused.status, "REJECTED");
  assert.equal(refused.rejection.code, "INSUFFICIENT_FUNDS");
  assert.equal(await available(ada, from), "70.00");
  say(`withdrew 30.00; 1000.00 was refused: ${refused.rejection.message}`);

  assert.equal((await move.transfer(ada, from, to, "20.00")).done.operation.status, "COMPLETED");
  assert.equal(await available(ada, from), "50.00");
  assert.equal(await available(bo, to), "20.00");
  say("transferred 20.00 from Ada to Bo: 50.00 and 20.00");

  await followCutAndResume(ada, bo, from, to);
  return { ada, bo, from, to };
}

/** The account's own history is the oracle: from the first live event on, the two subscriptions together are exactly it. */
async function followCutAndResume(ada, bo, from, to) {
  const transfer = async (times) => {
    for (let i = 0; i < times; i++)
      assert.equal((await move.transfer(ada, from, to, "1.00")).done.operation.status, "COMPLETED");
  };
  const live = follow(bo, to);
  // A subscription has no acknowledgement: transfers until the first event arrives prove that it is live.
  for (let i = 0; i < 20 && live.events.length === 0; i++) await transfer(1);
  await live.until((events) => events.length > 0, "its first event");
  await transfer(3);
  const enough = live.events.length + 1;
  await live.until((events) => events.length >= enough || events.length >= 3, "three events");
  live.cut();
  const seen = [...live.events];
  const cursor = seen.at(-1).cursor;
  await transfer(5);
  say(`followed Bo's account live, then cut the socket after ${seen.length} events; 5 transfers happened meanwhile`);

  const history = (await allTransactions(bo, to)).map((row) => row.id).reverse();
  const expected = history.slice(history.indexOf(seen[0].transaction.id));
  const resumed = follow(bo, to, cursor);
  await resumed.until((events) => seen.length + events.length >= expected.length, "what was missed");
  await transfer(2);
  await resumed.until(
    (events) => seen.length + events.length >= expected.length + 2,
    "two live events behind the missed ones",
  );
  resumed.cut();
  const received = [...seen, ...resumed.events].map((event) => event.transaction.id);
  const whole = (await allTransactions(bo, to)).map((row) => row.id).reverse();
  assert.deepEqual(received, whole.slice(whole.indexOf(received[0])));
  say(`resumed with the cursor: ${received.length} events in all, no gap and no repeat`);
}

/** Starts a platform of our own and waits until it says that it is ready. */
async function startPlatform(home, port) {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const child = spawn(process.execPath, [join(root, "apps/standalone/dist/main.js")], {
    cwd: root,
    env: { ...process.env, PORT: String(port), FLORIN_HOME: home, DATABASE_URL: "" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      output += chunk;
      const match = /ready on (http:\/\/\S+)/.exec(output);
      if (match !== null) resolve({ child, url: match[1] });
    });
    child.once("exit", () => reject(new Error(`the platform ended before it was ready:\n${output}`)));
  });
}

async function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}

async function killAndStartAgain() {
  const home = await mkdtemp(join(tmpdir(), "florin-tour-"));
  // mkdtemp makes 0700; as root, PostgreSQL runs as another user that has to pass through.
  await chmod(home, 0o755);
  let platform = await startPlatform(home, 0);
  try {
    base = platform.url;
    const facts = await tour();
    // Deposits run while the platform dies; what was acknowledged is remembered here, by key.
    const acknowledged = [];
    const attempted = [];
    let isDead = false;
    const traffic = Array.from({ length: 4 }, async () => {
      while (!isDead) {
        const key = randomUUID();
        attempted.push(key);
        const answer = await move.deposit(facts.ada, facts.from, "1.00", key).catch(() => undefined);
        if (answer?.done.operation.status === "COMPLETED") acknowledged.push(key);
      }
    });
    while (acknowledged.length < 50) await new Promise((resolve) => setTimeout(resolve, 10));
    await stop(platform.child, "SIGKILL");
    isDead = true;
    await Promise.all(traffic);
    say(
      `killed with SIGKILL in the middle of traffic: ${acknowledged.length} of ${attempted.length} deposits had been acknowledged`,
    );

    platform = await startPlatform(home, 0);
    base = platform.url;
    const before = BigInt((await allTransactions(facts.ada, facts.from)).length);
    for (const key of acknowledged) {
      const { operationByKey } = await ok(
        "query ($key: ID!) { operationByKey(idempotencyKey: $key) { status } }",
        { key },
        facts.ada.token,
      );
      assert.equal(operationByKey?.status, "COMPLETED", `acknowledged deposit ${key} is lost`);
    }
    for (const key of attempted) {
      const { done } = await move.deposit(facts.ada, facts.from, "1.00", key);
      assert.equal(done.operation.status, "COMPLETED");
    }
    const rows = await allTransactions(facts.ada, facts.from);
    const ones = rows.filter((row) => row.direction === "CREDIT" && row.amount.amount === "1.00").length;
    assert.equal(ones, attempted.length, "a deposit was lost or done twice");
    say(
      `started again: all ${acknowledged.length} are there; after retrying every key, each of the ${attempted.length} happened once (${before} rows before the retries)`,
    );
  } finally {
    await stop(platform.child, "SIGTERM");
    await rm(home, { recursive: true, force: true });
  }
}

const begun = performance.now();
console.log("The tour");
if (process.argv.includes("--own")) await killAndStartAgain();
else await tour();
console.log(`done in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
process.exit(0);
