import {
  readAccountsEnvironment,
  readClusterEnvironment,
  readGatewayEnvironment,
  readLedgerEnvironment,
} from "../src/environment.js";

const gateway = {
  FLORIN_KEYS: "/keys",
  REDIS_URL: "redis://127.0.0.1:6379",
  ACCOUNTS_URL: "http://a:4001",
  LEDGER_URL: "http://l1:4002, http://l2:4002",
  PORTFOLIO_URL: "http://f:4003",
};
const area = { ...gateway, DATABASE_URL: "postgres://u:p@h1:1,h2:2/db" };

it("reads several targets, and a database of several hosts", () => {
  expect(readGatewayEnvironment(gateway).ledgerUrls).toEqual(["http://l1:4002", "http://l2:4002"]);
  expect(readLedgerEnvironment(area).databaseUrl).toBe("postgres://u:p@h1:1,h2:2/db");
  expect(readLedgerEnvironment(area)).toMatchObject({ port: 4002, leaseMs: 3_000, drainMs: 0, isDemo: true });
});

it("names every variable that is missing or not usable, at once", () => {
  expect(() => readLedgerEnvironment({ PORT: "many", REDIS_URL: "http://x", FLORIN_LEASE_MS: "0" })).toThrow(
    /PORT .*FLORIN_KEYS is missing.*REDIS_URL must begin.*DATABASE_URL is missing.*ACCOUNTS_URL is missing.*FLORIN_LEASE_MS/,
  );
});

it("takes an empty variable for one that is not there", () => {
  expect(readAccountsEnvironment({ ...area, DATABASE_REPLICA_URL: "" }).databaseReplicaUrl).toBeUndefined();
});

it.each([{ FLORIN_FAULT: "relay.after-publish:1:kill" }, { FLORIN_FAULT_RECORD: "/tmp/points" }])(
  "refuses %j in production",
  (faults) => {
    expect(readAccountsEnvironment({ ...area, ...faults }).faults).toBeDefined();
    expect(() => readAccountsEnvironment({ ...area, ...faults, NODE_ENV: "production" })).toThrow(
      /refused in production/,
    );
  },
);

it("has no demo identities in production, whatever FLORIN_DEMO says", () => {
  expect(readGatewayEnvironment({ ...gateway, FLORIN_DEMO: "1", NODE_ENV: "production" }).isDemo).toBe(false);
});

it("hands the parts of one machine what was given, and decides itself where they are", () => {
  const { passedOn, home } = readClusterEnvironment({
    ...area,
    PORT: "0",
    FLORIN_LEASE_MS: "900",
    FLORIN_METRICS_PORT: "9464",
    FLORIN_HOME: "/f",
  });
  expect(home).toBe("/f");
  expect(passedOn).toEqual({ FLORIN_LEASE_MS: "900", NODE_ENV: "development", FLORIN_DEMO: "1" });
});

describe("how Plaid is reached", () => {
  const plaidOf = (given: Readonly<Record<string, string>>) => readAccountsEnvironment({ ...area, ...given }).plaid;

  it("is not at all unless an environment is named", () => {
    expect(plaidOf({ PLAID_CLIENT_ID: "id", PLAID_SECRET: "secret" })).toBeUndefined();
  });

  it("takes the simulator's published credentials for the simulator alone", () => {
    expect(plaidOf({ PLAID_ENV: "simulator", PLAID_SIMULATOR_URL: "http://127.0.0.1:4010" })).toMatchObject({
      environment: "simulator",
      clientId: "florin-demo",
    });
    expect(() => plaidOf({ PLAID_ENV: "sandbox" })).toThrow(/PLAID_CLIENT_ID is missing.*PLAID_SECRET is missing/);
  });

  it.each([
    [{ PLAID_ENV: "prod" }, /PLAID_ENV/],
    [{ PLAID_ENV: "simulator" }, /PLAID_SIMULATOR_URL is missing/],
    [
      { PLAID_ENV: "sandbox", PLAID_CLIENT_ID: "id", PLAID_SECRET: "s", PLAID_SIMULATOR_URL: "http://127.0.0.1:1" },
      /PLAID_SIMULATOR_URL has no place/,
    ],
    [{ PLAID_ENV: "production", PLAID_CLIENT_ID: "id", PLAID_SECRET: "s" }, /FLORIN_KEYRING is missing/],
  ])("refuses to start with %j", (given, why) => {
    expect(() => plaidOf(given)).toThrow(why);
  });

  it("never says a secret in what it complains of", () => {
    const given = { PLAID_ENV: "production", PLAID_CLIENT_ID: "id", PLAID_SECRET: "canary-of-a-secret" };
    let said = "";
    try {
      plaidOf(given);
    } catch (error) {
      said = String(error);
    }
    expect(said).toContain("FLORIN_KEYRING");
    expect(said).not.toContain("canary");
  });
});
