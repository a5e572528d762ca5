export { readEnvironment, type Environment } from "./environment.js";
export { startPlatform, type Platform } from "./platform.js";
