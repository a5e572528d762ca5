// `npm run mutation:kernel`: does a test fail when the kernel is wrong? docs/testing.md has the figures and says how to read them.
export default {
  packageManager: "npm",
  plugins: ["./scripts/stryker-kernel-plugin.mjs"],
  ignorers: ["sentences"],
  testRunner: "kernel",
  coverageAnalysis: "perTest",
  mutate: ["packages/kernel/src/**/*.ts", "!**/*.test.ts"],
  ignorePatterns: ["/*", "!/packages", "/packages/*", "!/packages/kernel", "/packages/kernel/dist"],
  concurrency: 1,
  timeoutMS: 3_000,
  tempDirName: "coverage/mutation-kernel/sandbox",
  reporters: ["clear-text", "progress-append-only", "json"],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: "coverage/mutation-kernel/report.json" },
  thresholds: { high: 90, low: 80, break: 80 },
};
