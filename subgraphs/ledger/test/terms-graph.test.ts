import { formatInstant, type Instant } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import {
  customer,
  partner,
  staff,
  startLedger,
  uuidOfAccount,
  type Person,
  type TestLedger,
} from "./ledger-harness.js";

let ledger: TestLedger;
const ada = customer("ada");
let keys = 0;

beforeAll(async () => {
  ledger = await startLedger();
});
afterAll(async () => {
  await ledger.stop();
  await ledger.drop();
});

async function ask(viewer: Person, query: string, variables: Record<string, unknown> = {}) {
  const { data, errors } = await ledger.run(viewer, query, variables);
  return { data: data as Record<string, unknown> | null | undefined, errors };
}

/** One mutation whose input gets a key of its own. */
async function mutate(
  viewer: Person,
  name: string,
  input: Record<string, unknown>,
  selects = "operation { status rejection { code } }",
) {
  const type =
    name === "setFlag" || name === "clearFlag" ? "FlagInput" : `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const query = `mutation($input: ${type}!) { ${name}(input: $input) { ${selects} } }`;
  const { data, errors } = await ask(viewer, query, { input: { idempotencyKey: `graph-${++keys}`, ...input } });
  expect(errors).toBeUndefined();
  return (data as Record<string, Readonly<Record<string, unknown>>>)[name]!;
}

const completed = { operation: { status: "COMPLETED", rejection: null } };
const money = (amount: string) => ({ amount, currency: "USD" });

test("an operator changes parameters, flags, guards and restrictions; the owner reads what holds, as of any time (FLAG-1)", async () => {
  const accountId = await ledger.openAccount(ada, {
    product: "current_account",
    parameters: { arrangedOverdraft: "10" },
  });
  const before = formatInstant(systemClock.now());
  expect(
    await mutate(staff, "changeAccountParameters", { accountId, parameters: { arrangedOverdraft: "25" } }),
  ).toEqual(completed);
  expect(await mutate(staff, "setFlag", { accountId, name: "VIP" })).toEqual(completed);
  expect(await mutate(staff, "setAccountGuards", { accountId, minAvailable: "-20" })).toEqual(completed);
  const rules = [{ type: "LIMIT_DEBITS", limits: [money("5")], exemptions: [{ channel: "BRANCH" }] }];
  expect(await mutate(staff, "defineRestriction", { code: "SMALL", rules })).toEqual(completed);
  const applied = await mutate(
    staff,
    "applyRestriction",
    { code: "SMALL", accountId },
    "operation { status } restrictionId",
  );
  const read = `query($id: ID!, $at: DateTime) { _entities(representations: [{__typename: "Account", id: $id}]) { ... on Account {
    now: parametersInForce then: parametersInForce(at: $at) derivedParameters flags { name effectiveTo }
    restrictions { id type level code version effectiveTo } } } }`;
  const { data, errors } = await ask(ada, read, { id: accountId, at: before });
  expect(errors).toBeUndefined();
  expect(data!["_entities"]).toEqual([
    {
      now: { arrangedOverdraft: "25.00", overdraftFee: "0.00" },
      then: { arrangedOverdraft: "10.00", overdraftFee: "0.00" },
      derivedParameters: { overdraftUsed: "0.00", spendable: "25.00" },
      flags: [{ name: "VIP", effectiveTo: null }],
      restrictions: [
        {
          id: applied["restrictionId"],
          type: "LIMIT_DEBITS",
          level: "ACCOUNT",
          code: "SMALL",
          version: 1,
          effectiveTo: null,
        },
      ],
    },
  ]);
  const withdraw = (amount: string) => mutate(ada, "withdraw", { accountId, amount: money(amount) });
  expect(await withdraw("5.01")).toMatchObject({ operation: { rejection: { code: "RESTRICTION_LIMIT" } } });
  expect(await mutate(staff, "liftRestriction", { restrictionId: applied["restrictionId"], reason: "ok" })).toEqual(
    completed,
  );
  expect(await withdraw("20.00")).toEqual(completed);
  expect(await withdraw("0.01")).toMatchObject({ operation: { rejection: { code: "INSUFFICIENT_FUNDS" } } }); // the guard, before the overdraft
  expect(await mutate(staff, "clearFlag", { accountId, name: "VIP" })).toEqual(completed);
  const after = await ask(ada, read, { id: accountId, at: before });
  expect(after.data!["_entities"]).toMatchObject([{ flags: [] }]);
});

test("a fee is taken by the running ledger, its run can be looked at, and only by operators and auditors", async () => {
  const parameters = { arrangedOverdraft: "100", overdraftFee: "5" };
  const accountId = await ledger.openAccount(ada, { product: "current_account", parameters });
  await mutate(ada, "withdraw", { accountId, amount: money("30") });
  const query = `query($id: ID!) { hookExecutions(accountId: $id) { hook productCode attempt outcome batchId } postProcessingFailures { reason } }`;
  await eventually(async () => {
    const { data } = await ask(staff, query, { id: accountId });
    return (data?.["hookExecutions"] as readonly unknown[] | undefined)?.length === 1;
  }, 10_000);
  const { data } = await ask(staff, query, { id: accountId });
  expect(data).toMatchObject({
    hookExecutions: [
      { hook: "postPosting", productCode: "current_account", attempt: 1, batchId: expect.stringMatching(/^pib_/) },
    ],
    postProcessingFailures: [],
  });
  for (const viewer of [ada, partner]) expect((await ask(viewer, query, { id: accountId })).errors).toBeDefined();
  const forbidden = `mutation { setFlag(input: {accountId: "${accountId}", name: "A", idempotencyKey: "x"}) { operation { id } } }`;
  expect((await ask(ada, forbidden)).errors).toBeDefined();
});

test("a product is uploaded, its accounts are converted to its next version, and a faulty source is told with its place", async () => {
  const source = (version: string) =>
    `import { defineProduct } from "@florin/kernel";\nexport default defineProduct({ code: "shoebox", name: "Shoebox", version: "${version}", tside: "LIABILITY", parameters: {}, hooks: () => ({}) });`;
  const selects = "operation { status } productVersion { id version }";
  const first = await mutate(staff, "uploadProduct", { source: source("1") }, selects);
  expect(first).toMatchObject({ operation: { status: "COMPLETED" }, productVersion: { version: "1" } });
  const accountId = await ledger.openAccount(ada, { product: "shoebox" });
  const second = await mutate(staff, "uploadProduct", { source: source("2") }, selects);
  const toVersionId = (second["productVersion"] as { id: string }).id;
  const conversion =
    "operation { status } conversion { id isFinished converted refused results { rejection { code } } }";
  const some = await mutate(staff, "convertAccounts", { accountIds: [accountId], toVersionId }, conversion);
  expect(some).toMatchObject({
    conversion: { isFinished: true, converted: 1, refused: 0, results: [{ rejection: null }] },
  });
  const fromVersionId = (first["productVersion"] as { id: string }).id;
  const all = await mutate(staff, "convertAccounts", { fromVersionId, toVersionId }, conversion);
  const { id } = all["conversion"] as { id: string };
  await eventually(async () => {
    const { data } = await ask(staff, `query($id: ID!) { conversion(id: $id) { isFinished } }`, { id });
    return (data?.["conversion"] as { isFinished: boolean } | undefined)?.isFinished === true;
  }, 10_000);
  const upload = `mutation($input: UploadProductInput!) { uploadProduct(input: $input) { operation { id } } }`;
  const bad = {
    source: `import { defineProduct } from "@florin/kernel";\nexport default defineProduct({{);`,
    idempotencyKey: "bad",
  };
  const { errors } = await ask(staff, upload, { input: bad });
  expect(JSON.stringify(errors)).toMatch(/input\.source.*[Ll]ine 2/);
  expect(uuidOfAccount(accountId)).toBeDefined();
});

test("T-2: a period is closed by an operator; every fault of an input is told", async () => {
  const until = formatInstant((systemClock.now() - 3_600_000_000n) as Instant);
  expect(await mutate(staff, "closePeriod", { until })).toEqual(completed);
  expect(await mutate(staff, "closePeriod", { until })).toMatchObject({
    operation: { rejection: { code: "PERIOD_INVALID" } },
  });
  const query = `mutation($input: ApplyRestrictionInput!) { applyRestriction(input: $input) { operation { id } } }`;
  const { errors } = await ask(staff, query, { input: { code: "X", paymentDevice: "card", idempotencyKey: " " } });
  expect(JSON.stringify(errors)).toMatch(/KEY_INVALID.*ONE_OF/);
});

test("FLAG-1: what a product's version says holds for its accounts that say nothing themselves", async () => {
  const query = "{ products(first: 50) { edges { node { code latestVersion { id } } } } }";
  const { data } = await ask(staff, query);
  const { edges } = data!["products"] as {
    readonly edges: readonly {
      readonly node: { readonly code: string; readonly latestVersion: { readonly id: string } };
    }[];
  };
  const productVersionId = edges.find(({ node }) => node.code === "current_account")!.node.latestVersion.id;
  const accountId = await ledger.openAccount(ada, { product: "current_account" });
  const change = { productVersionId, parameters: { arrangedOverdraft: "30" } };
  expect(await mutate(staff, "changeTemplateParameters", change)).toEqual(completed);
  const withdraw = (amount: string) => mutate(ada, "withdraw", { accountId, amount: money(amount) });
  expect(await withdraw("30.01")).toMatchObject({ operation: { rejection: { code: "INSUFFICIENT_FUNDS" } } });
  expect(await withdraw("30.00")).toEqual(completed);
});

test("HOOK-6: a failed run is resolved once, by an operator; one that is not there is refused", async () => {
  const source = `import { defineProduct } from "@florin/kernel";
    export default defineProduct({ code: "thrower", name: "Thrower", version: "1", tside: "LIABILITY", parameters: {},
      hooks: (on) => ({ postPosting: on.postPosting({}, () => { throw new Error("it is broken"); }) }) });`;
  expect(await mutate(staff, "uploadProduct", { source })).toEqual(completed);
  const accountId = await ledger.openAccount(ada, { product: "thrower" });
  expect(await mutate(ada, "deposit", { accountId, amount: money("1.00") })).toEqual(completed);
  const failure = await eventually(async () => {
    const { data } = await ask(staff, "{ postProcessingFailures { executionId account { id } } }");
    const all = data!["postProcessingFailures"] as readonly { executionId: string; account: { id: string } }[];
    return all.find(({ account }) => account.id === accountId);
  }, 20_000);
  const resolve = { accountId, executionId: failure.executionId, resolution: "SKIPPED" };
  expect(await mutate(staff, "resolvePostProcessingFailure", { ...resolve, executionId: "nothing" })).toMatchObject({
    operation: { rejection: { code: "FAILURE_UNKNOWN" } },
  });
  expect(await mutate(staff, "resolvePostProcessingFailure", resolve)).toEqual(completed);
  expect(await mutate(staff, "resolvePostProcessingFailure", resolve)).toMatchObject({
    operation: { rejection: { code: "FAILURE_UNKNOWN" } },
  });
});
