import { customer, partner, startLedger, unknownAccountId, type TestLedger } from "./ledger-harness.js";
import { checkBooks } from "@florin/testkit";

const ada = customer("ada");
const bo = customer("bo");
const usd = (amount: string) => ({ amount, currency: "USD" });

const fields = `operation { id type status stage pollAfterMs rejection { code message } amount { amount currency }
  account { id } createdAt completedAt }`;
const documents = {
  deposit: `mutation($input: DepositInput!) { result: deposit(input: $input) { ${fields} } }`,
  withdraw: `mutation($input: WithdrawInput!) { result: withdraw(input: $input) { ${fields} } }`,
  bookTransfer: `mutation($input: BookTransferInput!) { result: bookTransfer(input: $input) { ${fields} } }`,
};
type MutationName = keyof typeof documents;

interface OperationJson {
  readonly id: string;
  readonly status: string;
  readonly pollAfterMs: number | null;
  readonly rejection: { readonly code: string; readonly message: string } | null;
}

let ledger: TestLedger;
let wallet: string;
let other: string;
let keys = 0;
const newKey = () => `key-${++keys}`;

beforeAll(async () => {
  ledger = await startLedger();
  wallet = await ledger.openAccount(ada);
  other = await ledger.openAccount(bo);
});

afterAll(async () => {
  await ledger.stop();
  const faults = await checkBooks(ledger.url, { areas: ["ledger"] });
  await ledger.drop();
  expect(faults).toEqual([]);
});

async function perform(name: MutationName, input: Record<string, unknown>, viewer = ada) {
  const response = await ledger.run(viewer, documents[name], { input });
  const result = response.data?.["result"] as { operation: OperationJson } | undefined | null;
  return { operation: result?.operation, errors: response.errors ?? [], florin: response.extensions?.florin };
}

function inputOf(name: MutationName, more: Record<string, unknown> = {}): Record<string, unknown> {
  const accounts = name === "bookTransfer" ? { fromAccountId: wallet, toAccountId: other } : { accountId: wallet };
  return { ...accounts, amount: usd("1.00"), idempotencyKey: newKey(), ...more };
}

const names = Object.keys(documents) as MutationName[];

describe.each(names)("%s", (name) => {
  const badInputs: readonly [string, Record<string, unknown>, string][] = [
    ["an empty key", { idempotencyKey: "" }, "KEY_INVALID"],
    ["a key of 300 characters", { idempotencyKey: "k".repeat(300) }, "KEY_INVALID"],
    ["a key with a line break", { idempotencyKey: "a\nb" }, "KEY_INVALID"],
    ["too many digits", { amount: usd("1.001") }, "AMOUNT_SCALE"],
    ["zero", { amount: usd("0.00") }, "AMOUNT_NOT_POSITIVE"],
    ["a negative amount", { amount: usd("-1.00") }, "AMOUNT_NOT_POSITIVE"],
    ["an exponent", { amount: usd("1e2") }, "AMOUNT_FORMAT"],
    ["a JSON number", { amount: { amount: 1, currency: "USD" } }, "AMOUNT_FORMAT"],
    ["an unregistered currency", { amount: { amount: "1.00", currency: "XQZ" } }, "CURRENCY_UNKNOWN"],
    ["an amount of 10^15", { amount: usd("1000000000000000") }, "AMOUNT_TOO_LARGE"],
    ["a reference of 141 characters", { reference: "r".repeat(141) }, "REFERENCE_TOO_LONG"],
    ["a reference with a character that cannot be stored", { reference: "a\u0000b" }, "CHARACTER_INVALID"],
    ["a wait of 10001 ms", { waitMs: 10_001 }, "WAIT_OUT_OF_RANGE"],
    ["a negative wait", { waitMs: -1 }, "WAIT_OUT_OF_RANGE"],
  ];

  test.each(badInputs)("refuses %s and says where and why", async (_what, more, code) => {
    const { errors, operation } = await perform(name, inputOf(name, more));
    expect(operation).toBeUndefined();
    expect(errors[0]?.extensions?.["code"]).toBe("BAD_USER_INPUT");
    const faults = errors[0]?.extensions?.["fields"] as { path: string; code: string }[];
    expect(faults.map((fault) => fault.code)).toEqual([code]);
    expect(faults[0]?.path).toMatch(/^input\./);
  });

  test("tells all faults of an input at once", async () => {
    const more = { amount: usd("0"), idempotencyKey: "", reference: "r".repeat(141), waitMs: -1 };
    const { errors } = await perform(name, inputOf(name, more));
    expect(errors[0]?.extensions?.["fields"]).toHaveLength(4);
  });

  test("needs a key and a signed-in caller", async () => {
    const { idempotencyKey: _key, ...keyless } = inputOf(name);
    expect((await perform(name, keyless)).errors[0]?.extensions?.["code"]).toBe("BAD_USER_INPUT");
    const anonymous = await ledger.run(undefined, documents[name], { input: inputOf(name) });
    expect(anonymous.errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
  });

  test("does not find an account that is unknown, malformed or somebody else's", async () => {
    const field = name === "bookTransfer" ? "fromAccountId" : "accountId";
    const messages = new Set<string>();
    for (const id of [unknownAccountId(), "acct_nonsense", other]) {
      const { errors } = await perform(name, inputOf(name, { [field]: id }));
      expect(errors[0]?.extensions?.["code"]).toBe("NOT_FOUND");
      messages.add(errors[0]!.message);
    }
    expect(messages.size).toBe(1);
  });

  test("answers a repetition with the same operation, and another input under the key with an error", async () => {
    await perform("deposit", inputOf("deposit"));
    const input = inputOf(name);
    const first = await perform(name, input);
    const again = await perform(name, { ...input, waitMs: 5_000 });
    expect(first.operation?.status).toBe("COMPLETED");
    expect(first.florin?.idempotencyReplayed).toBeUndefined();
    expect(first.florin?.written?.["ledger"]).toMatch(/^[1-9][0-9]*$/);
    expect(again.operation).toEqual(first.operation);
    expect(again.florin?.idempotencyReplayed).toBe(true);
    const reused = await perform(name, { ...input, amount: usd("2.00") });
    expect(reused.errors[0]?.extensions?.["code"]).toBe("IDEMPOTENCY_KEY_REUSED");
  });

  test("answers PENDING at once without waiting, then COMPLETED under the same id", async () => {
    await perform("deposit", inputOf("deposit"));
    const { operation } = await perform(name, inputOf(name, { waitMs: 0 }));
    expect(["PENDING", "COMPLETED"]).toContain(operation?.status);
    const deadline = performance.now() + 5_000;
    let status = operation?.status;
    while (status === "PENDING" && performance.now() < deadline) {
      const { data } = await ledger.run(ada, `query($id: ID!) { operation(id: $id) { status } }`, {
        id: operation?.id,
      });
      status = (data?.["operation"] as { status: string }).status;
    }
    expect(status).toBe("COMPLETED");
  });

  test("rejects another currency as a result that replays", async () => {
    const input = inputOf(name, { amount: { amount: "1.00", currency: "EUR" } });
    const first = await perform(name, input);
    expect(first.operation).toMatchObject({ status: "REJECTED", rejection: { code: "CURRENCY_MISMATCH" } });
    const again = await perform(name, input);
    expect(again.operation).toEqual(first.operation);
    expect(again.florin?.idempotencyReplayed).toBe(true);
  });
});

describe("bookTransfer between accounts", () => {
  test("rejects the same account and an unknown recipient as results", async () => {
    const same = await perform("bookTransfer", inputOf("bookTransfer", { toAccountId: wallet }));
    expect(same.operation?.rejection?.code).toBe("SAME_ACCOUNT");
    for (const toAccountId of [unknownAccountId(), "acct_nonsense"]) {
      const { operation } = await perform("bookTransfer", inputOf("bookTransfer", { toAccountId }));
      expect(operation).toMatchObject({ status: "REJECTED", rejection: { code: "RECIPIENT_NOT_FOUND" } });
    }
  });

  test("a refusal for missing funds stays a refusal after the account is funded", async () => {
    const input = inputOf("bookTransfer", { amount: usd("5000.00") });
    expect((await perform("bookTransfer", input)).operation?.rejection?.code).toBe("INSUFFICIENT_FUNDS");
    await perform("deposit", inputOf("deposit", { amount: usd("6000.00") }));
    const again = await perform("bookTransfer", input);
    expect(again.operation).toMatchObject({ status: "REJECTED", rejection: { code: "INSUFFICIENT_FUNDS" } });
  });

  test("fifty equal calls at once make one transfer", async () => {
    await perform("deposit", inputOf("deposit", { amount: usd("100.00") }));
    const input = inputOf("bookTransfer", { amount: usd("2.00") });
    const before = await availableOf(other);
    const results = await Promise.all(Array.from({ length: 50 }, () => perform("bookTransfer", input)));
    expect(new Set(results.map((result) => result.operation?.id)).size).toBe(1);
    expect(results.every((result) => result.operation?.status === "COMPLETED")).toBe(true);
    expect((await availableOf(other)) - before).toBe(200n);
  });
});

async function availableOf(accountId: string): Promise<bigint> {
  const { data } = await ledger.run(bo, `query($ids: [ID!]) { balances(accountIds: $ids) { available { amount } } }`, {
    ids: [accountId],
  });
  const [balance] = data?.["balances"] as { available: { amount: string } }[];
  return BigInt(balance!.available.amount.replace(".", ""));
}

describe("postInstructionBatch", () => {
  const document = `mutation($input: PostInstructionBatchInput!) { postInstructionBatch(input: $input) { batch { id status seq
    rejections { code instructionIndex } instructions { id type postings { account { id } side amount phase } } } } }`;

  async function post(input: Record<string, unknown>, viewer = partner) {
    const { data, errors } = await ledger.run(viewer, document, { input: { idempotencyKey: newKey(), ...input } });
    const payload = data?.["postInstructionBatch"] as { batch: Record<string, unknown> } | null | undefined;
    return { batch: payload?.batch, errors: errors ?? [] };
  }

  const transfer = (amount: string) => ({
    transfer: { debtorAccountId: wallet, creditorAccountId: other, amount: usd(amount) },
  });

  test("posts all instructions, or none and every violation", async () => {
    await perform("deposit", inputOf("deposit", { amount: usd("10.00") }));
    const accepted = await post({ instructions: [transfer("1.00"), transfer("2.00")] });
    expect(accepted.batch).toMatchObject({ status: "ACCEPTED", rejections: [] });
    expect(accepted.batch?.["instructions"]).toHaveLength(2);
    const stranger = { transfer: { debtorAccountId: unknownAccountId(), creditorAccountId: other, amount: usd("1") } };
    const rejected = await post({ instructions: [transfer("1.00"), stranger] });
    expect(rejected.batch).toMatchObject({
      status: "REJECTED",
      rejections: [{ code: "ACCOUNT_NOT_FOUND", instructionIndex: 1 }],
    });
  });

  test("refuses a list that is empty, too long, or has an instruction with no field or two", async () => {
    const faultCodes = async (instructions: readonly unknown[]) => {
      const { errors } = await post({ instructions });
      return (errors[0]?.extensions?.["fields"] as { path: string; code: string }[]).map(({ path, code }) => [
        path,
        code,
      ]);
    };
    expect(await faultCodes([])).toEqual([["input.instructions", "LIST_SIZE"]]);
    expect(await faultCodes(Array.from({ length: 101 }, () => transfer("1.00")))).toEqual([
      ["input.instructions", "LIST_SIZE"],
    ]);
    expect(await faultCodes([transfer("1.00"), {}])).toEqual([["input.instructions.1", "ONE_OF"]]);
    const settlement = { targetAccountId: wallet, internalAccountId: other, amount: usd("1.00") };
    expect(await faultCodes([{ ...transfer("1.00"), inboundHardSettlement: settlement }])).toEqual([
      ["input.instructions.0", "ONE_OF"],
    ]);
    expect(await faultCodes([{ inboundHardSettlement: settlement }])).toEqual([
      ["input.instructions.0.inboundHardSettlement.internalAccountId", "NOT_INTERNAL_ACCOUNT"],
    ]);
  });

  test("refuses details that speak in the ledger's own name", async () => {
    const { errors } = await post({ instructions: [transfer("1.00")], details: { accepted_despite: [] } });
    expect(errors[0]?.extensions?.["fields"]).toMatchObject([
      { path: "input.details.accepted_despite", code: "NAME_RESERVED" },
    ]);
  });

  test("is for principals with posting:write alone", async () => {
    const { errors } = await post({ instructions: [transfer("1.00")] }, ada);
    expect(errors[0]?.extensions?.["code"]).toBe("FORBIDDEN");
  });
});
