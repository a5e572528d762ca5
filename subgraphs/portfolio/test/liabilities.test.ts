import type { LiabilityData } from "@florin/linked-data";
import {
  account,
  codesOf,
  dataOf,
  newItem,
  newLinkedAccountId,
  newPerson,
  startPlatform,
  type Caller,
  type Platform,
} from "./portfolio-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const nowhere = { city: null, region: null, street: null, postalCode: null, country: null };
const somewhere = { city: "Malakoff", region: "NY", street: "2992 Cameron Road", postalCode: "14236", country: "US" };

type Of<Kind extends LiabilityData["kind"]> = Extract<LiabilityData, { kind: Kind }>;

const card = (accountId: string | null, more: Partial<Of<"CREDIT">> = {}): Of<"CREDIT"> => ({
  kind: "CREDIT",
  accountId,
  aprs: [],
  isOverdue: null,
  lastPaymentAmount: null,
  lastPaymentDate: null,
  lastStatementIssueDate: null,
  lastStatementBalance: null,
  minimumPaymentAmount: null,
  nextPaymentDueDate: null,
  ...more,
});

const mortgage = (accountId: string, more: Partial<Of<"MORTGAGE">> = {}): Of<"MORTGAGE"> => ({
  kind: "MORTGAGE",
  accountId,
  accountNumberMasked: "••3154",
  currentLateFee: null,
  escrowBalance: null,
  hasPmi: null,
  hasPrepaymentPenalty: null,
  interestRate: { percentage: null, type: null },
  lastPaymentAmount: null,
  lastPaymentDate: null,
  loanTerm: null,
  loanTypeDescription: null,
  maturityDate: null,
  nextMonthlyPayment: null,
  nextPaymentDueDate: null,
  originationDate: null,
  originationPrincipalAmount: null,
  pastDueAmount: null,
  propertyAddress: nowhere,
  ytdInterestPaid: null,
  ytdPrincipalPaid: null,
  ...more,
});

const studentLoan = (accountId: string | null, more: Partial<Of<"STUDENT">> = {}): Of<"STUDENT"> => ({
  kind: "STUDENT",
  accountId,
  accountNumberMasked: null,
  disbursementDates: null,
  expectedPayoffDate: null,
  guarantor: null,
  interestRatePercentage: "5.25",
  isOverdue: null,
  lastPaymentAmount: null,
  lastPaymentDate: null,
  lastStatementBalance: null,
  lastStatementIssueDate: null,
  loanName: null,
  loanStatus: { endDate: null, type: null },
  minimumPaymentAmount: null,
  nextPaymentDueDate: null,
  originationDate: null,
  originationPrincipalAmount: null,
  outstandingInterestAmount: null,
  paymentReferenceNumberMasked: null,
  pslfStatus: { estimatedEligibilityDate: null, paymentsMade: null, paymentsRemaining: null },
  repaymentPlan: { description: null, type: null },
  sequenceNumber: null,
  servicerAddress: nowhere,
  ytdInterestPaid: null,
  ytdPrincipalPaid: null,
  ...more,
});

const loan = (accountId: string): Of<"LOAN"> => ({
  kind: "LOAN",
  accountId,
  accountNumberMasked: null,
  interestRate: null,
  principalBalance: "1200.5",
  originationPrincipalAmount: null,
  originationDate: null,
  loanTermMonths: 36,
  maturityDate: null,
  paymentCount: 4,
  paymentFrequency: "EVERY_BLUE_MOON",
  nextPaymentAmount: null,
  nextPaymentDueDate: null,
  lastPaymentAmount: null,
  lastPaymentDate: null,
  payoffAmount: null,
  ytdInterestPaid: null,
  compoundingPeriod: null,
});

const lineOfCredit = (accountId: string): Of<"LINE_OF_CREDIT"> => ({
  kind: "LINE_OF_CREDIT",
  accountId,
  interestRate: { percentage: null, type: null },
  creditLimit: null,
  availableCredit: null,
  principalBalance: null,
  minimumPaymentAmount: null,
  nextPaymentAmount: null,
  nextPaymentDueDate: null,
  lastPaymentAmount: null,
  lastPaymentDate: null,
  lastStatementBalance: null,
  lastStatementIssueDate: null,
  pastDueAmount: null,
  financeCharges: null,
  drawPeriodEndDate: null,
  aprs: [],
});

const everything = `query ($id: ID) { liabilities(virtualAccountId: $id) {
  credit { account { id } aprs { percentage type typeRaw balanceSubjectToApr interestChargeAmount } isOverdue lastPaymentAmount
    lastPaymentDate lastStatementIssueDate lastStatementBalance minimumPaymentAmount nextPaymentDueDate currency { isoCode unofficialCode } }
  mortgage { account { id } accountNumberMasked currentLateFee escrowBalance hasPmi hasPrepaymentPenalty interestRate { percentage type }
    lastPaymentAmount lastPaymentDate loanTerm loanTypeDescription maturityDate nextMonthlyPayment nextPaymentDueDate originationDate
    originationPrincipalAmount pastDueAmount propertyAddress { city region street postalCode country } ytdInterestPaid ytdPrincipalPaid
    currency { isoCode unofficialCode } }
  student { account { id } accountNumberMasked disbursementDates expectedPayoffDate guarantor interestRatePercentage isOverdue
    lastPaymentAmount lastPaymentDate lastStatementBalance lastStatementIssueDate loanName loanStatus { endDate type }
    minimumPaymentAmount nextPaymentDueDate originationDate originationPrincipalAmount outstandingInterestAmount
    paymentReferenceNumberMasked pslfStatus { estimatedEligibilityDate paymentsMade paymentsRemaining }
    repaymentPlan { description type } sequenceNumber servicerAddress { city region street postalCode country } ytdInterestPaid
    ytdPrincipalPaid currency { isoCode unofficialCode } }
  loan { account { id } accountNumberMasked interestRate { percentage type } principalBalance originationPrincipalAmount originationDate
    loanTermMonths maturityDate paymentCount paymentFrequency nextPaymentAmount nextPaymentDueDate lastPaymentAmount lastPaymentDate
    payoffAmount ytdInterestPaid compoundingPeriod currency { isoCode unofficialCode } }
  lineOfCredit { account { id } interestRate { percentage type } creditLimit availableCredit principalBalance minimumPaymentAmount
    nextPaymentAmount nextPaymentDueDate lastPaymentAmount lastPaymentDate lastStatementBalance lastStatementIssueDate pastDueAmount
    financeCharges drawPeriodEndDate aprs { typeRaw } currency { isoCode unofficialCode } }
} }`;

interface LiabilitiesAnswer {
  readonly liabilities: Readonly<Record<string, readonly Record<string, unknown>[]>>;
}

async function liabilitiesOf(person: Caller, id?: string): Promise<LiabilitiesAnswer["liabilities"]> {
  return dataOf<LiabilitiesAnswer>(await platform.call(everything, { id }, person)).liabilities;
}

test("what an institution leaves out is null, what it invents is kept as it came, and all of it is shown", async () => {
  const item = newItem(newPerson());
  const bitcoin = { isoCode: null, unofficialCode: "BTC" };
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [
      account({ accountId: "loan", type: "loan", currency: bitcoin }),
      account({ accountId: "card", type: "credit" }),
    ]),
  );
  await platform.tell(
    "accounts",
    ...item.say("LIABILITIES", [
      { data: card(null) },
      {
        data: card("card", {
          aprs: [{ percentage: "15.24", type: "lunar_apr", balanceSubjectToApr: null, interestChargeAmount: null }],
          lastPaymentDate: "2026-02-30",
        }),
      },
      { data: mortgage("loan", { loanTerm: "30 year \u0000\ud800 🏠" }) },
      {
        data: studentLoan(null, {
          disbursementDates: ["2020-13-01", "2020-01-31"],
          repaymentPlan: { description: null, type: "interest only" },
        }),
      },
      { data: loan("loan") },
      { data: lineOfCredit("loan") },
    ]),
  );
  const { credit, mortgage: mortgages, student, loan: loans, lineOfCredit: lines } = await liabilitiesOf(item.person);
  expect(credit).toMatchObject([
    { account: null, currency: null, aprs: [], minimumPaymentAmount: null },
    {
      account: { id: expect.stringMatching(/^lac_/) as string },
      currency: { isoCode: "USD" },
      lastPaymentDate: null,
      aprs: [{ percentage: "15.24", type: "UNKNOWN", typeRaw: "lunar_apr" }],
    },
  ]);
  expect(mortgages).toMatchObject([
    { accountNumberMasked: "••3154", loanTerm: "30 year \ufffd 🏠", propertyAddress: nowhere, currency: bitcoin },
  ]);
  expect(student).toMatchObject([
    {
      account: null,
      currency: { isoCode: null, unofficialCode: "XXX" },
      disbursementDates: ["2020-01-31"],
      interestRatePercentage: "5.25",
      repaymentPlan: { type: "interest only" },
      loanStatus: { type: null },
    },
  ]);
  expect(loans).toMatchObject([
    { principalBalance: "1200.5", paymentFrequency: "EVERY_BLUE_MOON", interestRate: null, paymentCount: 4 },
  ]);
  expect(lines).toMatchObject([{ aprs: [], creditLimit: null }]);
});

test("a liability of an account that left the roster is not shown any more", async () => {
  const item = newItem(newPerson());
  const roster = [account({ accountId: "card", type: "credit" }), account({ accountId: "other", type: "credit" })];
  await platform.tell("accounts", ...item.say("LIABILITIES", [{ data: card("card") }, { data: card("other") }]));
  expect((await liabilitiesOf(item.person))["credit"]).toEqual([]);
  await platform.tell("accounts", ...item.say("ACCOUNTS", roster));
  expect((await liabilitiesOf(item.person))["credit"]).toHaveLength(2);
  await platform.tell("accounts", ...item.say("ACCOUNTS", roster.slice(1)));
  expect((await liabilitiesOf(item.person))["credit"]).toHaveLength(1);
});

const entity = `query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on LinkedAccount { id holdings { quantity }
  liability { __typename ... on CreditCardLiability { minimumPaymentAmount } ... on MortgageLiability { propertyAddress { city } } }
  liabilityHistory { capturedAt liability { ... on CreditCardLiability { minimumPaymentAmount } } } } } }`;

async function linkedAccount(id: string, person: Caller): Promise<unknown> {
  const answer = await platform.call(entity, { keys: [{ __typename: "LinkedAccount", id }] }, person);
  return dataOf<{ _entities: unknown[] }>(answer)._entities[0];
}

test("a linked account has its liability, and its history: a row for each change, none for a repetition", async () => {
  const item = newItem(newPerson());
  const id = newLinkedAccountId();
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [account({ accountId: "card", type: "credit", linkedAccountId: id })]),
  );
  const say = (minimumPaymentAmount: string, capturedAt: string) =>
    item.say("LIABILITIES", [{ data: card("card", { minimumPaymentAmount }) }], { capturedAt });
  await platform.tell("accounts", ...say("20", "2026-11-01T00:00:00.000000Z"));
  await platform.tell("accounts", ...say("20", "2026-11-02T00:00:00.000000Z"));
  await platform.tell("accounts", ...say("35.10", "2026-11-03T00:00:00.000000Z"));
  await platform.tell("accounts", ...item.say("LIABILITIES", [], { capturedAt: "2026-11-04T00:00:00.000000Z" }));
  await platform.tell("accounts", ...say("12", "2026-11-05T00:00:00.000000Z"));
  expect(await linkedAccount(id, item.person)).toEqual({
    id,
    holdings: null,
    liability: { __typename: "CreditCardLiability", minimumPaymentAmount: "12" },
    liabilityHistory: [
      { capturedAt: "2026-11-05T00:00:00.000000Z", liability: { minimumPaymentAmount: "12" } },
      { capturedAt: "2026-11-04T00:00:00.000000Z", liability: null },
      { capturedAt: "2026-11-03T00:00:00.000000Z", liability: { minimumPaymentAmount: "35.10" } },
      { capturedAt: "2026-11-01T00:00:00.000000Z", liability: { minimumPaymentAmount: "20" } },
    ],
  });
});

test("somebody else's is not there, the office sees it without addresses and guarantors, and leaves a line", async () => {
  const item = newItem(newPerson());
  const { virtualAccountId } = item.person;
  const id = newLinkedAccountId();
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [account({ accountId: "house", type: "loan", linkedAccountId: id })]),
  );
  await platform.tell(
    "accounts",
    ...item.say("LIABILITIES", [
      { data: mortgage("house", { propertyAddress: somewhere }) },
      { data: studentLoan("house", { servicerAddress: somewhere, guarantor: "A Relative" }) },
    ]),
  );
  const [mine] = (await liabilitiesOf(item.person, virtualAccountId))["mortgage"]!;
  expect(mine).toMatchObject({ propertyAddress: somewhere });

  for (const stranger of [newPerson(), { principal: "ptr_0123456789", roles: ["PARTNER"] } as const]) {
    expect(codesOf(await platform.call(everything, { id: virtualAccountId }, stranger))).toEqual(["NOT_FOUND"]);
    expect(await linkedAccount(id, stranger)).toEqual({ id, holdings: null, liability: null, liabilityHistory: [] });
  }
  for (const role of ["STAFF", "AUDITOR"] as const) {
    const office = { ...newPerson(), roles: [role] };
    const seen = await liabilitiesOf(office, virtualAccountId);
    expect(seen["mortgage"]).toMatchObject([{ accountNumberMasked: "••3154", propertyAddress: nowhere }]);
    expect(seen["student"]).toMatchObject([{ guarantor: null, servicerAddress: nowhere }]);
    expect(await linkedAccount(id, office)).toMatchObject({ liability: { propertyAddress: { city: null } } });
    const lines = platform.logLines.filter(
      (line) => line.includes(office.principal) && line.includes("portfolio:read"),
    );
    expect(lines).toHaveLength(2);
  }
});
