import { randomUUID } from "node:crypto";
import { startTestPlatform, type Person, type PlatformForm, type TestPlatform } from "../platform-fixture.js";

export function testAuthorizationMatrix(form?: PlatformForm): void {
  // Who may do what: role × operation × ownership, as one table that makes its tests. `ok` is an answer without errors; the rest is
  // the code of the first error. Somebody else's object is not there: NOT_FOUND, never FORBIDDEN (api.md).

  let platform: TestPlatform;
  const who: Record<string, { token?: string; apiKey?: string }> = {};
  let ada: Person;
  let bo: Person;
  let operationId: string;
  let batchId: string;

  const money = { amount: "1.00", currency: "USD" };
  const key = (): string => randomUUID();

  beforeAll(async () => {
    platform = await startTestPlatform(form);
    [ada, bo] = await Promise.all([platform.login("ada@florin.test"), platform.login("bo@florin.test")]);
    const [staff, auditor] = await Promise.all([
      platform.login("staff@florin.test"),
      platform.login("auditor@florin.test"),
    ]);
    who["anonymous"] = {};
    who["owner"] = { token: ada.token };
    who["stranger"] = { token: bo.token };
    who["staff"] = { token: staff.token };
    who["auditor"] = { token: auditor.token };
    who["partner"] = { apiKey: platform.partnerKey };
    const { deposit } = await platform.must<{ deposit: { operation: { id: string } } }>(
      "mutation ($input: DepositInput!) { deposit(input: $input) { operation { id } } }",
      { input: { accountId: ada.wallet, amount: { amount: "500.00", currency: "USD" }, idempotencyKey: key() } },
      ada.token,
    );
    operationId = deposit.operation.id;
    const found = await platform.must<{ operation: { batch: { id: string } } }>(
      "query ($id: ID!) { operation(id: $id) { batch { id } } }",
      { id: operationId },
      staff.token,
    );
    batchId = found.operation.batch.id;
  });

  afterAll(async () => {
    expect(await platform.stop()).toEqual([]);
  });

  /** Everything that a person linked: it has the person's own id. */
  const virtualAccountOf = (person: Person): string => person.id.replace(/^usr_/, "vac_");

  const N = "UNAUTHENTICATED";
  const F = "FORBIDDEN";
  const X = "NOT_FOUND";

  const operations: Record<string, () => [string, unknown?]> = {
    me: () => ["{ me { id } }"],
    "account of Ada": () => ["query ($id: ID!) { account(id: $id) { id name } }", { id: ada.wallet }],
    "balance of Ada": () => [
      "query ($id: ID!) { account(id: $id) { balance { available { amount } } } }",
      { id: ada.wallet },
    ],
    "transactions of Ada": () => [
      "query ($id: ID!) { account(id: $id) { transactions(first: 1) { edges { node { id } } } } }",
      { id: ada.wallet },
    ],
    "balances of Ada": () => [
      "query ($ids: [ID!]) { balances(accountIds: $ids) { committed { amount } } }",
      { ids: [ada.wallet] },
    ],
    "operation of Ada": () => ["query ($id: ID!) { operation(id: $id) { id status } }", { id: operationId }],
    products: () => ["{ products { edges { node { code } } } }"],
    internalAccount: () => ['{ internalAccount(code: "CASH_IN", currency: "USD") { id } }'],
    trialBalance: () => ["{ trialBalance { isBalanced } }"],
    postingInstructionBatch: () => ["query ($id: ID!) { postingInstructionBatch(id: $id) { id } }", { id: batchId }],
    deposit: () => [
      "mutation ($input: DepositInput!) { deposit(input: $input) { operation { status } } }",
      { input: { accountId: ada.wallet, amount: money, idempotencyKey: key() } },
    ],
    withdraw: () => [
      "mutation ($input: WithdrawInput!) { withdraw(input: $input) { operation { status } } }",
      { input: { accountId: ada.wallet, amount: money, idempotencyKey: key() } },
    ],
    "bookTransfer from Ada": () => [
      "mutation ($input: BookTransferInput!) { bookTransfer(input: $input) { operation { status } } }",
      { input: { fromAccountId: ada.wallet, toAccountId: bo.wallet, amount: money, idempotencyKey: key() } },
    ],
    "closeAccount of Ada": () => [
      // Not empty, so even for its owner nothing is closed: a refusal is a result.
      "mutation ($input: CloseAccountInput!) { closeAccount(input: $input) { rejection { code } } }",
      { input: { accountId: ada.wallet, idempotencyKey: key() } },
    ],
    postInstructionBatch: () => [
      "mutation ($input: PostInstructionBatchInput!) { postInstructionBatch(input: $input) { batch { status } } }",
      {
        input: {
          instructions: [{ transfer: { debtorAccountId: ada.wallet, creditorAccountId: bo.wallet, amount: money } }],
          idempotencyKey: key(),
        },
      },
    ],
    "clientTransaction of nobody": () => [
      `{ clientTransaction(clientId: "ptr_nobody", clientTransactionId: "x") { status } }`,
      {},
    ],
    "reverse what is not there": () => [
      "mutation ($input: ReverseInput!) { reverse(input: $input) { operation { status } } }",
      { input: { id: "pib_00000000000000000000000000", idempotencyKey: key() } },
    ],
    "setFlag on Ada": () => [
      "mutation ($input: FlagInput!) { setFlag(input: $input) { operation { status } } }",
      { input: { accountId: ada.wallet, name: "WATCHED", idempotencyKey: key() } },
    ],
    postProcessingFailures: () => ["{ postProcessingFailures { executionId } }", {}],
    netWorth: () => ["{ netWorth { total { amount } } }"],
    spendingByCategory: () => ['{ spendingByCategory(from: "2026-01-01", to: "2026-01-31") { category } }'],
    "liabilities of Ada": () => [
      "query ($id: ID!) { liabilities(virtualAccountId: $id) { credit { isOverdue } } }",
      { id: virtualAccountOf(ada) },
    ],
    "investments of Ada": () => [
      "query ($id: ID!) { investments(virtualAccountId: $id) { holdings { quantity } } }",
      { id: virtualAccountOf(ada) },
    ],
    "virtualAccount of Ada": () => [
      "query ($id: ID!) { virtualAccount(id: $id) { items { status } } }",
      { id: virtualAccountOf(ada) },
    ],
    "linkedAccounts of Ada": () => [
      "query ($id: ID!) { linkedAccounts(virtualAccountId: $id) { edges { node { id } } } }",
      { id: virtualAccountOf(ada) },
    ],
    "linkedItem of nobody": () => [`{ linkedItem(id: "lit_00000000000000000000000000") { id } }`],
    "deleteVirtualAccount of nobody": () => [
      "mutation ($input: DeleteVirtualAccountInput!) { deleteVirtualAccount(input: $input) { removed } }",
      { input: { id: "vac_00000000000000000000000000", idempotencyKey: key() } },
    ],
    "removeLinkedItem of nobody": () => [
      "mutation ($input: RemoveLinkedItemInput!) { removeLinkedItem(input: $input) { linkedItem { id } } }",
      { input: { itemId: "lit_00000000000000000000000000", idempotencyKey: key() } },
    ],
  };

  //                              anonymous owner stranger staff auditor partner
  const matrix: [string, string, string, string, string, string, string][] = [
    ["me", N, "ok", "ok", "ok", "ok", "ok"],
    ["account of Ada", N, "ok", X, "ok", "ok", X],
    ["balance of Ada", N, "ok", X, "ok", "ok", X],
    ["transactions of Ada", N, "ok", X, "ok", "ok", X],
    ["balances of Ada", N, "ok", X, "ok", "ok", X],
    ["operation of Ada", N, "ok", X, "ok", "ok", X],
    ["products", N, "ok", "ok", "ok", "ok", "ok"],
    ["internalAccount", N, F, F, "ok", "ok", F],
    ["trialBalance", N, F, F, "ok", "ok", F],
    ["postingInstructionBatch", N, F, F, "ok", "ok", "ok"],
    ["deposit", N, "ok", X, X, X, "ok"],
    ["withdraw", N, "ok", X, X, X, "ok"],
    ["bookTransfer from Ada", N, "ok", X, X, X, X],
    ["closeAccount of Ada", N, "ok", X, X, X, X],
    ["postInstructionBatch", N, F, F, F, F, "ok"],
    // Whether it is there or not: what somebody may not see, and what is not there, are one answer.
    ["clientTransaction of nobody", N, X, X, X, X, X],
    ["reverse what is not there", N, X, X, X, X, X],
    ["setFlag on Ada", N, F, F, "ok", F, F],
    ["postProcessingFailures", N, F, F, "ok", "ok", F],
    // A partner is no person, and has none.
    ["netWorth", N, "ok", "ok", "ok", "ok", X],
    ["spendingByCategory", N, "ok", "ok", "ok", "ok", X],
    ["liabilities of Ada", N, "ok", X, "ok", "ok", X],
    ["investments of Ada", N, "ok", X, "ok", "ok", X],
    ["virtualAccount of Ada", N, "ok", X, "ok", "ok", X],
    ["linkedAccounts of Ada", N, "ok", X, "ok", "ok", X],
    ["linkedItem of nobody", N, X, X, X, X, X],
    ["deleteVirtualAccount of nobody", N, X, X, X, X, X],
    ["removeLinkedItem of nobody", N, X, X, X, X, X],
  ];
  const roles = ["anonymous", "owner", "stranger", "staff", "auditor", "partner"];
  const cases = matrix.flatMap(([operation, ...expected]) =>
    roles.map((role, index) => [role, operation, expected[index]!] as const),
  );

  it("has a row for every operation that it knows", () => {
    expect(matrix.map(([operation]) => operation).sort()).toEqual(Object.keys(operations).sort());
  });

  it.each(cases)("%s: %s → %s", async (role, operation, expected) => {
    const { token, apiKey } = who[role]!;
    const [query, variables] = operations[operation]!();
    const answer = await platform.graph(query, variables, token, apiKey === undefined ? {} : { "x-api-key": apiKey });
    expect(answer.errors?.[0]?.extensions.code ?? "ok").toBe(expected);
  });
}
