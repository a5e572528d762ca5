import { formatInstant, parseInstant, type Instant } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { checkBooks } from "@florin/testkit";
import { customer, partner, staff, startLedger, type Person, type TestLedger } from "./ledger-harness.js";

// The two clocks as the graph shows them: histories, explanations, closes of days and the trial balance, at times that are sealed.

const ada = customer("ada");
let ledger: TestLedger;
let wallet: string;
let cashIn: string;
let openedAt: Instant;
/** Value time of the deposit that was booked last. */
let backdated: Instant;
let keys = 0;

beforeAll(async () => {
  ledger = await startLedger();
  wallet = await ledger.openAccount(ada);
  const internal = await query(staff, `{ internalAccount(code: "CASH_IN", currency: "USD") { id } }`);
  cashIn = (internal["internalAccount"] as { id: string }).id;
  await post("100.00");
  openedAt = (await balanceOf("")).asOf;
  await post("20.00");
  const between = parseInstant((await transactions({}))[0]!.valueAt)!;
  await post("3.00");
  backdated = (between - 1n) as Instant;
  await post("7.00", backdated);
});

afterAll(async () => {
  await ledger.stop();
  const faults = await checkBooks(ledger.url, { areas: ["ledger"] });
  await ledger.drop();
  expect(faults).toEqual([]);
});

async function query(viewer: Person, text: string, variables: Record<string, unknown> = {}) {
  const { data, errors } = await ledger.run(viewer, text, variables);
  expect(errors).toBeUndefined();
  return data as Record<string, unknown>;
}

/** A deposit of a partner, who may name the value time. */
async function post(amount: string, valueAt?: Instant): Promise<void> {
  const hardSettlement = {
    targetAccountId: wallet,
    internalAccountId: cashIn,
    amount: { amount, currency: "USD" },
  };
  const input = {
    instructions: [{ inboundHardSettlement: hardSettlement }],
    valueAt: valueAt === undefined ? undefined : formatInstant(valueAt),
    idempotencyKey: `time-${++keys}`,
  };
  const { postInstructionBatch } = await query(
    partner,
    `mutation ($input: PostInstructionBatchInput!) { postInstructionBatch(input: $input) { batch { status rejections { code } } } }`,
    { input },
  );
  expect(postInstructionBatch).toEqual({ batch: { status: "ACCEPTED", rejections: [] } });
}

/** What the owner asks of the account. */
async function account(selection: string, variables: Record<string, unknown> = {}, types = "") {
  const text = `query ($r: [_Any!]!${types}) { _entities(representations: $r) { ... on Account { ${selection} } } }`;
  const { data, errors } = await ledger.run(ada, text, { r: [{ __typename: "Account", id: wallet }], ...variables });
  const [row] = (data?.["_entities"] ?? []) as (Record<string, unknown> | null)[];
  return { row: row ?? {}, errors: errors ?? [] };
}

async function balanceOf(args: string): Promise<{ available: string; asOf: Instant }> {
  const { row, errors } = await account(`balance${args} { available { amount } asOf }`);
  expect(errors).toEqual([]);
  const { available, asOf } = row["balance"] as { available: { amount: string }; asOf: string };
  return { available: available.amount, asOf: parseInstant(asOf)! };
}

async function transactions(
  filter: Record<string, unknown>,
): Promise<{ amount: string; valueAt: string; bookedAt: string }[]> {
  const { row, errors } = await account(
    `transactions(filter: $filter) { edges { node { amount { amount } valueAt bookedAt } } }`,
    { filter },
    ", $filter: TransactionFilter",
  );
  expect(errors).toEqual([]);
  const { edges } = row["transactions"] as {
    edges: { node: { amount: { amount: string }; valueAt: string; bookedAt: string } }[];
  };
  return edges.map(({ node }) => ({ ...node, amount: node.amount.amount }));
}

describe("T-3: a known time that is not sealed", () => {
  test("is waited for when it is near, and answered once it is sealed", async () => {
    const { asOf } = await balanceOf("");
    const soon = formatInstant((systemClock.now() + 100_000n) as Instant);
    const asked = account(`balance(knownAt: "${soon}") { available { amount } asOf }`);
    for (let time = 0; (await balanceOf("")).asOf < parseInstant(soon)!; time++) {
      expect(time).toBeLessThan(2_000);
      await post("0.01");
    }
    const { row, errors } = await asked;
    expect(errors).toEqual([]);
    expect((row["balance"] as { asOf: string }).asOf).toBe(soon);
    expect(asOf < parseInstant(soon)!).toBe(true);
  });

  test("is refused by name, with how far the book is sealed and what to send instead", async () => {
    for (const field of ["balance", "balances"]) {
      const { row, errors } = await account(`${field}(knownAt: "2999-01-01T00:00:00Z") { __typename }`);
      expect(row[field]).toBeNull();
      const [fault] = errors[0]?.extensions?.["fields"] as { path: string; code: string; message: string }[];
      expect(fault).toMatchObject({ path: "knownAt", code: "KNOWN_AT_NOT_SEALED" });
      const named = /sealed up to (\S+):/.exec(fault!.message)?.[1];
      expect((await balanceOf(`(knownAt: "${named}")`)).asOf).toBe(parseInstant(named!));
    }
  });
});

test("T-4: a history is an opening, the changes of an interval by value time, and a closing", async () => {
  const types = ", $gt: DateTime!, $lte: DateTime!, $k: DateTime";
  const history = `balanceHistory(valueGt: $gt, valueLte: $lte, knownAt: $k) { opening { available { amount } }
    closing { available { amount } } changes { amount side netAfter isBackdated phase address valueAt } }`;
  const [newest] = await transactions({});
  const interval = { gt: formatInstant(openedAt), lte: newest!.bookedAt };
  const { row, errors } = await account(history, interval, types);
  expect(errors).toEqual([]);
  const { opening, closing, changes } = row["balanceHistory"] as Record<string, { available: { amount: string } }> & {
    changes: { amount: string; netAfter: string; isBackdated: boolean; valueAt: string }[];
  };
  expect(opening!.available.amount).toBe("100.00");
  expect(changes.slice(0, 3).map((one) => [one.amount, one.netAfter, one.isBackdated])).toEqual([
    ["7.0000000", "107.0000000", true],
    ["20.0000000", "127.0000000", false],
    ["3.0000000", "130.0000000", false],
  ]);
  expect(changes[0]!.valueAt).toBe(formatInstant(backdated));
  expect(Number(closing!.available.amount)).toBe(Number(changes.at(-1)!.netAfter));

  const empty = await account(history, { gt: interval.lte, lte: interval.gt }, types);
  expect(empty.errors[0]?.extensions).toMatchObject({ fields: [{ path: "valueLte", code: "RANGE_EMPTY" }] });
});

test("T-5: the close of a business day is asked for by its date", async () => {
  const { available } = await balanceOf("");
  const today = formatInstant(systemClock.now()).slice(0, 10);
  const close = (date: string) => account(`closeOfBusinessDay(date: "${date}") { available { amount } }`);
  expect((await close("2999-12-31")).row["closeOfBusinessDay"]).toEqual({ available: { amount: available } });
  expect((await close("2020-02-29")).row["closeOfBusinessDay"]).toEqual({ available: { amount: "0.00" } });
  expect((await close(today)).errors).toEqual([]);
  expect((await close("2021-02-29")).errors).toHaveLength(1);
});

test("T-6: every bound of every clock has its own name", async () => {
  const all = (await transactions({})).reverse();
  const pivot = all[2]!; // the deposit of 3.00
  const amounts = async (filter: Record<string, string>) =>
    (await transactions(filter)).reverse().map(({ amount }) => amount);
  const upTo = (count: number) => all.slice(0, count).map(({ amount }) => amount);
  const from = (place: number) => all.slice(place).map(({ amount }) => amount);
  expect(await amounts({ bookedGte: pivot.bookedAt })).toEqual(from(2));
  expect(await amounts({ bookedGt: pivot.bookedAt })).toEqual(from(3));
  expect(await amounts({ bookedLte: pivot.bookedAt })).toEqual(upTo(3));
  expect(await amounts({ bookedLt: pivot.bookedAt })).toEqual(upTo(2));
  const late = formatInstant(backdated);
  expect(await amounts({ valueGte: late, valueLte: late })).toEqual(["7.00"]);
  expect(await amounts({ valueGt: late, valueLt: pivot.valueAt })).toEqual(["20.00"]);
  expect(await amounts({ valueLt: late })).toEqual(["100.00"]);
  const known = formatInstant(openedAt);
  expect(await amounts({ knownLte: known })).toEqual(["100.00"]);
  expect(await amounts({ knownLt: known })).toEqual([]);
  expect(await amounts({ knownGte: known })).toEqual(from(0));
  expect(await amounts({ knownGt: known })).toEqual(from(1));
});

describe("explainBalance", () => {
  const text = `query ($id: ID!, $at: DateTime, $k: DateTime) { explainBalance(accountId: $id, at: $at, knownAt: $k) {
    balance { available { amount } } at knownAt sealedUntil rule { name version formula } postingCount backdatedPostingCount
    terms { counts coordinate { address phase net } } latestPostings { amount } backdatedPostings { amount isBackdated netAfter } } }`;

  test("tells the rule, the coordinates, the postings that made it and both clocks", async () => {
    const at = formatInstant((backdated + 1n) as Instant); // when the 20.00 was booked
    const { explainBalance } = await query(ada, text, { id: wallet, at });
    expect(explainBalance).toMatchObject({
      balance: { available: { amount: "127.00" } },
      at,
      rule: { name: "PI-2", version: "1" },
      terms: [{ counts: true, coordinate: { address: "DEFAULT", phase: "COMMITTED", net: "127.0000000" } }],
      postingCount: "3",
      backdatedPostingCount: "1",
      latestPostings: [{ amount: "20.0000000" }, { amount: "100.0000000" }],
      backdatedPostings: [{ amount: "7.0000000", isBackdated: true, netAfter: null }],
    });
    const { knownAt, sealedUntil } = explainBalance as Record<string, string>;
    expect(parseInstant(knownAt!)! <= parseInstant(sealedUntil!)!).toBe(true);
    expect((await query(ada, text, { id: wallet, at, k: knownAt }))["explainBalance"]).toEqual(explainBalance);
    const earlier = await query(staff, text, { id: wallet, at, k: formatInstant(openedAt) });
    expect(earlier["explainBalance"]).toMatchObject({
      balance: { available: { amount: "100.00" } },
      postingCount: "1",
    });
  });

  test("is for those who may read the account", async () => {
    const { data, errors } = await ledger.run(customer("bo"), text, { id: wallet });
    expect(data ?? null).toBeNull();
    expect(errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
  });
});

test("the trial balance balances at any point of both clocks, in every total and at every root of the tree", async () => {
  const text = `query ($at: DateTime, $k: DateTime) { trialBalance(at: $at, knownAt: $k) { isBalanced at knownAt
    rows { code debit credit } totals { denomination phase debit credit isBalanced } nodes { code parentCode depth debit credit } } }`;
  const at = formatInstant((backdated + 1n) as Instant);
  for (const [knownAt, sum] of [
    [undefined, "127.0000000"],
    [formatInstant(openedAt), "100.0000000"],
  ] as const) {
    const { trialBalance } = await query(staff, text, { at, k: knownAt });
    expect(trialBalance).toMatchObject({
      isBalanced: true,
      at,
      rows: [
        { code: "CASH_IN", debit: sum, credit: "0.0000000" },
        { code: "wallet", debit: "0.0000000", credit: sum },
      ],
      totals: [{ denomination: "USD", phase: "COMMITTED", debit: sum, credit: sum, isBalanced: true }],
    });
    const { nodes } = trialBalance as { nodes: { code: string; depth: number; debit: string; credit: string }[] };
    expect(nodes.map(({ code, depth }) => [depth, code])).toEqual([
      [0, "ASSETS"],
      [1, "CASH"],
      [2, "CASH_IN"],
      [0, "LIABILITIES"],
      [1, "CUSTOMER_DEPOSITS"],
      [2, "wallet"],
    ]);
    expect([nodes[0]!.debit, nodes[3]!.credit]).toEqual([sum, sum]);
  }
});
