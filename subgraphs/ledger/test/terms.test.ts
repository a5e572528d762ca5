import { internalAccountId } from "@florin/db";
import { parseInstant, type Instant, type Uuid } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { openProductSandbox } from "@florin/product-sandbox";
import { createProductCatalogue } from "../src/writer/product-catalogue.js";
import { commandFromJson, commandToJson } from "../src/writer/command-json.js";
import type { TermsChange } from "../src/writer/terms-command.js";
import {
  deposit,
  expectCompleted,
  expectRejected,
  openTestBook,
  posting,
  transfer,
  withdrawal,
  type TestBook,
} from "./test-book.js";
import { change, eventsOf, expectRefused, netsOf, openAccountOf, terms } from "./terms-harness.js";

let book: TestBook;
const minutesAgo = (minutes: number): Instant => (systemClock.now() - BigInt(minutes) * 60_000_000n) as Instant;

beforeAll(async () => {
  const sandbox = await openProductSandbox();
  book = await openTestBook({ loadProduct: (source) => sandbox.loadProduct(source) });
});
afterAll(async () => {
  expect(await book.findings()).toEqual([]);
  await book.stop();
});

const define = (code: string, rules: Extract<TermsChange, { type: "restrictionDefinition" }>["rules"]) =>
  change(book.writer, { type: "restrictionDefinition", code, description: "for a test", rules });

describe("restrictions", () => {
  test("RES-1: of the account, of its customer with accounts that are opened later, and of one payment device", async () => {
    await define("FROZEN", [{ type: "PREVENT_DEBITS" }]);
    const owner = "usr_restricted";
    const [ada, bo] = [await openAccountOf(book, "wallet", {}, { owners: [owner] }), await book.fundedWallet("50.00")];
    await expectCompleted(book.writer.submit(deposit(ada, "50.00")));
    const onAccount = await change(book.writer, {
      type: "restriction",
      code: "FROZEN",
      target: { level: "ACCOUNT", accountId: bo },
    });
    await expectRejected(book.writer.submit(withdrawal(bo, "1.00")), "RESTRICTED");
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00")));
    await change(book.writer, { type: "restriction", code: "FROZEN", target: { level: "CUSTOMER", customer: owner } });
    await expectRejected(book.writer.submit(withdrawal(ada, "1.00")), "RESTRICTED");
    const later = await openAccountOf(book, "wallet", {}, { owners: [owner] });
    await expectCompleted(book.writer.submit(deposit(later, "5.00")));
    await expectRejected(book.writer.submit(withdrawal(later, "1.00")), "RESTRICTED");
    await change(book.writer, { type: "liftRestriction", restrictionId: onAccount.commandId, reason: "cleared" });
    await expectCompleted(book.writer.submit(withdrawal(bo, "1.00")));
    await expectRefused(
      book.writer.submit(terms({ type: "liftRestriction", restrictionId: onAccount.commandId, reason: "again" })),
      "RESTRICTION_ENDED",
    );
    await change(book.writer, {
      type: "restriction",
      code: "FROZEN",
      target: { level: "PAYMENT_DEVICE", accountId: bo, paymentDevice: "card_1" },
    });
    const pay = (paymentDevice: string) =>
      posting([{ ...withdrawal(bo, "1.00").instructions[0]!, paymentDevice }], { account: bo });
    await expectRejected(book.writer.submit(pay("card_1")), "RESTRICTED");
    await expectCompleted(book.writer.submit(pay("card_2")));
  });

  test("RES-1: a definition's versions: what was applied stays on its version; a limit counts in its currency", async () => {
    const ada = await book.fundedWallet("100.00");
    await define("CAPPED", [{ type: "LIMIT_DEBITS", limits: { USD: "10", EUR: "1" } }]);
    await change(book.writer, { type: "restriction", code: "CAPPED", target: { level: "ACCOUNT", accountId: ada } });
    await define("CAPPED", [{ type: "LIMIT_DEBITS", limits: { USD: "1" } }]);
    await expectCompleted(book.writer.submit(withdrawal(ada, "10.00")));
    await expectRejected(book.writer.submit(withdrawal(ada, "10.01")), "RESTRICTION_LIMIT");
    await change(book.writer, { type: "restriction", code: "CAPPED", target: { level: "ACCOUNT", accountId: ada } });
    await expectRejected(book.writer.submit(withdrawal(ada, "1.01")), "RESTRICTION_LIMIT");
  });

  test("RES-2: an exemption lets through; value time and booking time both count, the stricter wins", async () => {
    const ada = await book.fundedWallet("100.00");
    await define("BRANCH_ONLY", [{ type: "PREVENT_DEBITS", exemptions: [{ channel: "BRANCH" }] }]);
    const past = { from: minutesAgo(10), to: (systemClock.now() + 1_000n) as Instant };
    await change(book.writer, {
      type: "restriction",
      code: "BRANCH_ONLY",
      target: { level: "ACCOUNT", accountId: ada },
      ...past,
    });
    const at = posting([{ ...withdrawal(ada, "1.00").instructions[0]!, details: { channel: "BRANCH" } }], {
      account: ada,
    });
    await expectCompleted(book.writer.submit(at));
    const [row] = await book.admin.sql<{ openedAt: Instant }[]>`
      select opened_at as "openedAt" from ledger.account where account_id = ${ada}`;
    const backdated = withdrawal(ada, "1.00", { valueAt: row!.openedAt }); // in the window by its value time
    await expectRejected(book.writer.submit(backdated), "RESTRICTED");
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00"))); // and out of it by now
  });

  test("RES-3: an override needs its permission, and is recorded on the instruction", async () => {
    const ada = await book.fundedWallet("100.00");
    await define("REVIEWED", [{ type: "REVIEW_DEBITS" }]);
    await change(book.writer, { type: "restriction", code: "REVIEWED", target: { level: "ACCOUNT", accountId: ada } });
    const one = { ...withdrawal(ada, "1.00").instructions[0]!, overrideRestrictions: ["REVIEW_DEBITS"] as const };
    await expectRejected(book.writer.submit(withdrawal(ada, "1.00")), "RESTRICTED_REVIEW");
    await expectRejected(book.writer.submit(posting([one], { account: ada })), "OVERRIDE_NOT_PERMITTED");
    const permitted = posting([one], { account: ada, permissions: ["posting.override.REVIEW_DEBITS"] });
    await expectCompleted(book.writer.submit(permitted));
    const [stored] = await book.admin.sql`
      select i.terms -> 'overrideRestrictions' as overrides from ledger.posting_instruction i
      join ledger.operation o using (batch_id) where o.operation_id = ${permitted.commandId}`;
    expect(stored).toEqual({ overrides: ["REVIEW_DEBITS"] });
  });

  test("what is no restriction is refused, with what is wrong", async () => {
    const bad = (rules: Extract<TermsChange, { type: "restrictionDefinition" }>["rules"]) =>
      expectRefused(
        book.writer.submit(terms({ type: "restrictionDefinition", code: "BAD", description: "", rules })),
        "RESTRICTION_INVALID",
      );
    await bad([]);
    await bad([{ type: "LIMIT_DEBITS" }]);
    await bad([{ type: "PREVENT_DEBITS", limits: { USD: "1" } }]);
    await bad([{ type: "LIMIT_CREDITS", limits: { USD: "1.001" } }]);
    await bad([{ type: "PREVENT_DEBITS", exemptions: [{}] }]);
    const unknown = { type: "restriction", code: "NEVER", target: { level: "CUSTOMER", customer: "usr_x" } } as const;
    await expectRefused(book.writer.submit(terms(unknown)), "RESTRICTION_UNKNOWN");
  });
});

describe("guards, parameters, periods", () => {
  test("BAL-1, BAL-3: guards hold after the product's own judgement, and what mends a breach may pass", async () => {
    const ada = await book.fundedWallet("100.00");
    await change(book.writer, { type: "guards", accountId: ada, minAvailable: "50", maxCommitted: "120" });
    await expectRejected(book.writer.submit(withdrawal(ada, "50.01")), "INSUFFICIENT_FUNDS");
    await expectRejected(book.writer.submit(deposit(ada, "20.01")), "MAXIMUM_BALANCE");
    await change(book.writer, { type: "guards", accountId: ada, maxCommitted: "60" });
    await expectCompleted(book.writer.submit(withdrawal(ada, "10.00"))); // still above, and less so
    await change(book.writer, { type: "guards", accountId: ada });
    await expectCompleted(book.writer.submit(deposit(ada, "1000.00")));
    const income = internalAccountId("FEE_INCOME", "USD");
    await change(book.writer, { type: "guards", accountId: income, maxCommitted: "1000000" });
    await expectRefused(
      book.writer.submit(terms({ type: "guards", accountId: ada, minAvailable: "0.123456789" })),
      "AMOUNT_SCALE",
    );
  });

  test("FLAG-1: a parameter holds from its value time on; the template speaks where nobody chose, and each kept what was told", async () => {
    const chosen = await openAccountOf(book, "current_account", { arrangedOverdraft: "10" });
    const left = await openAccountOf(book, "current_account", {});
    const [version] = await book.admin.sql<{ id: Uuid }[]>`
      select product_version_id as id from ledger.account where account_id = ${left}`;
    const template = { type: "templateParameters", productVersionId: version!.id } as const;
    await change(book.writer, { ...template, values: { arrangedOverdraft: "30" } });
    await expectRejected(book.writer.submit(withdrawal(chosen, "10.01")), "INSUFFICIENT_FUNDS");
    await expectCompleted(book.writer.submit(withdrawal(left, "30.00")));
    const later = await openAccountOf(book, "current_account", {});
    await expectCompleted(book.writer.submit(withdrawal(later, "30.00")));
    await change(book.writer, { type: "parameters", accountId: chosen, values: { arrangedOverdraft: "20" } });
    await expectCompleted(book.writer.submit(withdrawal(chosen, "20.00")));
    await expectRefused(
      book.writer.submit(terms({ ...template, values: { arrangedOverdraft: "0.5" } })),
      "PARAMETER_INVALID",
    ); // not in JPY
    await expectRefused(
      book.writer.submit(terms({ type: "parameters", accountId: chosen, values: { nonsense: "1" } })),
      "PARAMETER_INVALID",
    );
    const from = minutesAgo(1);
    await expectRefused(
      book.writer.submit(terms({ type: "flag", accountId: chosen, name: "A", value: true, from, to: from })),
      "WINDOW_INVALID",
    );
    await change(book.writer, { ...template, values: { arrangedOverdraft: "0" } });
  });

  test("GV-6: at most 1000: 100, 500, 300 and 100 are taken, and 0.01 more is not", async () => {
    const ada = await openAccountOf(book, "savings_account", { maximumBalance: "1000" });
    for (const amount of ["100.00", "500.00", "300.00", "100.00"])
      await expectCompleted(book.writer.submit(deposit(ada, amount)));
    await expectRejected(book.writer.submit(deposit(ada, "0.01")), "MAXIMUM_BALANCE");
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "1000.00" });
  });

  test("every product of the library judges its accounts: a card's limit, a deposit's term", async () => {
    const card = await openAccountOf(book, "credit_card", { creditLimit: "100" });
    await expectCompleted(book.writer.submit(withdrawal(card, "100.00")));
    await expectRejected(book.writer.submit(withdrawal(card, "0.01")), "CREDIT_LIMIT");
    const lower = terms({ type: "parameters", accountId: card, values: { creditLimit: "50" } });
    await expectRefused(book.writer.submit(lower), "CREDIT_LIMIT"); // preParameterChange read what is owed
    await change(book.writer, { type: "parameters", accountId: card, values: { creditLimit: "150" } });
    await expectCompleted(book.writer.submit(withdrawal(card, "50.00")));
    const term = await openAccountOf(book, "term_deposit", {});
    await expectCompleted(book.writer.submit(deposit(term, "10.00")));
    await expectRejected(book.writer.submit(withdrawal(term, "1.00")), "CONTRACT_REJECTED");
  });

  test("uploaded code becomes a product's version, and judges as built-in code does; a version is uploaded once", async () => {
    const source = (version: string, most: number) => `
      import { defineProduct, refuse } from "@florin/kernel";
      export default defineProduct({
        code: "jar", name: "Jar", version: "${version}", tside: "LIABILITY", parameters: {},
        hooks: (on) => ({
          prePosting: on.prePosting({}, ({ instructions }) => instructions
            .filter(({ after }) => after.committed > ${most}0000000n)
            .map(({ index }) => ({ instructionIndex: index, kind: "limit", ...refuse("MAXIMUM_BALANCE") }))),
        }),
      });`;
    await change(book.writer, { type: "productVersion", source: source("1", 10) });
    const ada = await openAccountOf(book, "jar");
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await expectRejected(book.writer.submit(deposit(ada, "0.01")), "MAXIMUM_BALANCE");
    await expectRefused(
      book.writer.submit(terms({ type: "productVersion", source: source("1", 20) })),
      "PRODUCT_VERSION_EXISTS",
    );
    const second = await change(book.writer, { type: "productVersion", source: source("2", 20) });
    const to = { type: "conversion", accountIds: [ada], currencies: ["USD"], toVersionId: second.commandId } as const;
    await change(book.writer, to);
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await expectRejected(book.writer.submit(deposit(ada, "0.01")), "MAXIMUM_BALANCE");
  });

  test("each change is a record in the book's order and its operation another, one event and one operation; its key replays (IDEM-2, INV-4, AUD-1)", async () => {
    const ada = await book.openWallet();
    const command = await change(book.writer, { type: "flag", accountId: ada, name: "VIP", value: true });
    expect(await book.writer.submit(command)).toMatchObject({ isReplay: true, operation: { status: "COMPLETED" } });
    const other = { ...command, fingerprint: "other" };
    expect(await book.writer.submit(other)).toEqual({ kind: "key-reused" });
    const rows = await book.admin.sql`
      select kind, length(link) as link from ledger.resource_change where correlation_id = ${command.correlationId} order by seq`;
    expect([...rows]).toEqual([
      { kind: "account.flag_set", link: 32 },
      { kind: "operation.decided", link: 32 },
    ]);
    expect(await eventsOf(book, "account.flag_set")).toContainEqual(expect.objectContaining({ name: "VIP" }));
    expect(commandFromJson(commandToJson(command))).toEqual(command);
  });

  // Last: what it closes stays closed.
  test("T-2: a closed period refuses value times before it, but by permission, and then says so", async () => {
    const [ada, bo] = [await book.fundedWallet("10.00"), await book.openWallet()];
    const [opened] = await book.admin.sql<{ at: Instant }[]>`select max(opened_at) as at from ledger.account`;
    const until = (opened!.at + 1_000n) as Instant;
    await change(book.writer, { type: "closePeriod", processingGroup: "main", until });
    await expectRejected(book.writer.submit(transfer(ada, bo, "1.00", { valueAt: opened!.at })), "PERIOD_CLOSED");
    const permitted = transfer(ada, bo, "1.00", {
      valueAt: opened!.at,
      permissions: ["posting.backdate.closed_period"],
    });
    await expectCompleted(book.writer.submit(permitted));
    const [batch] = await book.admin.sql`
      select k.remarks ->> 'adjustsPeriod' as adjusts from ledger.posting_instruction_batch k
      join ledger.operation o using (batch_id) where o.operation_id = ${permitted.commandId}`;
    expect(batch).toEqual({ adjusts: "true" });
    await expectCompleted(book.writer.submit(transfer(ada, bo, "1.00", { valueAt: until })));
    const again = { type: "closePeriod", processingGroup: "main", until } as const;
    await expectRefused(book.writer.submit(terms(again)), "PERIOD_INVALID");
    const future = { ...again, until: parseInstant("2999-01-01T00:00:00Z")! };
    await expectRefused(book.writer.submit(terms(future)), "PERIOD_INVALID");
    await expectRefused(book.writer.submit(terms({ ...again, processingGroup: "nowhere" })), "PERIOD_INVALID");
  });
});

test("a stored version whose code is not here is judged by the kernel's own guard (BAL-1, fail closed)", () => {
  const id = internalAccountId("x", "USD");
  const record = {
    productVersionId: id,
    productId: id,
    code: "gone",
    version: "1",
    tside: "LIABILITY",
    source: "x",
  } as const;
  const catalogue = createProductCatalogue([record], []);
  expect(catalogue.findVersion(id)?.product.hooks).toBeUndefined();
  expect(catalogue.findLatest("gone")).toBeUndefined();
});
