export { checkBooks } from "./invariants.js";
export { startTestCluster, type TestCluster } from "./test-cluster.js";
export { createTestDatabase, type TestDatabase } from "./test-database.js";
export { eventually } from "./eventually.js";
export {
  startPostgresPair,
  type FailoverSupervisor,
  type PairedServer,
  type PostgresPair,
  type PostgresPairOptions,
} from "./postgres-pair.js";
export {
  COMMIT_COMPLETE,
  startTcpProxy,
  type ArmedCut,
  type CutOptions,
  type Direction,
  type TcpProxy,
} from "./tcp-proxy.js";
export { findRedisServer, startTestRedis, whereRedisIs, type TestRedis } from "./test-redis.js";
export { startFlorinCluster, type FlorinCluster, type FlorinClusterOptions } from "./florin-cluster.js";
export type { FlorinPart, PartEnvironment, PartExit, PartKind } from "./florin-part.js";
export { clockSkew } from "./clock-skew.js";
export { startSmallDisk, type SmallDisk } from "./small-disk.js";
export { findFreePort } from "./free-port.js";
export {
  completedOperations,
  createHistory,
  type Anomaly,
  type Completed,
  type History,
  type HistoryEntry,
  type Invocation,
} from "./history.js";
export { checkBank, type BankRead } from "./check-bank.js";
export { checkIdempotentHistory, type KeyedValue, type StoredOperation } from "./check-idempotent.js";
export { checkListAppend, type ListAppendReport } from "./check-list-append.js";
export type { ListOperation, ListTransaction, ListView } from "./list-versions.js";
