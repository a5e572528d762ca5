export { checkBooks } from "./invariants.js";
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
