// One configuration for every test. Tests that need a database ask @florin/testkit for one; the cluster starts once a run.
const shared = {
  testEnvironment: "node",
  testEnvironmentOptions: { customExportConditions: ["florin", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  resolver: "<rootDir>/scripts/jest-resolver.cjs",
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "es6" } },
    ],
  },
  modulePathIgnorePatterns: ["/dist/"],
  testTimeout: 60_000,
};

export default {
  ...shared,
  rootDir: ".",
  roots: ["<rootDir>/packages", "<rootDir>/gateway", "<rootDir>/subgraphs", "<rootDir>/apps", "<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  globalSetup: "<rootDir>/scripts/jest-global-setup.mjs",
  globalTeardown: "<rootDir>/scripts/jest-global-teardown.mjs",
  maxWorkers: 2,
  testSequencer: "<rootDir>/scripts/jest-sequencer.mjs",
  collectCoverageFrom: [
    "packages/*/src/**/*.ts",
    "subgraphs/*/src/**/*.ts",
    "gateway/src/**/*.ts",
    "!**/__generated__/**",
    "!**/*.test.ts",
  ],
  coverageProvider: "v8",
  coverageReporters: ["text-summary", "json-summary", "lcovonly"],
};
