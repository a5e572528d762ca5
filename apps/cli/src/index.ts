export { readEnvironment, type Environment } from "./environment.js";
export { runFlorin, type Terminal } from "./run-florin.js";
