import { checkBooks } from "@florin/testkit";
import {
  customer,
  partner,
  staff,
  startLedger,
  unknownAccountId,
  type Person,
  type TestLedger,
} from "./ledger-harness.js";

// Everything about holds as a partner sees it: golden vector GV-2 with all its ends, CT-9 on both clocks, T-8, and what is told of a bad input.

const ada = customer("ada");
const stranger: Person = { principal: "ptr_other", roles: ["PARTNER"], scopes: ["posting:write"] };
const usd = (amount: string) => ({ amount, currency: "USD" });
let ledger: TestLedger;
let cards: string;
let keys = 0;
const newKey = () => `key-${++keys}`;

beforeAll(async () => {
  ledger = await startLedger();
  const { data } = await ledger.run(staff, `{ internalAccount(code: "CARD_SETTLEMENT", currency: "USD") { id } }`);
  cards = (data?.["internalAccount"] as { id: string }).id;
});
afterAll(async () => {
  await ledger.stop();
  const faults = await checkBooks(ledger.url, { areas: ["ledger"] });
  await ledger.drop();
  expect(faults).toEqual([]);
});

interface Batch {
  readonly id: string;
  readonly status: string;
  readonly rejections: readonly { readonly code: string; readonly instructionIndex: number | null }[];
  readonly instructions: readonly { readonly type: string }[];
}

const POST = `mutation($input: PostInstructionBatchInput!) { postInstructionBatch(input: $input) { batch { id status
  rejections { code instructionIndex } instructions { type clientTransactionId } } } }`;

async function post(instructions: readonly unknown[], more: Record<string, unknown> = {}, viewer = partner) {
  const { data, errors } = await ledger.run(viewer, POST, {
    input: { idempotencyKey: newKey(), instructions, ...more },
  });
  const fields = errors?.[0]?.extensions?.["fields"] as { path: string; code: string }[] | undefined;
  return {
    batch: (data?.["postInstructionBatch"] as { batch: Batch } | null | undefined)?.batch,
    errors,
    faults: (fields ?? []).map(({ path, code }) => `${path.replace("input.instructions.", "")} ${code}`),
  };
}

async function accept(...instructions: readonly unknown[]): Promise<string> {
  const { batch, errors } = await post(instructions);
  expect({ rejections: batch?.rejections, errors }).toEqual({ rejections: [], errors: undefined });
  return batch!.id;
}

async function funded(amount: string): Promise<string> {
  const accountId = await ledger.openAccount(ada);
  await accept({
    inboundHardSettlement: { targetAccountId: accountId, internalAccountId: cards, amount: usd(amount) },
  });
  return accountId;
}

/** Available, committed, held, expected. */
async function balanceOf(accountId: string): Promise<string> {
  const { data } = await ledger.run(
    ada,
    `query($ids: [ID!]) { balances(accountIds: $ids) { available { amount } committed { amount } pendingOut { amount } pendingIn { amount } } }`,
    { ids: [accountId] },
  );
  const [balance] = data?.["balances"] as Record<string, { amount: string }>[];
  return ["available", "committed", "pendingOut", "pendingIn"].map((name) => balance![name]!.amount).join(" ");
}

const hold = (target: string, clientTransactionId: string, amount: string, more: Record<string, unknown> = {}) => ({
  targetAccountId: target,
  internalAccountId: cards,
  amount: usd(amount),
  clientTransactionId,
  ...more,
});

const VIEW = `query($clientId: ID!, $id: ID!, $at: DateTime, $knownAt: DateTime) {
  clientTransaction(clientId: $clientId, clientTransactionId: $id, at: $at, knownAt: $knownAt) { status isFinal denomination
    authorised adjusted settled released overSettled outstanding effectiveWindow { from to }
    instructions { type batchId ordinal knownAt authorised adjusted settled released overSettled } } }`;

async function view(id: string, more: Record<string, unknown> = {}, viewer: Person = partner) {
  const { data, errors } = await ledger.run(viewer, VIEW, { clientId: partner.principal, id, ...more });
  return { found: data?.["clientTransaction"] as Record<string, unknown> | null | undefined, errors };
}

describe("GV-2 through the graph", () => {
  const ends: [string, (id: string) => unknown, string, string][] = [
    [
      "a final settlement above what is held",
      (id) => ({ settlement: { clientTransactionId: id, amount: "90.00", final: true } }),
      "360.00",
      "20.0000000",
    ],
    [
      "a final settlement below it",
      (id) => ({ settlement: { clientTransactionId: id, amount: "30.00", final: true } }),
      "420.00",
      "0.0000000",
    ],
    ["a release", (id) => ({ release: { clientTransactionId: id } }), "450.00", "0.0000000"],
  ];

  test.each(ends)("outbound, ended by %s", async (what, end, left, overSettled) => {
    const id = `gv2 ${what}`;
    const account = await funded("500.00");
    await accept({ outboundAuthorisation: hold(account, id, "100.00") });
    expect(await balanceOf(account)).toBe("400.00 500.00 -100.00 0.00");
    await accept({ authorisationAdjustment: { clientTransactionId: id, delta: "20.00" } });
    expect(await balanceOf(account)).toBe("380.00 500.00 -120.00 0.00");
    await accept({ settlement: { clientTransactionId: id, amount: "50.00" } });
    expect(await balanceOf(account)).toBe("380.00 450.00 -70.00 0.00");
    expect((await view(id)).found).toMatchObject({
      status: "PARTIALLY_SETTLED",
      outstanding: "70.0000000",
      isFinal: false,
    });
    await accept(end(id));
    expect(await balanceOf(account)).toBe(`${left} ${left} 0.00 0.00`);
    expect((await view(id)).found).toMatchObject({
      status: "CLOSED",
      outstanding: "0.0000000",
      overSettled,
      isFinal: true,
    });
    for (const late of [end(id), { authorisationAdjustment: { clientTransactionId: id, replaceTo: "1.00" } }])
      expect((await post([late])).batch?.rejections).toEqual([
        { code: "CLIENT_TRANSACTION_CLOSED", instructionIndex: 0 },
      ]);
  });

  test("inbound: what is expected is never available, and the settlement takes all of it", async () => {
    const account = await funded("500.00");
    await accept({ inboundAuthorisation: hold(account, "gv2 in", "200.00") });
    expect(await balanceOf(account)).toBe("500.00 500.00 0.00 200.00");
    await accept({ settlement: { clientTransactionId: "gv2 in" } });
    expect(await balanceOf(account)).toBe("700.00 700.00 0.00 0.00");
  });
});

describe("clientTransaction (CT-9)", () => {
  test("adds up as it stood at any value time, as it was known at any known time", async () => {
    const account = await funded("50.00");
    const opened = await accept({ outboundAuthorisation: hold(account, "ct9", "10.00", { expiresAfter: "P7D" }) });
    const { found: before } = await view("ct9");
    await accept({ settlement: { clientTransactionId: "ct9", amount: "4.00", final: true } });
    const { found: after } = await view("ct9");
    expect(after).toMatchObject({
      authorised: "10.0000000",
      settled: "4.0000000",
      released: "6.0000000",
      denomination: "USD",
    });
    expect(after?.["instructions"]).toMatchObject([
      { type: "OUTBOUND_AUTHORISATION", batchId: opened, ordinal: 0, authorised: "10.0000000" },
      { type: "SETTLEMENT", settled: "4.0000000", released: "6.0000000" },
    ]);
    const [{ knownAt }] = before!["instructions"] as { knownAt: string }[] as [{ knownAt: string }];
    expect((await view("ct9", { knownAt })).found).toEqual(before);
    expect((await view("ct9", { at: (before!["effectiveWindow"] as { to: string }).to })).found).toEqual(before);
    const past = await view("ct9", { at: "2000-01-01T00:00:00Z" });
    expect(past.errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
  });

  test("shows movements and groups of custom instructions, too", async () => {
    const [account, other] = [await funded("50.00"), await funded("1.00")];
    await accept({
      transfer: {
        debtorAccountId: account,
        creditorAccountId: other,
        amount: usd("3.00"),
        clientTransactionId: "moved",
      },
    });
    expect((await view("moved")).found).toMatchObject({
      status: "CLOSED",
      authorised: "3.0000000",
      settled: "3.0000000",
    });
    const leg = (accountId: string, side: string) => ({
      accountId,
      address: "DEFAULT",
      phase: "COMMITTED",
      side,
      amount: usd("2.00"),
    });
    const postings = [leg(account, "DEBIT"), leg(other, "CREDIT")];
    await accept({ customInstruction: { postings, clientTransactionId: "group" } });
    expect((await view("group")).found).toMatchObject({
      status: "OPEN_CUSTOM",
      denomination: "USD",
      authorised: "0.0000000",
    });
  });

  test("is for its client and for those with ledger:read; for others it is not there", async () => {
    const account = await funded("50.00");
    await accept({ outboundAuthorisation: hold(account, "private", "1.00") });
    for (const viewer of [partner, staff]) expect((await view("private", {}, viewer)).found).toBeTruthy();
    for (const viewer of [ada, stranger])
      expect((await view("private", {}, viewer)).errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
    expect((await view("nothing")).errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
  });
});

describe("what is told of a bad input", () => {
  const bad: [string, unknown, string][] = [
    [
      "neither delta nor replaceTo",
      { authorisationAdjustment: { clientTransactionId: "x" } },
      "0.authorisationAdjustment ONE_OF",
    ],
    [
      "both of them",
      { authorisationAdjustment: { clientTransactionId: "x", delta: "1", replaceTo: "1" } },
      "0.authorisationAdjustment ONE_OF",
    ],
    [
      "a change of nothing",
      { authorisationAdjustment: { clientTransactionId: "x", delta: "0.00" } },
      "0.authorisationAdjustment.delta AMOUNT_NOT_POSITIVE",
    ],
    [
      "a hold below zero",
      { authorisationAdjustment: { clientTransactionId: "x", replaceTo: "-1" } },
      "0.authorisationAdjustment.replaceTo AMOUNT_NEGATIVE",
    ],
    [
      "a settlement of nothing (PI-6)",
      { settlement: { clientTransactionId: "x", amount: "0" } },
      "0.settlement.amount AMOUNT_NOT_POSITIVE",
    ],
    ["an id that is empty", { release: { clientTransactionId: "" } }, "0.release.clientTransactionId TEXT_INVALID"],
    ["one leg", { customInstruction: { postings: [] } }, "0.customInstruction.postings LIST_SIZE"],
    [
      "two kinds at once",
      { release: { clientTransactionId: "x" }, settlement: { clientTransactionId: "x" } },
      "0 ONE_OF",
    ],
  ];
  test.each(bad)("%s", async (_what, instruction, fault) => {
    expect((await post([instruction])).faults).toEqual([fault]);
  });

  test.each(["P1M", "1 day", "PT", "P", "-P1D"])(
    "a length of time that is none, or has none of its own: %s",
    async (expiresAfter) => {
      const { faults } = await post([
        { outboundAuthorisation: hold(unknownAccountId(), "x", "1.00", { expiresAfter }) },
      ]);
      expect(faults).toEqual(["0.outboundAuthorisation.expiresAfter DURATION_FORMAT"]);
    },
  );

  test.each(["PT0S", "P4000D"])("a length of time out of range: %s", async (expiresAfter) => {
    const { faults } = await post([{ outboundAuthorisation: hold(unknownAccountId(), "x", "1.00", { expiresAfter }) }]);
    expect(faults).toEqual(["0.outboundAuthorisation.expiresAfter DURATION_OUT_OF_RANGE"]);
  });

  test("an authorisation's other side is an internal account", async () => {
    const account = await funded("1.00");
    const { faults } = await post([
      { outboundAuthorisation: { ...hold(account, "x", "1.00"), internalAccountId: account } },
    ]);
    expect(faults).toEqual(["0.outboundAuthorisation.internalAccountId NOT_INTERNAL_ACCOUNT"]);
  });

  test("other addresses need posting.address, which the caller's scopes give (§2.3)", async () => {
    const [account, other] = [await funded("5.00"), await funded("1.00")];
    const leg = (accountId: string, side: string) => ({
      accountId,
      address: "POT",
      phase: "COMMITTED",
      side,
      amount: usd("2.00"),
    });
    const custom = { customInstruction: { postings: [leg(account, "DEBIT"), leg(other, "CREDIT")] } };
    expect((await post([custom])).batch?.rejections).toMatchObject([{ code: "ADDRESS_NOT_PERMITTED" }]);
    const trusted = { ...partner, scopes: [...partner.scopes, "posting.address"] };
    expect((await post([custom], {}, trusted)).batch?.status).toBe("ACCEPTED");
  });
});

describe("reverse (T-8)", () => {
  const REVERSE = `mutation($input: ReverseInput!) { reverse(input: $input) { operation { id type status rejection { code }
    amount { amount } account { id } } } }`;
  async function reverse(id: string, more: Record<string, unknown> = {}, viewer: Person = partner) {
    const { data, errors } = await ledger.run(viewer, REVERSE, { input: { id, idempotencyKey: newKey(), ...more } });
    const payload = data?.["reverse"] as { operation: Record<string, unknown> } | null | undefined;
    return { operation: payload?.operation, code: errors?.[0]?.extensions?.["code"] };
  }

  test("takes back what its client sent, once; the line of the statement says so", async () => {
    const [account, other] = [await funded("50.00"), await funded("1.00")];
    const batchId = await accept({
      transfer: { debtorAccountId: account, creditorAccountId: other, amount: usd("3.00") },
    });
    for (const viewer of [ada, stranger]) expect((await reverse(batchId, {}, viewer)).code).toBe("NOT_FOUND");
    expect((await reverse(unknownAccountId())).code).toBe("NOT_FOUND");
    const { operation } = await reverse(batchId);
    expect(operation).toMatchObject({
      type: "REVERSAL",
      status: "COMPLETED",
      amount: { amount: "3.00" },
      account: { id: account },
    });
    expect(await balanceOf(account)).toBe("50.00 50.00 0.00 0.00");
    expect((await reverse(batchId)).operation).toMatchObject({
      status: "REJECTED",
      rejection: { code: "ALREADY_REVERSED" },
    });
    const list = `query($id: ID!, $filter: TransactionFilter) { _entities(representations: [{ __typename: "Account", id: $id }]) {
      ... on Account { transactions(filter: $filter) { edges { node { type status direction } } } } } }`;
    const linesOf = async (filter: unknown) => {
      const { data } = await ledger.run(ada, list, { id: account, filter });
      const [found] = data?.["_entities"] as [
        { transactions: { edges: { node: { type: string; status: string } }[] } },
      ];
      return found.transactions.edges.map(({ node }) => `${node.type} ${node.status}`);
    };
    expect(await linesOf(null)).toEqual(["REVERSAL POSTED", "TRANSFER REVERSED", "DEPOSIT POSTED"]);
    expect(await linesOf({ status: "REVERSED" })).toEqual(["TRANSFER REVERSED"]);
    expect(await linesOf({ types: ["REVERSAL"] })).toEqual(["REVERSAL POSTED"]);
  });

  test("staff takes back what a customer did, by its operation", async () => {
    const [account, other] = [await funded("50.00"), await funded("1.00")];
    const { data } = await ledger.run(
      ada,
      `mutation($input: BookTransferInput!) { bookTransfer(input: $input) { operation { id } } }`,
      {
        input: { fromAccountId: account, toAccountId: other, amount: usd("5.00"), idempotencyKey: newKey() },
      },
    );
    const { id } = (data?.["bookTransfer"] as { operation: { id: string } }).operation;
    expect((await reverse(id, {}, ada)).code).toBe("NOT_FOUND");
    expect((await reverse(id, { mode: "AT_ORIGINAL_VALUE" }, staff)).operation?.["status"]).toBe("COMPLETED");
    expect(await balanceOf(account)).toBe("50.00 50.00 0.00 0.00");
  });
});
