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
