export { startLocalPostgres, type LocalPostgres, type LocalPostgresOptions, type StopMode } from "./supervisor.js";
export { removeOwnedDirectories } from "./leftovers.js";
export { LocalPostgresError } from "./local-postgres-error.js";
export type { Whereabouts } from "./whereabouts.js";
