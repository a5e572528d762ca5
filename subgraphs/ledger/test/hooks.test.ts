import { connectDatabase, type Database } from "@florin/db";
import { ensureProducts, listHookExecutions } from "@florin/db/ledger";
import {
  defineProduct,
  formatId,
  productLibrary,
  refuse,
  replayExecution,
  type Amount,
  type HookKind,
  type Product,
  type Uuid,
} from "@florin/kernel";
import { armFaultPoints, disarmFaultPoints, randomIds, systemClock } from "@florin/resilience";
import {
  deposit,
  expectCompleted,
  expectRejected,
  openCommand,
  openTestBook,
  withdrawal,
  type TestBook,
} from "./test-book.js";
import { openProductSandbox } from "@florin/product-sandbox";
import { createLogger } from "@florin/telemetry";
import { createConverter } from "../src/tasks/convert-accounts.js";
import { change, eventsOf, hookRunner, netsOf, openAccountOf, terms, versionId } from "./terms-harness.js";

const hundred = 1_000_000_000n as Amount;

/** Hooks of every kind, with the faults that the tests ask for. */
const eventful = defineProduct({
  code: "eventful",
  name: "Eventful",
  version: "1",
  tside: "LIABILITY",
  parameters: {
    mode: {
      description: "What goes wrong: 0 nothing, 1 activation refuses, 2 activation throws.",
      kind: "COUNT",
      defaultValue: "0",
    },
    fee: { description: "Taken for each deposit.", kind: "AMOUNT_NOT_NEGATIVE", defaultValue: "0" },
  },
  hooks: (on) => ({
    activation: on.activation({ parameters: ["mode"] }, ({ parameters }) => {
      if (parameters.mode === 2) throw new Error("activation is broken");
      if (parameters.mode === 1) return { reject: refuse("CONTRACT_REJECTED", "not you") };
      return { notifications: [{ type: "welcome" }] };
    }),
    postPosting: on.postPosting(
      { parameters: ["fee"], flags: ["BROKEN", "LOUD"] },
      ({ instructions, parameters, flags }) => {
        if (flags.BROKEN) throw new Error("postPosting is broken");
        const deposits = instructions.filter(({ type }) => type === "INBOUND_HARD_SETTLEMENT");
        if (flags.LOUD) return { notifications: [{ type: "deposits", details: { count: deposits.length } }] };
        if (deposits.length === 0 || parameters.fee === 0n) return {};
        return { postings: { instructions: deposits.map(() => takeFee(parameters.fee)) } };
      },
    ),
    postParameterChange: on.postParameterChange({}, ({ oldParameters, newParameters }) =>
      oldParameters["fee"] === newParameters["fee"] ? {} : { postings: { instructions: [takeFee(hundred)] } },
    ),
    preParameterChange: on.preParameterChange({ balances: "latest live" }, ({ newParameters, balances }) =>
      newParameters["fee"] !== "0.00" && balances.net() < hundred
        ? { reject: refuse("CONTRACT_REJECTED", "too poor") }
        : {},
    ),
    deactivation: on.deactivation({ balances: "latest live" }, ({ balances }) => {
      const left = balances.net();
      return left === 0n ? {} : { postings: { instructions: [takeFee(left)] }, notifications: [{ type: "swept" }] };
    }),
    derivedParameters: on.derivedParameters({}, () => ({})),
  }),
});

function takeFee(amount: Amount) {
  return {
    legs: [
      { account: "SELF", side: "DEBIT", amount },
      { account: { internalCode: "FEE_INCOME" }, side: "CREDIT", amount },
    ],
  } as const;
}

/** Takes one at the conversion, and nothing after postings. */
const eventfulV2 = defineProduct({
  code: "eventful",
  name: "Eventful",
  version: "2",
  tside: "LIABILITY",
  parameters: {
    mode: { description: "As before.", kind: "COUNT", defaultValue: "0" },
    fee: { description: "As before.", kind: "AMOUNT_NOT_NEGATIVE", defaultValue: "0" },
    tithe: { description: "New.", kind: "AMOUNT_NOT_NEGATIVE", defaultValue: "1" },
  },
  hooks: (on) => ({
    conversion: on.conversion({ parameters: ["tithe"] }, ({ fromVersion, parameters }) => ({
      postings: { instructions: [takeFee(parameters.tithe)] },
      notifications: [{ type: "converted", details: { fromVersion } }],
    })),
  }),
});

/** Answers whatever happens on its account, itself included. */
const runaway = defineProduct({
  code: "runaway",
  name: "Runaway",
  version: "1",
  tside: "LIABILITY",
  parameters: {},
  hooks: (on) => ({ postPosting: on.postPosting({}, () => ({ postings: { instructions: [takeFee(hundred)] } })) }),
});

/** Asks for what is not there. */
const calendared = defineProduct({
  code: "calendared",
  name: "Calendared",
  version: "1",
  tside: "LIABILITY",
  parameters: {},
  hooks: (on) => ({
    postPosting: on.postPosting(
      { calendars: { days: { ids: ["bank"], start: { origin: "EFFECTIVE", shift: { days: -1 } }, end: "EFFECTIVE" } } },
      ({ calendars }) => (calendars.days.length > 0 ? { notifications: [{ type: "holiday" }] } : {}),
    ),
  }),
});

const products: readonly Product[] = [...productLibrary, eventful, eventfulV2, runaway, calendared];
let book: TestBook;
let database: Database;
let runner: ReturnType<typeof hookRunner>;

beforeAll(async () => {
  const sandbox = await openProductSandbox({ limits: { otherMillis: 200 } });
  const loadProduct = (source: string): Product => sandbox.loadProduct(source);
  book = await openTestBook({ products, loadProduct });
  await ensureProducts(book.admin, [eventful, runaway, calendared], randomIds, systemClock);
  database = connectDatabase({ url: book.url, area: "ledger", applicationName: "test-hooks", maxConnections: 8 });
  runner = hookRunner(book.writer, database, { products, loadProduct });
});
afterEach(disarmFaultPoints);
afterAll(async () => {
  expect(await book.findings()).toEqual([]);
  await database.stop();
  await book.stop();
});

describe("postPosting after commits", () => {
  test("a current account's overdraft fee is taken once for each crossing, with the time of what caused it (HOOK-2)", async () => {
    const ada = await openAccountOf(book, "current_account", { arrangedOverdraft: "100", overdraftFee: "5" });
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await expectCompleted(book.writer.submit(withdrawal(ada, "30.00")));
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00")));
    await runner.runAll();
    await runner.runAll();
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "-26.00" });
    const [fee] = await book.admin.sql`
      select k.origin, k.cascade_depth as depth, k.value_at = t.value_at as same_value, k.client_id as client
      from ledger.posting_instruction_batch k, ledger.posting_instruction_batch t, ledger.operation o
      where k.emitted_by = ${ada} and t.batch_id = o.batch_id and o.account_id = ${ada} and o.amount = 30`;
    expect(fee).toEqual({ origin: "CONTRACT", depth: 1, same_value: true, client: "contract" });
    expect(await eventsOf(book, "account.notification")).toContainEqual(
      expect.objectContaining({ accountId: formatId("account", ada), type: "overdraft.entered" }),
    );
  });

  test("a runner that is killed between the fee's commit and the cursor takes it once; CT-1, HOOK-4", async () => {
    const ada = await openAccountOf(book, "current_account", { arrangedOverdraft: "100", overdraftFee: "5" });
    await expectCompleted(book.writer.submit(withdrawal(ada, "30.00")));
    armFaultPoints({ faults: "ledger.hooks.before-cursor:1:throw,ledger.hooks.before-cursor:2:throw" });
    const dying = hookRunner(book.writer, database, { products });
    await expect(dying.runAll()).rejects.toThrow(/FLORIN_FAULT/);
    await expect(dying.runAll()).rejects.toThrow(/FLORIN_FAULT/);
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "-35.00" });
    await Promise.all([runner.runAll(), hookRunner(book.writer, database, { products }).runAll()]); // two at once, as after a change of hands
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "-35.00" });
    const rows = await book.admin.sql`select 1 from ledger.hook_execution where account_id = ${ada}`;
    expect(rows).toHaveLength(1);
  });

  test("a personal loan is paid out when it opens, and repayments go to fees, interest and principal in order", async () => {
    const loan = await openAccountOf(book, "personal_loan", { principal: "1000", originationFee: "20" });
    expect(await netsOf(book, loan)).toEqual({ FEES: "20.00", PRINCIPAL: "1000.00" });
    await expectCompleted(book.writer.submit(deposit(loan, "120.00")));
    await runner.runAll();
    expect(await netsOf(book, loan)).toEqual({ PRINCIPAL: "900.00" });
    await expectRejected(book.writer.submit(deposit(loan, "900.01")), "CONTRACT_REJECTED");
    await expectRejected(book.writer.submit(withdrawal(loan, "1.00")), "CONTRACT_REJECTED");
    await expectCompleted(book.writer.submit(deposit(loan, "900.00")));
    await runner.runAll();
    expect(await netsOf(book, loan)).toEqual({});
  });

  test("HOOK-1, HOOK-3: one batch for each run, and a product that answers itself for ever is stopped at the eighth", async () => {
    const ada = await openAccountOf(book, "runaway", {});
    await expectCompleted(book.writer.submit(deposit(ada, "1000.00")));
    await runner.runAll();
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "200.00" });
    const depths = await book.admin.sql<{ depth: number; status: string }[]>`
      select cascade_depth::int as depth, status from ledger.posting_instruction_batch where emitted_by = ${ada} order by seq`;
    expect(depths.map(({ depth }) => depth)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const [failure] = await book.admin.sql`select code from ledger.post_processing_failure where account_id = ${ada}`;
    expect(failure).toEqual({ code: "CASCADE_DEPTH" });
  });

  test("what throws at every try keeps its account's later hooks waiting, and nobody else's; a retry goes on in order", async () => {
    const [ada, bo] = [await openAccountOf(book, "eventful", {}), await openAccountOf(book, "eventful", {})];
    for (const accountId of [ada, bo]) {
      await expectCompleted(book.writer.submit(deposit(accountId, "1000.00")));
      await change(book.writer, { type: "parameters", accountId, values: { fee: "2" } });
    }
    await runner.runAll();
    expect([await netsOf(book, ada), await netsOf(book, bo)]).toEqual([{ DEFAULT: "900.00" }, { DEFAULT: "900.00" }]);
    await change(book.writer, { type: "flag", accountId: ada, name: "BROKEN", value: true });
    for (const accountId of [ada, ada, bo]) await expectCompleted(book.writer.submit(deposit(accountId, "10.00")));
    await runner.runAll();
    expect([await netsOf(book, ada), await netsOf(book, bo)]).toEqual([{ DEFAULT: "920.00" }, { DEFAULT: "908.00" }]);
    const failures = await book.admin.sql<{ executionId: string; code: string; reason: string }[]>`
      select execution_id as "executionId", code, reason from ledger.post_processing_failure where account_id = ${ada}`;
    expect(failures).toEqual([expect.objectContaining({ code: "CONTRACT_ERROR", reason: "postPosting is broken" })]);
    expect(await eventsOf(book, "account.post_processing_failed")).toContainEqual(
      expect.objectContaining({ executionId: failures[0]!.executionId }),
    );
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00"))); // the account stays usable
    // What was told of the flag is corrected for the same time, and the hook is run again.
    await change(book.writer, { type: "flag", accountId: ada, name: "BROKEN", value: false, from: 0n as never });
    const resolution = {
      type: "hookFailureResolution",
      executionId: failures[0]!.executionId,
      accountId: ada,
    } as const;
    await change(book.writer, { ...resolution, resolution: "RETRIED" });
    await runner.runAll();
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "915.00" });
    expect(await book.writer.submit(terms({ ...resolution, resolution: "SKIPPED" }))).toMatchObject({
      operation: { rejection: { code: "FAILURE_UNKNOWN" } },
    });
  });

  test("FET-1, FET-6: what cannot be fetched fails its own account's run, and the window goes on", async () => {
    const [ada, bo] = [
      await openAccountOf(book, "calendared", {}),
      await openAccountOf(book, "current_account", { arrangedOverdraft: "50", overdraftFee: "1" }),
    ];
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await expectCompleted(book.writer.submit(withdrawal(bo, "10.00")));
    await runner.runAll();
    const [failure] = await book.admin.sql`select reason from ledger.post_processing_failure where account_id = ${ada}`;
    expect(failure).toEqual({ reason: "calendars days was declared and not fetched" });
    expect(await netsOf(book, bo)).toEqual({ DEFAULT: "-11.00" });
  });

  test("HOOK-6: where no account has such a product, nothing is looked through, and the cursor is at the head", async () => {
    const quiet = await openTestBook();
    const own = connectDatabase({ url: quiet.url, area: "ledger", applicationName: "test-quiet", maxConnections: 2 });
    await quiet.fundedWallet("10.00");
    await hookRunner(quiet.writer, own).runAll();
    const [row] = await quiet.admin.sql`
      select c.seq = h.seq as reached, (select count(*)::int from ledger.hook_execution) as runs
      from ledger.hook_cursor c join ledger.head h using (book_id)`;
    expect(row).toEqual({ reached: true, runs: 0 });
    await own.stop();
    await quiet.stop();
  });

  test("HOOK-5: an uploaded hook that never ends is cut and fails; its account and everybody else's go on", async () => {
    const source = `
      import { defineProduct } from "@florin/kernel";
      export default defineProduct({
        code: "endless", name: "Endless", version: "1", tside: "LIABILITY", parameters: {},
        hooks: (on) => ({ postPosting: on.postPosting({}, ({ instructions }) => { while (instructions.length > 0); return {}; }) }),
      });`;
    await change(book.writer, { type: "productVersion", source });
    const [ada, bo] = [
      await openAccountOf(book, "endless"),
      await openAccountOf(book, "current_account", { overdraftFee: "1" }),
    ];
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await expectCompleted(book.writer.submit(deposit(bo, "10.00")));
    await runner.runAll();
    const [failure] = await book.admin
      .sql`select hook, code from ledger.post_processing_failure where account_id = ${ada}`;
    expect(failure).toEqual({ hook: "postPosting", code: "CONTRACT_ERROR" });
    await expectCompleted(book.writer.submit(withdrawal(ada, "1.00")));
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "9.00" });
  });

  test("RES-3: a restriction stops a product's batch unless the directive overrides it; the failure says so", async () => {
    const ada = await openAccountOf(book, "eventful", {});
    await expectCompleted(book.writer.submit(deposit(ada, "1000.00")));
    await change(book.writer, { type: "parameters", accountId: ada, values: { fee: "2" } });
    await runner.runAll();
    const rules = [{ type: "PREVENT_DEBITS" }] as const;
    await change(book.writer, { type: "restrictionDefinition", code: "NO_DEBITS", description: "", rules });
    await change(book.writer, { type: "restriction", code: "NO_DEBITS", target: { level: "ACCOUNT", accountId: ada } });
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await runner.runAll();
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "910.00" });
    const [failure] = await book.admin.sql`select code from ledger.post_processing_failure where account_id = ${ada}`;
    expect(failure).toEqual({ code: "RESTRICTED" });
  });
});

describe("opening and closing", () => {
  test("activation may refuse the opening; what it throws refuses it too, and is told to operators", async () => {
    const refused = openCommand({ product: "eventful", parameters: { mode: "1" } });
    expect(await book.writer.submit(refused)).toMatchObject({ rejection: { code: "CONTRACT_REJECTED" } });
    const broken = openCommand({ product: "eventful", parameters: { mode: "2" } });
    expect(await book.writer.submit(broken)).toMatchObject({ rejection: { code: "CONTRACT_ERROR" } });
    expect(await eventsOf(book, "account.activation_failed")).toEqual([
      { accountId: formatId("account", broken.accountId), reason: "activation is broken" },
    ]);
    const rows = await book.admin.sql`
      select 1 from ledger.account where account_id in (${refused.accountId}, ${broken.accountId})`;
    expect(rows).toHaveLength(0);
  });

  test("HOOK-7: deactivation sweeps what is left, in the closing; nothing may stay behind", async () => {
    const ada = await openAccountOf(book, "eventful", {});
    await expectCompleted(book.writer.submit(deposit(ada, "12.34")));
    const close = { ...openCommand({}), kind: "account.close", accountId: ada } as const;
    const { commandId, principal, idempotencyKey, fingerprint, correlationId, createdAt, kind, accountId } = close;
    const command = { commandId, principal, idempotencyKey, fingerprint, correlationId, createdAt, kind, accountId };
    expect(await book.writer.submit(command)).toMatchObject({ kind: "account", rejection: undefined });
    expect(await netsOf(book, ada)).toEqual({});
    const [row] = await book.admin.sql`select status from ledger.account where account_id = ${ada}`;
    expect(row).toEqual({ status: "CLOSED" });
    await expectRejected(book.writer.submit(deposit(ada, "1.00")), "ACCOUNT_NOT_OPEN");
  });

  test("preParameterChange reads the live balance and may refuse; FLAG-1: what it lets through holds from its time on", async () => {
    const ada = await openAccountOf(book, "eventful", {});
    const poor = terms({ type: "parameters", accountId: ada, values: { fee: "2" } });
    expect(await book.writer.submit(poor)).toMatchObject({ operation: { rejection: { code: "CONTRACT_REJECTED" } } });
    await expectCompleted(book.writer.submit(deposit(ada, "100.00")));
    expect(await book.writer.submit(poor)).toMatchObject({ operation: { status: "REJECTED" }, isReplay: true }); // IDEM-4
    await change(book.writer, { type: "parameters", accountId: ada, values: { fee: "2" } });
    await runner.runAll();
    expect(await netsOf(book, ada)).toEqual({}); // postParameterChange took its hundred
  });
});

describe("conversion", () => {
  test("of one and of all: parameters kept, defaults taken, balances untouched; what is refused for one stops no other", async () => {
    const v1 = await versionId(book, eventful);
    const opened = await Promise.all(Array.from({ length: 3 }, () => openAccountOf(book, "eventful", {})));
    const [ada, bo, cy] = opened as [Uuid, Uuid, Uuid];
    for (const accountId of [ada, bo]) await expectCompleted(book.writer.submit(deposit(accountId, "500.00")));
    await change(book.writer, { type: "parameters", accountId: bo, values: { fee: "3" } });
    await runner.runAll();
    await ensureProducts(book.admin, [eventful, eventfulV2], randomIds, systemClock);
    const v2 = await versionId(book, eventfulV2);
    const wallet = await book.openWallet();
    const one = await change(book.writer, {
      type: "conversion",
      accountIds: [ada, wallet, randomIds.next()],
      currencies: ["USD"],
      toVersionId: v2,
    });
    expect(await resultsOf(one.commandId)).toEqual({ converted: 1, ACCOUNT_NOT_FOUND: 1, CONVERSION_INVALID: 1 });
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "499.00" }); // its conversion hook took one
    const all = await change(book.writer, { type: "conversionStart", fromVersionId: v1, toVersionId: v2 });
    const logger = createLogger({ name: "test", level: "silent" });
    const converter = createConverter({ database, writer: book.writer, clock: systemClock, logger });
    while (await converter.convertPage());
    const results = await resultsOf(all.commandId);
    expect(results["converted"]).toBeGreaterThanOrEqual(2);
    expect(results["INSUFFICIENT_FUNDS"] ?? 0).toBe(0); // an emitting account is not asked for leave (HOOK-3)
    expect(await eventsOf(book, "conversion.finished")).toHaveLength(1);
    const rows = await book.admin.sql<{ accountId: Uuid; version: Uuid; parameters: unknown }[]>`
      select account_id as "accountId", product_version_id as version, parameters from ledger.account
      where account_id in (${bo}, ${cy}) order by opened_at, account_id`;
    expect(rows.map(({ version }) => version)).toEqual([v2, v2]);
    expect(rows.find(({ accountId }) => accountId === bo)?.parameters).toEqual({
      mode: "0",
      fee: "3.00",
      tithe: "1.00",
    });
    expect(await netsOf(book, bo)).toEqual({ DEFAULT: "399.00" });
    await expectCompleted(book.writer.submit(deposit(bo, "1.00")));
  });

  test("what was booked before a conversion is shown to the older version's hook", async () => {
    const [v1, v2] = [await versionId(book, eventful), await versionId(book, eventfulV2)];
    const ada = await openAccountOf(book, "eventful", { fee: "2" });
    const [row] = await book.admin
      .sql`select product_version_id as version from ledger.account where account_id = ${ada}`;
    expect(row).toEqual({ version: v2 }); // the latest
    expect(v1).not.toBe(v2);
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    const back = { type: "conversion", accountIds: [ada], currencies: ["USD"], toVersionId: v1 } as const;
    await change(book.writer, back);
    await expectCompleted(book.writer.submit(deposit(ada, "10.00")));
    await runner.runAll();
    expect(await netsOf(book, ada)).toEqual({ DEFAULT: "18.00" }); // version 2 takes no fee, version 1 does
  });

  async function resultsOf(conversionId: Uuid): Promise<Readonly<Record<string, number>>> {
    const rows = await book.admin.sql<{ code: string; n: number }[]>`
      select coalesce(rejection_code, 'converted') as code, count(*)::int as n from ledger.conversion_result
      where conversion_id = ${conversionId} group by 1`;
    return Object.fromEntries(rows.map(({ code, n }) => [code, n]));
  }

  test("HOOK-4: every recorded run gives the same bytes when it is run again", async () => {
    const executions = await listHookExecutions(database.sql, 1, { limit: 1_000 });
    expect(new Set(executions.map(({ hook }) => hook)).size).toBeGreaterThanOrEqual(4);
    for (const { productCode, productVersion, format, hook, ...execution } of executions) {
      const product = products.find(({ code, version }) => code === productCode && version === productVersion)!;
      expect(format).toBe(1);
      const recorded = { ...execution, format: 1, productCode, productVersion, hook: hook as HookKind } as const;
      expect(replayExecution(product, recorded)).toEqual({ kind: "same" });
    }
  });
});
