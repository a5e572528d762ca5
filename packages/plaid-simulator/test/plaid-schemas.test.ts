import { loadPlaidSchemas, type PlaidSchemas } from "./plaid-schemas.js";

// The validator is what every other conformance test leans on: here it is shown to refuse what it must and to let pass what
// it must, on a body written by hand.
let schemas: PlaidSchemas;
beforeAll(() => {
  schemas = loadPlaidSchemas();
});

const nowhere = { city: null, country: null, postal_code: null, region: null, street: null };

function liabilities() {
  return {
    request_id: "request-1",
    accounts: [
      {
        account_id: "acc-1",
        balances: {
          available: null,
          current: 12.5,
          limit: null,
          iso_currency_code: "USD",
          unofficial_currency_code: null,
        },
        mask: null,
        name: "Card",
        official_name: null,
        type: "credit",
        subtype: "credit card",
      },
    ],
    item: {
      item_id: "item-1",
      institution_id: "ins_1",
      webhook: null,
      error: null,
      available_products: ["assets"],
      billed_products: ["liabilities"],
      consent_expiration_time: null,
      update_type: "background",
    },
    liabilities: {
      credit: [
        {
          account_id: null,
          aprs: [
            {
              apr_percentage: 19.5,
              apr_type: "purchase_apr",
              balance_subject_to_apr: null,
              interest_charge_amount: null,
            },
          ],
          is_overdue: null,
          last_payment_amount: null,
          last_payment_date: null,
          last_statement_issue_date: null,
          last_statement_balance: null,
          minimum_payment_amount: null,
          next_payment_due_date: "2026-04-01",
        },
      ],
      mortgage: [
        {
          account_id: "acc-2",
          account_number: null,
          current_late_fee: null,
          escrow_balance: null,
          has_pmi: null,
          has_prepayment_penalty: null,
          interest_rate: { percentage: null, type: null },
          last_payment_amount: null,
          last_payment_date: null,
          loan_term: null,
          loan_type_description: null,
          maturity_date: null,
          next_monthly_payment: null,
          next_payment_due_date: null,
          origination_date: null,
          origination_principal_amount: null,
          past_due_amount: null,
          property_address: nowhere,
          ytd_interest_paid: null,
          ytd_principal_paid: null,
        },
      ],
      student: [
        {
          account_id: null,
          account_number: null,
          disbursement_dates: ["2020-08-28"],
          expected_payoff_date: null,
          guarantor: null,
          interest_rate_percentage: 5.25,
          is_overdue: null,
          last_payment_amount: null,
          last_payment_date: null,
          last_statement_balance: null,
          last_statement_issue_date: null,
          loan_name: null,
          loan_status: { end_date: null, type: "repayment" },
          minimum_payment_amount: null,
          next_payment_due_date: null,
          origination_date: null,
          origination_principal_amount: null,
          outstanding_interest_amount: null,
          payment_reference_number: null,
          pslf_status: { estimated_eligibility_date: null, payments_made: null, payments_remaining: null },
          repayment_plan: { description: null, type: "standard" },
          sequence_number: null,
          servicer_address: nowhere,
          ytd_interest_paid: null,
          ytd_principal_paid: null,
        },
      ],
    },
  };
}

type Body = Record<string, unknown>;

/** The body with one member changed (or taken away: `undefined`), told by its path. */
function changed(path: string, value: unknown): Body {
  const body: Body = liabilities();
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const holder = keys.reduce<Body>((at, key) => at[key] as Body, body);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return body;
}

const card = "liabilities.credit.0";
const student = "liabilities.student.0";

test("the body that the cases start from is right", () => {
  expect(schemas.strictProblems("LiabilitiesGetResponse", liabilities())).toEqual([]);
});

test.each([
  ["a mortgage without an interest rate object", "liabilities.mortgage.0.interest_rate", null],
  ["no word of credit cards", "liabilities.credit", undefined],
  ["no word of public service", `${student}.pslf_status`, undefined],
  ["an APR that Plaid does not have", `${card}.aprs.0.apr_type`, "moonlight_apr"],
  ["money as text", "accounts.0.balances.current", "12.50"],
  ["the text null in a nullable enum", `${student}.repayment_plan.type`, "null"],
  ["a spelling that was given up", `${student}.repayment_plan.type`, "interest-only"],
  ["a day that is none", `${card}.next_payment_due_date`, "2026-13-01"],
  ["a time where a day belongs", `${card}.next_payment_due_date`, "2026-04-01T00:00:00Z"],
  ["a day in a list that is none", `${student}.disbursement_dates`, ["28.08.2020"]],
  ["a day where a time belongs", "item.consent_expiration_time", "2026-04-01"],
  ["a student loan without its rate", `${student}.interest_rate_percentage`, null],
  ["no request id", "request_id", undefined],
])("refuses %s", (_what, path, value) => {
  expect(schemas.problems("LiabilitiesGetResponse", changed(path, value))).not.toEqual([]);
});

test.each([
  ["a loan status that is not known", `${student}.loan_status.type`, null],
  ["a repayment plan that is not known", `${student}.repayment_plan.type`, null],
  ["the spelling of today", `${student}.repayment_plan.type`, "interest only"],
  ["a status that came later", `${student}.loan_status.type`, "pending idr"],
  ["no days of disbursement", `${student}.disbursement_dates`, null],
  ["null for the newer kinds of loan", "liabilities.loan", null],
  ["an APR of the newer kind", `${card}.aprs.0.apr_type`, "penalty_apr"],
])("lets pass %s", (_what, path, value) => {
  expect(schemas.strictProblems("LiabilitiesGetResponse", changed(path, value))).toEqual([]);
});

test.each([
  ["at the top", "removed", true],
  ["deep down", "accounts.0.balances.currency", "USD"],
  ["in a member that may be null", `${student}.loan_status.since`, "2026-01-01"],
])("a member that Plaid does not have passes the open schema and not the strict one: %s", (_where, path, value) => {
  const body = changed(path, value);
  expect(schemas.problems("LiabilitiesGetResponse", body)).toEqual([]);
  expect(schemas.strictProblems("LiabilitiesGetResponse", body)).toMatchObject([{ keyword: "additionalProperties" }]);
});

describe("maps", () => {
  const webhook = {
    webhook_type: "LIABILITIES",
    webhook_code: "DEFAULT_UPDATE",
    item_id: "item-1",
    environment: "sandbox",
    error: null,
    account_ids_with_new_liabilities: [],
  };

  test("keep their free names in the strict pass, and not their free values", () => {
    const updated = (fields: unknown) => ({ ...webhook, account_ids_with_updated_liabilities: fields });
    expect(schemas.strictProblems("LiabilitiesDefaultUpdateWebhook", updated({ "acc-1": ["aprs"] }))).toEqual([]);
    expect(schemas.strictProblems("LiabilitiesDefaultUpdateWebhook", updated({ "acc-1": [1] }))).not.toEqual([]);
  });
});

test("a security without figi is of an older specification", () => {
  const security = schemas.problems("Security", { security_id: "s" }).map(({ says }) => says);
  expect(security).toContain("must have required property 'figi'");
});

test("a type that is not there is asked for in vain", () => {
  expect(() => schemas.problems("NoSuchResponse", {})).toThrow(/add it to generate-plaid-schemas/);
});
