export { readEnvironment, type Environment } from "./environment.js";
export { runFlorin } from "./run-florin.js";
export type { Terminal } from "./terminal.js";
